import type { Kysely, Transaction } from "kysely";
import type { Stop, SwitchStore } from "../actions/store.ts";
import type { EpochMs, Milliseconds } from "../domain/time.ts";
import { appendAudit } from "./audit.ts";
import type { ProposalsTables } from "./proposals-tables.ts";

const STOP = "stop";
const VOICE = "resume/";

/** The stop as a transaction sees it: what follows in it cannot run past a stop that was set before. */
export async function stopIn(db: Kysely<ProposalsTables> | Transaction<ProposalsTables>): Promise<Stop | null> {
  return (await db.selectFrom("switches").select(["by", "reason"]).where("name", "=", STOP).executeTakeFirst()) ?? null;
}

/** The kill switch and the leases. */
export class SwitchRepository implements SwitchStore {
  readonly #db: Kysely<ProposalsTables>;

  constructor(db: Kysely<ProposalsTables>) {
    this.#db = db;
  }

  stopped(): Promise<Stop | null> {
    return stopIn(this.#db);
  }

  stop(by: string, reason: string, at: EpochMs): Promise<readonly string[]> {
    return this.#db.transaction().execute(async (work) => {
      await work
        .insertInto("switches")
        .values({ name: STOP, by, reason, at })
        .onConflict((conflict) => conflict.column("name").doUpdateSet({ by, reason, at }))
        .execute();
      await work.deleteFrom("switches").where("name", "like", `${VOICE}%`).execute();
      const cancelled = await work
        .updateTable("proposals")
        .set({ state: "cancelled", outcome: `stopped by ${by}` })
        .where("state", "in", ["pending", "approved"])
        .returning("id")
        .execute();
      const ids = cancelled.map(({ id }) => id);
      await appendAudit(work, { actor: by, kind: "stop", subject: "vigil", data: { reason, cancelled: ids } }, at);
      return ids;
    });
  }

  resume(by: string, needed: number, at: EpochMs): Promise<number> {
    return this.#db.transaction().execute(async (work) => {
      await work
        .insertInto("switches")
        .values({ name: `${VOICE}${by}`, by, reason: "", at })
        .onConflict((conflict) => conflict.column("name").doNothing())
        .execute();
      const voices = await work.selectFrom("switches").select("name").where("name", "like", `${VOICE}%`).execute();
      const lacking = Math.max(0, needed - voices.length);
      if (lacking === 0) await work.deleteFrom("switches").execute();
      await appendAudit(work, { actor: by, kind: "resume", subject: "vigil", data: { lacking } }, at);
      return lacking;
    });
  }

  lease(name: string, holder: string, now: EpochMs, term: Milliseconds): Promise<boolean> {
    return this.#db.transaction().execute(async (work) => {
      const held = await work.selectFrom("leases").selectAll().where("name", "=", name).executeTakeFirst();
      // A lease that runs longer than it can have been given for was taken before the clock was set back.
      if (held && held.holder !== holder && held.until > now && held.until <= now + term) return false;
      const until = now + term;
      await work
        .insertInto("leases")
        .values({ name, holder, until })
        .onConflict((conflict) => conflict.column("name").doUpdateSet({ holder, until }))
        .execute();
      return true;
    });
  }
}
