import type { Kysely } from "kysely";
import type { AuditEntry, Experiment, ExperimentStore } from "../actions/store.ts";
import type { EpochMs } from "../domain/time.ts";
import { appendAudit } from "./audit.ts";
import type { ExperimentTable, ProposalsTables } from "./proposals-tables.ts";
import { stopIn } from "./switches.ts";

/** Causal tests: each holds its flag's lock until the flag is as it was. */
export class ExperimentRepository implements ExperimentStore {
  readonly #db: Kysely<ProposalsTables>;
  readonly #now: () => EpochMs;

  /** @param now wall clock */
  constructor(db: Kysely<ProposalsTables>, now: () => EpochMs) {
    this.#db = db;
    this.#now = now;
  }

  begin(experiment: Experiment, audit: AuditEntry): Promise<string | null> {
    return this.#db.transaction().execute(async (work) => {
      const stopped = await stopIn(work);
      if (stopped) return `stopped by ${stopped.by}: ${stopped.reason}`;
      const open = await work.selectFrom("experiments").select("flag").where("state", "!=", "restored").executeTakeFirst();
      if (open) return `another causal test is running (${open.flag}); one at a time`;
      const target = `flag:${experiment.flag}`;
      const held = await work.selectFrom("locks").select("proposal_id").where("target", "=", target).executeTakeFirst();
      if (held) return `${held.proposal_id} is in flight on ${target}`;
      const undecided = await work
        .selectFrom("proposals")
        .select("id")
        .where("target", "=", target)
        .where("state", "in", ["pending", "approved"])
        .executeTakeFirst();
      if (undecided) return `${undecided.id} awaits a decision, and a test would move what it is about (${target})`;
      await work.insertInto("locks").values({ target, proposal_id: experiment.id }).execute();
      await work.insertInto("experiments").values(rowOf(experiment)).execute();
      await appendAudit(work, audit, this.#now());
      return null;
    });
  }

  async save(experiment: Experiment, audit: AuditEntry): Promise<void> {
    const { id, ...changed } = rowOf(experiment);
    await this.#db.transaction().execute(async (work) => {
      const saved = await work
        .updateTable("experiments")
        .set(changed)
        .where("id", "=", id)
        .where("state", "!=", "restored")
        .executeTakeFirst();
      if (saved.numUpdatedRows === 0n) return;
      if (experiment.state === "restored") await work.deleteFrom("locks").where("proposal_id", "=", id).execute();
      await appendAudit(work, audit, this.#now());
    });
  }

  async giveWay(target: string, restoreBy: EpochMs): Promise<boolean> {
    const flag = target.startsWith("flag:") ? target.slice("flag:".length) : null;
    if (flag === null) return false;
    // While its pin is on its way, nobody knows what to take back.
    await this.#db
      .updateTable("experiments")
      .set({ state: "ending", restore_by: restoreBy })
      .where("flag", "=", flag)
      .where("state", "=", "running")
      .execute();
    return (await this.open()).some((one) => one.flag === flag);
  }

  async ending(id: string): Promise<boolean> {
    const row = await this.#db.selectFrom("experiments").select("state").where("id", "=", id).executeTakeFirst();
    return row?.state === "ending";
  }

  async open(): Promise<readonly Experiment[]> {
    return (await this.#db.selectFrom("experiments").selectAll().where("state", "!=", "restored").execute()).map(experimentFrom);
  }

  async restoredSince(since: EpochMs): Promise<readonly Experiment[]> {
    const rows = await this.#db
      .selectFrom("experiments")
      .selectAll()
      .where("state", "=", "restored")
      .where("ended_at", ">=", since)
      .execute();
    return rows.map(experimentFrom);
  }

  async of(flag: string, since: EpochMs): Promise<readonly Experiment[]> {
    const rows = await this.#db
      .selectFrom("experiments")
      .selectAll()
      .where("flag", "=", flag)
      .where((is) => is.or([is("ended_at", "is", null), is("ended_at", ">=", since)]))
      .execute();
    return rows.map(experimentFrom);
  }
}

const rowOf = ({ startedAt, endedAt, pinnedBy, restoreBy, ...rest }: Experiment): ExperimentTable => ({
  ...rest,
  started_at: startedAt,
  ended_at: endedAt,
  pinned_by: pinnedBy,
  restore_by: restoreBy,
});

const experimentFrom = ({ started_at, ended_at, pinned_by, restore_by, ...rest }: ExperimentTable): Experiment => ({
  ...rest,
  startedAt: started_at,
  endedAt: ended_at,
  pinnedBy: pinned_by,
  restoreBy: restore_by,
});
