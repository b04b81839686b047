import { type Kysely, sql, type Transaction } from "kysely";
import type { EpochMs } from "../domain/time.ts";
import type { Forgotten, PrivacyStore } from "../flows/forget.ts";
import { pictureKey } from "../flows/picture.ts";
import { onPostgres } from "./database.ts";
import type { StateTables } from "./state.ts";

const NONE = { numDeletedRows: 0n };

type Work = Transaction<StateTables>;

/** Deletes what is stored about a person or an incident, over all tables in one transaction each. */
export class PrivacyRepository implements PrivacyStore {
  readonly #db: Kysely<StateTables>;

  constructor(db: Kysely<StateTables>) {
    this.#db = db;
  }

  async forgetUser(user: string): Promise<Forgotten> {
    const [surface = "", ...rest] = user.split(":");
    const person = rest.join(":");
    const deleted = await this.#erase(async (work) => {
      const asked = (
        await work
          .selectFrom("turns")
          .select("id")
          .where((eb) =>
            eb.or([
              eb("author", "=", user),
              ...(surface === "web"
                ? [
                    eb(
                      "id",
                      "in",
                      work.selectFrom("channel_messages").select("id").where("author", "=", person).where("kind", "=", "text"),
                    ),
                  ]
                : []),
            ]),
          )
          .execute()
      ).map(({ id }) => pictureKey(id));
      const said = work.selectFrom("channel_messages").select("id").where("author", "=", person).where("kind", "=", "text");
      const turns =
        surface === "web"
          ? await work
              .deleteFrom("turns")
              .where((eb) => eb.or([eb("author", "=", user), eb("id", "in", said)]))
              .executeTakeFirst()
          : await work.deleteFrom("turns").where("author", "=", user).executeTakeFirst();
      const votes = await work.deleteFrom("feedback").where("user", "=", user).executeTakeFirst();
      const pictures =
        asked.length > 0 ? await work.deleteFrom("answer_pictures").where("key", "in", asked).executeTakeFirst() : NONE;
      const history = await work.deleteFrom("feedback_history").where("user", "=", user).executeTakeFirst();
      const undone = await work.deleteFrom("learning_undone").where("target", "=", user).executeTakeFirst();
      const reactions = await work
        .deleteFrom("reactions")
        .where("surface", "=", surface)
        .where("person", "=", person)
        .executeTakeFirst();
      const messages =
        surface === "web"
          ? await work.deleteFrom("channel_messages").where("author", "=", person).where("kind", "=", "text").executeTakeFirst()
          : { numDeletedRows: 0n };
      return { votes, history, undone, reactions, turns, messages, pictures };
    });
    const [{ kept }] = (await this.#db
      .selectFrom("decisions")
      .select((eb) => eb.fn.countAll<number>().as("kept"))
      .where("user", "=", user)
      .execute()) as [{ kept: number }];
    return { deleted, keptDecisions: Number(kept) };
  }

  async forgetIncident(incidentId: string | null, investigationIds: readonly string[]): Promise<Forgotten> {
    // PostgreSQL takes no empty list; no investigation has an empty id.
    const ids = investigationIds.length > 0 ? [...investigationIds] : [""];
    const subjects = ids.map((id) => `investigation:${id}`);
    let kept = 0;
    const deleted = await this.#erase(async (work) => {
      const refs = await work.selectFrom("message_refs").selectAll().where("subject", "in", subjects).execute();
      let [turns, pictures] = [0n, 0n];
      for (const { surface, channel, message } of refs) {
        const asked = await work
          .selectFrom("turns")
          .select("id")
          .where("surface", "=", surface)
          .where("channel", "=", channel)
          .where("thread", "=", message)
          .execute();
        const keys = asked.map(({ id }) => pictureKey(id));
        if (keys.length > 0)
          pictures += (await work.deleteFrom("answer_pictures").where("key", "in", keys).executeTakeFirst()).numDeletedRows;
        const gone = await work
          .deleteFrom("turns")
          .where("surface", "=", surface)
          .where("channel", "=", channel)
          .where("thread", "=", message)
          .executeTakeFirst();
        turns += gone.numDeletedRows;
      }
      const threads = refs.map(({ message }) => message);
      const proposals = await work.selectFrom("proposals").select("id").where("investigation_id", "in", ids).execute();
      kept = proposals.length;
      const cards = [...subjects, ...proposals.map(({ id }) => `proposal:${id}`)];
      const messages = await work
        .deleteFrom("channel_messages")
        .where((eb) => eb.or([eb("id", "in", cards), ...(threads.length > 0 ? [eb("thread", "in", threads)] : [])]))
        .executeTakeFirst();
      const outbox = await work
        .deleteFrom("outbox")
        .where((eb) => eb.or([eb("subject", "in", cards), eb("thread_subject", "in", subjects)]))
        .executeTakeFirst();
      await work.deleteFrom("message_refs").where("subject", "in", cards).execute();
      const votes = await work.deleteFrom("feedback").where("investigation_id", "in", ids).executeTakeFirst();
      const history = await work.deleteFrom("feedback_history").where("investigation_id", "in", ids).executeTakeFirst();
      const recordings = await work.deleteFrom("recordings").where("investigation_id", "in", ids).executeTakeFirst();
      const documents = await work
        .deleteFrom("documents")
        .where(
          "key",
          "in",
          ids.flatMap((id) => [`vigil/${id}`, `postmortems/PM-${id}.md`]),
        )
        .executeTakeFirst();
      const undone = await work.deleteFrom("learning_undone").where("target", "in", ids).executeTakeFirst();
      const investigations = await work.deleteFrom("investigations").where("id", "in", ids).executeTakeFirst();
      const counts = {
        turns: { numDeletedRows: turns },
        pictures: { numDeletedRows: pictures },
        messages,
        outbox,
        votes,
        history,
        recordings,
        documents,
        undone,
        investigations,
      };
      if (incidentId === null) return counts;
      await work.deleteFrom("memory").where("key", "=", `looks/${incidentId}`).execute();
      const alerts = await work.deleteFrom("alerts").where("incident_id", "=", incidentId).executeTakeFirst();
      const escalations = await work.deleteFrom("escalations").where("incident_id", "=", incidentId).executeTakeFirst();
      const incidents = await work.deleteFrom("incidents").where("id", "=", incidentId).executeTakeFirst();
      return { ...counts, alerts, escalations, incidents };
    });
    return { deleted, keptProposals: kept };
  }

  async forgetConversations(before: EpochMs): Promise<number> {
    const counts = await this.#erase(async (work) => {
      const turns = await work.deleteFrom("turns").where("at", "<", before).executeTakeFirst();
      // Cards of investigations go with their incident, those of proposals stay with the audit trail.
      const messages = await work
        .deleteFrom("channel_messages")
        .where("at", "<", before)
        .where("id", "not like", "investigation:%")
        .where("id", "not like", "proposal:%")
        .executeTakeFirst();
      const shown = work
        .selectFrom("outbox")
        .select("subject")
        .where("wanted_at", "<", before)
        .where("subject", "not like", "investigation:%")
        .where("subject", "not like", "proposal:%");
      await work.deleteFrom("message_refs").where("subject", "in", shown).execute();
      const outbox = await work.deleteFrom("outbox").where("subject", "in", shown).executeTakeFirst();
      const reactions = await work.deleteFrom("reactions").where("at", "<", before).executeTakeFirst();
      const pictures = await work.deleteFrom("answer_pictures").where("at", "<", before).executeTakeFirst();
      return { turns, messages, outbox, reactions, pictures };
    });
    return Object.values(counts).reduce((sum, count) => sum + count, 0);
  }

  /** Deletes in one transaction; SQLite overwrites what it frees, also in its log. */
  async #erase(
    work: (transaction: Work) => Promise<Record<string, { readonly numDeletedRows: bigint }>>,
  ): Promise<Record<string, number>> {
    const sqlite = !onPostgres(this.#db as unknown as Kysely<unknown>);
    if (sqlite) await sql`PRAGMA secure_delete = ON`.execute(this.#db);
    const counts = await this.#db.transaction().execute(work);
    if (sqlite) await sql`PRAGMA wal_checkpoint(TRUNCATE)`.execute(this.#db);
    return Object.fromEntries(
      Object.entries(counts)
        .map(([what, { numDeletedRows }]) => [what, Number(numDeletedRows)] as const)
        .filter(([, count]) => count > 0),
    );
  }
}
