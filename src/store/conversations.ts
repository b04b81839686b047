import { type Kysely, type Migration, sql } from "kysely";
import type { Card } from "../chat/card.ts";
import type { ChatStore, Delivery, MessageRef, Reaction, StoredMessage } from "../chat/store.ts";
import { GroupCommit } from "./group-commit.ts";

export interface ConversationsTables {
  message_refs: { subject: string; surface: string; channel: string; message: string };
  channel_messages: {
    id: string;
    seq: number;
    thread: string | null;
    at: number;
    author: string;
    kind: StoredMessage["kind"];
    body: string;
  };
  inbox: { source: string; event_id: string; at: number; body: string | null; settled: number };
  outbox: {
    subject: string;
    surface: string;
    thread_subject: string | null;
    card: string;
    revision: number;
    shown: number;
    wanted_at: number;
    begun: number;
    attempts: number;
    /** Null when it was given up. */
    next_at: number | null;
    reason: string | null;
  };
  reactions: { surface: string; channel: string; message: string; person: string; emoji: string; at: number };
}

export const conversationsMigrations: Readonly<Record<string, Migration>> = {
  "050-conversations": {
    async up(db: Kysely<unknown>) {
      await sql`CREATE TABLE message_refs (subject TEXT NOT NULL, surface TEXT NOT NULL, channel TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (subject, surface))`.execute(
        db,
      );
      await sql`CREATE INDEX refs_by_message ON message_refs (surface, channel, message)`.execute(db);
      await sql`CREATE TABLE channel_messages (id TEXT PRIMARY KEY, seq INTEGER NOT NULL, thread TEXT, at BIGINT NOT NULL, author TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL)`.execute(
        db,
      );
      await sql`CREATE INDEX messages_by_seq ON channel_messages (seq)`.execute(db);
      await sql`CREATE TABLE inbox (source TEXT NOT NULL, event_id TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (source, event_id))`.execute(
        db,
      );
    },
  },
  "051-outbox": {
    async up(db: Kysely<unknown>) {
      await sql`CREATE TABLE outbox (subject TEXT NOT NULL, surface TEXT NOT NULL, thread_subject TEXT, card TEXT NOT NULL, revision INTEGER NOT NULL, shown INTEGER NOT NULL, wanted_at BIGINT NOT NULL, begun INTEGER NOT NULL, attempts INTEGER NOT NULL, next_at BIGINT, reason TEXT, PRIMARY KEY (subject, surface))`.execute(
        db,
      );
      await sql`CREATE TABLE reactions (surface TEXT NOT NULL, channel TEXT NOT NULL, message TEXT NOT NULL, person TEXT NOT NULL, emoji TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (surface, channel, message, person, emoji))`.execute(
        db,
      );
    },
  },
  "052-inbox": {
    async up(db: Kysely<unknown>) {
      await sql`ALTER TABLE inbox ADD COLUMN body TEXT`.execute(db);
      await sql`ALTER TABLE inbox ADD COLUMN settled INTEGER NOT NULL DEFAULT 0`.execute(db);
    },
  },
};

/** Nobody waits for an event to be marked as finished; a crash in between asks it again, which is known by its message. Milliseconds. */
const SETTLE_WITHIN = 100;

/** Which message shows what on which surface, what is still to be shown, the local channel's own messages, and the events that were taken in. */
export class ConversationRepository implements ChatStore {
  readonly #db: Kysely<ConversationsTables>;
  readonly #commits: GroupCommit<ConversationsTables>;

  constructor(db: Kysely<ConversationsTables>) {
    this.#db = db;
    this.#commits = new GroupCommit(db);
  }

  async ref(subject: string, surface: string): Promise<MessageRef | null> {
    const row = await this.#db
      .selectFrom("message_refs")
      .select(["channel", "message"])
      .where("subject", "=", subject)
      .where("surface", "=", surface)
      .executeTakeFirst();
    return row ?? null;
  }

  /** The messages that show a subject, on every surface. */
  refsOf(subject: string): Promise<{ surface: string; channel: string; message: string }[]> {
    return this.#db.selectFrom("message_refs").select(["surface", "channel", "message"]).where("subject", "=", subject).execute();
  }

