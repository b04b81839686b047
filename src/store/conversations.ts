import { type Kysely, type Migration, sql } from "kysely";
import type { ChatStore, MessageRef, StoredMessage } from "../chat/store.ts";

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
  inbox: { source: string; event_id: string; at: number };
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
};

/** Which message shows what on which surface, the local channel's own messages, and the ids of events that were taken in. */
export class ConversationRepository implements ChatStore {
  readonly #db: Kysely<ConversationsTables>;

  constructor(db: Kysely<ConversationsTables>) {
    this.#db = db;
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

  async saveRef(subject: string, surface: string, ref: MessageRef): Promise<void> {
    await this.#db
      .insertInto("message_refs")
      .values({ subject, surface, channel: ref.channel, message: ref.message })
      .onConflict((conflict) =>
        conflict.columns(["subject", "surface"]).doUpdateSet({ channel: ref.channel, message: ref.message }),
      )
      .execute();
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
    await this.#db
      .insertInto("channel_messages")
      .values({ ...message, body: JSON.stringify(message.body), seq })
      .onConflict((conflict) => conflict.column("id").doUpdateSet({ body: JSON.stringify(message.body), seq }))
      .execute();
    const row = await this.#db.selectFrom("channel_messages").selectAll().where("id", "=", message.id).executeTakeFirstOrThrow();
    return messageFrom(row);
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

  /** False when this event was taken in before. */
  async firstSeen(source: string, eventId: string, at: number): Promise<boolean> {
    const result = await this.#db
      .insertInto("inbox")
      .values({ source, event_id: eventId, at })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
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