  async saveRef(subject: string, surface: string, ref: MessageRef): Promise<void> {
    await this.#commits.run((db) =>
      db
        .insertInto("message_refs")
        .values({ subject, surface, channel: ref.channel, message: ref.message })
        .onConflict((conflict) =>
          conflict.columns(["subject", "surface"]).doUpdateSet({ channel: ref.channel, message: ref.message }),
        )
        .execute(),
    );
  }

  async forgetRef(subject: string, surface: string): Promise<void> {
    await this.#db.deleteFrom("message_refs").where("subject", "=", subject).where("surface", "=", surface).execute();
  }

  async subjectOf(surface: string, ref: MessageRef): Promise<string | null> {
    const row = await this.#db
      .selectFrom("message_refs")
      .select("subject")
      .where("surface", "=", surface)
      .where("channel", "=", ref.channel)
      .where("message", "=", ref.message)
      .executeTakeFirst();
    return row?.subject ?? null;
  }

  async putMessage(message: Omit<StoredMessage, "seq">): Promise<StoredMessage> {
    const seq = sql<number>`(SELECT COALESCE(MAX(seq), 0) + 1 FROM channel_messages)`;
    return this.#db.transaction().execute(async (work) => {
      await work
        .insertInto("channel_messages")
        .values({ ...message, body: JSON.stringify(message.body), seq })
        .onConflict((conflict) => conflict.column("id").doUpdateSet({ body: JSON.stringify(message.body), seq }))
        .execute();
      const row = await work.selectFrom("channel_messages").selectAll().where("id", "=", message.id).executeTakeFirstOrThrow();
      return messageFrom(row);
    });
  }

  async messagesSince(seq: number, limit: number): Promise<StoredMessage[]> {
    const rows = await this.#db
      .selectFrom("channel_messages")
      .selectAll()
      .where("seq", ">", seq)
      .orderBy("seq", "desc")
      .limit(limit)
      .execute();
    return rows.reverse().map(messageFrom);
  }

  takeIn(source: string, eventId: string, body: unknown, at: number): Promise<"new" | "open" | "settled"> {
    return this.#commits.run(async (db) => {
      const result = await db
        .insertInto("inbox")
        .values({ source, event_id: eventId, at, body: JSON.stringify(body), settled: 0 })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      if ((result.numInsertedOrUpdatedRows ?? 0n) > 0n) return "new";
      const row = await db
        .selectFrom("inbox")
        .select("settled")
        .where("source", "=", source)
        .where("event_id", "=", eventId)
        .executeTakeFirst();
      return Number(row?.settled) === 1 ? "settled" : "open";
    });
  }

  async settle(source: string, eventId: string): Promise<void> {
    await this.#commits.run(
      (db) =>
        db
          .updateTable("inbox")
          .set({ settled: 1, body: null })
          .where("source", "=", source)
          .where("event_id", "=", eventId)
          .execute(),
      SETTLE_WITHIN,
    );
  }

  async open(source: string, since: number): Promise<{ eventId: string; body: unknown }[]> {
    const rows = await this.#db
      .selectFrom("inbox")
      .select(["event_id", "body"])
      .where("source", "=", source)
      .where("settled", "=", 0)
      .where("at", ">=", since)
      .where("body", "is not", null)
      .orderBy("at")
      .execute();
    return rows.map((row) => ({ eventId: row.event_id, body: JSON.parse(row.body ?? "null") }));
  }

  async want(subject: string, surface: string, threadSubject: string | null, card: Card, at: number): Promise<boolean> {
    const body = JSON.stringify(card);
    const result = await this.#db
      .insertInto("outbox")
      .values({
        subject,
        surface,
        thread_subject: threadSubject,
        card: body,
        revision: 1,
        shown: 0,
        wanted_at: at,
        begun: 0,
        attempts: 0,
        next_at: at,
        reason: null,
      })
      .onConflict((conflict) =>
        conflict
          .columns(["subject", "surface"])
          .doUpdateSet((eb) => ({
            card: body,
            revision: eb("outbox.revision", "+", 1),
            wanted_at: at,
            attempts: 0,
            next_at: eb.fn.coalesce("outbox.next_at", eb.val(at)),
            reason: null,
          }))
          .where("outbox.card", "!=", body),
      )
      .executeTakeFirst();
    return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
  }

  async next(surface: string, at: number): Promise<Delivery | null> {
    const row = await this.#db
      .selectFrom("outbox")
      .selectAll()
      .where("surface", "=", surface)
      .whereRef("shown", "<", "revision")
      .where("next_at", "<=", at)
      // A reply waits for its thread, unless that thread will never come.
      .where((eb) =>
        eb.or([
          eb("thread_subject", "is", null),
          eb.exists(
            eb
              .selectFrom("message_refs")
              .select("message")
              .whereRef("message_refs.subject", "=", "outbox.thread_subject")
              .where("message_refs.surface", "=", surface),
          ),
          eb.not(
            eb.exists(
              eb
                .selectFrom("outbox as root")
                .select("root.subject")
                .whereRef("root.subject", "=", "outbox.thread_subject")
                .where("root.surface", "=", surface)
                .where("root.next_at", "is not", null),
            ),
          ),
        ]),
      )
      .orderBy((eb) => eb("shown", ">", 0))
      .orderBy("wanted_at")
      .orderBy("subject")
      .limit(1)
      .executeTakeFirst();
    if (!row) return null;
    return {
      subject: row.subject,
      surface: row.surface,
      threadSubject: row.thread_subject,
      card: JSON.parse(row.card) as Card,
      revision: Number(row.revision),
      begun: Number(row.begun) === 1,
      attempts: Number(row.attempts),
    };
  }

  async nextAt(surface: string): Promise<number | null> {
    const row = await this.#db
      .selectFrom("outbox")
      .select((eb) => eb.fn.min("next_at").as("at"))
      .where("surface", "=", surface)
      .whereRef("shown", "<", "revision")
      .executeTakeFirst();
    return row?.at == null ? null : Number(row.at);
  }

  async begin({ subject, surface }: Delivery): Promise<void> {
    await this.#row(subject, surface).set({ begun: 1 }).execute();
  }

  async done({ subject, surface, revision }: Delivery): Promise<void> {
    await this.#row(subject, surface).set({ shown: revision, begun: 0, attempts: 0, reason: null }).execute();
  }

  async failed({ subject, surface }: Delivery, at: number | null, reason: string): Promise<void> {
    await this.#row(subject, surface)
      .set((eb) => ({ attempts: eb("attempts", "+", 1), next_at: at, reason }))
      .execute();
  }

  async undelivered(): Promise<{ surface: string; count: number; reason: string }[]> {
    const rows = await this.#db
      .selectFrom("outbox")
      .select(["surface", "reason"])
      .where("next_at", "is", null)
      .whereRef("shown", "<", "revision")
      .orderBy("wanted_at")
      .execute();
    const bySurface = new Map<string, { surface: string; count: number; reason: string }>();
    for (const { surface, reason } of rows)
      bySurface.set(surface, { surface, count: (bySurface.get(surface)?.count ?? 0) + 1, reason: reason ?? "" });
    return [...bySurface.values()];
  }

  async forgetSettled(before: number): Promise<number> {
    const result = await this.#db.deleteFrom("inbox").where("settled", "=", 1).where("at", "<", before).executeTakeFirst();
    return Number(result.numDeletedRows);
  }

  async card(subject: string, surface: string): Promise<Card | null> {
    const row = await this.#db
      .selectFrom("outbox")
      .select("card")
      .where("subject", "=", subject)
      .where("surface", "=", surface)
      .executeTakeFirst();
    return row ? (JSON.parse(row.card) as Card) : null;
  }

  async react(surface: string, reaction: Reaction, present: boolean, at: number): Promise<string[]> {
    const { channel, message, user: person, emoji } = reaction;
    if (present) {
      await this.#db
        .insertInto("reactions")
        .values({ surface, channel, message, person, emoji, at })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    } else {
      await this.#db
        .deleteFrom("reactions")
        .where("surface", "=", surface)
        .where("channel", "=", channel)
        .where("message", "=", message)
        .where("person", "=", person)
        .where("emoji", "=", emoji)
        .execute();
    }
    const rows = await this.#db
      .selectFrom("reactions")
      .select("emoji")
      .where("surface", "=", surface)
      .where("channel", "=", channel)
      .where("message", "=", message)
      .where("person", "=", person)
      .orderBy("at")
      .execute();
    return rows.map((row) => row.emoji);
  }

  #row(subject: string, surface: string) {
    return this.#db.updateTable("outbox").where("subject", "=", subject).where("surface", "=", surface);
  }
}

function messageFrom(row: ConversationsTables["channel_messages"]): StoredMessage {
  return {
    id: row.id,
    seq: Number(row.seq),
    thread: row.thread,
    at: Number(row.at),
    author: row.author,
    kind: row.kind,
    body: JSON.parse(row.body),
  };
}
