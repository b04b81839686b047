import { type Kysely, type Migration, sql, type Transaction } from "kysely";
import type { AuditEntry, Decision, Execution, Experiment, ProposalStore, StoredProposal } from "../actions/store.ts";
import { FINAL_STATES, type Proposal, type ProposalState } from "../domain/proposal.ts";
import type { EpochMs } from "../domain/time.ts";
import { type AuditTable, appendAudit } from "./audit.ts";

interface ProposalTable {
  id: string;
  rev: number;
  state: ProposalState;
  target: string;
  investigation_id: string | null;
  needed: number;
  created_at: number;
  expires_at: number;
  outcome: string | null;
  /** JSON of the Proposal; state, approvals and outcome are taken from their own columns and rows. */
  body: string;
  pre_state: string;
  snapshot: string;
}

interface DecisionTable {
  proposal_id: string;
  rev: number;
  user: string;
  verdict: "approve" | "deny";
  reason: string | null;
  via: string;
  at: number;
}

interface ExecutionTable {
  proposal_id: string;
  idempotency_key: string;
  /** Telemetry time of the claim. */
  claimed_at: number;
  body: string;
}

interface ExperimentTable {
  id: string;
  flag: string;
  snapshot: string;
  state: Experiment["state"];
  started_at: number;
  ended_at: number | null;
}

const experimentFrom = ({ started_at, ended_at, ...rest }: ExperimentTable): Experiment => ({
  ...rest,
  startedAt: started_at,
  endedAt: ended_at,
});

export interface ProposalsTables {
  proposals: ProposalTable;
  decisions: DecisionTable;
  executions: ExecutionTable;
  locks: { target: string; proposal_id: string };
  switches: { name: string; by: string; reason: string; at: number };
  experiments: ExperimentTable;
  audit: AuditTable;
  proposal_ids: { id: number };
}

export const proposalsMigrations: Readonly<Record<string, Migration>> = {
  "020-proposals": {
    async up(db: Kysely<unknown>) {
      const statements = [
        sql`CREATE TABLE proposals (
          id TEXT PRIMARY KEY, rev INTEGER NOT NULL, state TEXT NOT NULL, target TEXT NOT NULL, investigation_id TEXT, needed INTEGER NOT NULL,
          created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, outcome TEXT, body TEXT NOT NULL, pre_state TEXT NOT NULL, snapshot TEXT NOT NULL)`,
        sql`CREATE INDEX proposals_by_state ON proposals (state)`,
        sql`CREATE TABLE decisions (
          proposal_id TEXT NOT NULL, rev INTEGER NOT NULL, "user" TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT, via TEXT NOT NULL, at BIGINT NOT NULL,
          UNIQUE (proposal_id, rev, "user"))`,
        sql`CREATE TABLE executions (
          proposal_id TEXT PRIMARY KEY, idempotency_key TEXT NOT NULL UNIQUE, claimed_at BIGINT NOT NULL, body TEXT NOT NULL)`,
        sql`CREATE TABLE locks (target TEXT PRIMARY KEY, proposal_id TEXT NOT NULL)`,
        sql`CREATE TABLE switches (name TEXT PRIMARY KEY, "by" TEXT NOT NULL, reason TEXT NOT NULL, at BIGINT NOT NULL)`,
        sql`CREATE TABLE experiments (id TEXT PRIMARY KEY, flag TEXT NOT NULL, snapshot TEXT NOT NULL, state TEXT NOT NULL)`,
        sql`CREATE TABLE audit (
          seq INTEGER PRIMARY KEY, at BIGINT NOT NULL, actor TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, data TEXT NOT NULL,
          prev_hash TEXT NOT NULL, hash TEXT NOT NULL)`,
        sql`CREATE TABLE proposal_ids (id INTEGER PRIMARY KEY)`,
      ];
      for (const statement of statements) await statement.execute(db);
    },
  },
  "022-experiment-times": {
    async up(db: Kysely<unknown>) {
      await sql`ALTER TABLE experiments ADD COLUMN started_at BIGINT NOT NULL DEFAULT 0`.execute(db);
      await sql`ALTER TABLE experiments ADD COLUMN ended_at BIGINT`.execute(db);
      await sql`UPDATE experiments SET ended_at = 0 WHERE state = 'restored'`.execute(db);
    },
  },
};

type Work = Transaction<ProposalsTables>;
const STOP = "stop";

/** Proposals and all that hangs on them. Each method begins with its write, so that SQLite takes the lock before anything is read. */
export class ProposalRepository implements ProposalStore {
  readonly #db: Kysely<ProposalsTables>;
  readonly #now: () => EpochMs;

  /** @param now wall clock */
  constructor(db: Kysely<ProposalsTables>, now: () => EpochMs) {
    this.#db = db;
    this.#now = now;
  }

  async nextProposalId(): Promise<string> {
    const { insertId } = await this.#db.insertInto("proposal_ids").defaultValues().executeTakeFirstOrThrow();
    return `PRO-${insertId}`;
  }

  async insert({ proposal, preState, snapshot }: StoredProposal, audit: AuditEntry): Promise<void> {
    await this.#transaction(async (work) => {
      await work
        .insertInto("proposals")
        .values({
          id: proposal.id,
          rev: proposal.rev,
          state: proposal.state,
          target: proposal.target,
          investigation_id: proposal.investigationId,
          needed: proposal.neededApprovals,
          created_at: proposal.createdAt,
          expires_at: proposal.expiresAt,
          outcome: proposal.outcome,
          body: JSON.stringify(proposal),
          pre_state: preState,
          snapshot,
        })
        .execute();
      await appendAudit(work, audit, this.#now());
    });
  }

  get(id: string): Promise<StoredProposal | null> {
    return this.#load(this.#db, id);
  }

  async list(filter: { states?: readonly ProposalState[]; investigationId?: string } = {}): Promise<readonly Proposal[]> {
    let query = this.#db.selectFrom("proposals").select("id").orderBy("created_at");
    if (filter.states) query = query.where("state", "in", [...filter.states]);
    if (filter.investigationId) query = query.where("investigation_id", "=", filter.investigationId);
    const found = await Promise.all((await query.execute()).map(({ id }) => this.#load(this.#db, id)));
    return found.flatMap((stored) => (stored ? [stored.proposal] : []));
  }

  async decide(id: string, rev: number, decision: Decision, audit: AuditEntry): Promise<Proposal | null> {
    return this.#transaction(async (work) => {
      const { user, verdict, reason, via, at } = decision;
      const inserted = await work
        .insertInto("decisions")
        .columns(["proposal_id", "rev", "user", "verdict", "reason", "via", "at"])
        .expression((eb) =>
          eb
            .selectFrom("proposals")
            .select([
              "id",
              "rev",
              sql<string>`${user}`.as("user"),
              sql<"approve" | "deny">`${verdict}`.as("verdict"),
              sql<string | null>`${reason}`.as("reason"),
              sql<string>`${via}`.as("via"),
              sql<number>`${at}`.as("at"),
            ])
            .where("id", "=", id)
            .where("rev", "=", rev)
            .where("state", "=", "pending")
            .where("expires_at", ">", at)
            // A clock set back must not bring old proposals to life.
            .where("created_at", "<=", at),
        )
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      if (!inserted.numInsertedOrUpdatedRows) return null;
      const approvals = work
        .selectFrom("decisions")
        .select((eb) => eb.fn.count<number>("user").distinct().as("count"))
        .where("proposal_id", "=", id)
        .where("rev", "=", rev)
        .where("verdict", "=", "approve");
      const to = verdict === "deny" ? "denied" : "approved";
      await work
        .updateTable("proposals")
        .set({ state: to, outcome: verdict === "deny" ? `denied by ${user}${reason ? `: ${reason}` : ""}` : null })
        .where("id", "=", id)
        .where("state", "=", "pending")
        .$if(verdict === "approve", (query) => query.where("needed", "<=", approvals))
        .execute();
      await appendAudit(work, audit, at);
      return (await this.#load(work, id))?.proposal ?? null;
    });
  }

  async claim(id: string, execution: Execution, now: EpochMs, audit: AuditEntry): Promise<string | null> {
    return this.#transaction(async (work) => {
      const claimed = await work
        .updateTable("proposals")
        .set({ state: "executing" })
        .where("id", "=", id)
        .where("state", "=", "approved")
        .where(({ not, exists, selectFrom }) => not(exists(selectFrom("switches").select("name").where("name", "=", STOP))))
        .executeTakeFirst();
      if (claimed.numUpdatedRows === 0n) {
        return (await this.#isStopped(work)) ? "everything is stopped" : "it is no longer approved";
      }
      const target = (await work.selectFrom("proposals").select("target").where("id", "=", id).executeTakeFirstOrThrow()).target;
      const held = await work.selectFrom("locks").select("proposal_id").where("target", "=", target).executeTakeFirst();
      if (held) {
        await work.updateTable("proposals").set({ state: "approved" }).where("id", "=", id).execute();
        return `${held.proposal_id} is in flight on ${target}`;
      }
      await work.insertInto("locks").values({ target, proposal_id: id }).execute();
      await work
        .insertInto("executions")
        .values({ proposal_id: id, idempotency_key: execution.idempotencyKey, claimed_at: now, body: JSON.stringify(execution) })
        .execute();
      await appendAudit(work, audit, this.#now());
      return null;
    });
  }

  async move(
    id: string,
    from: readonly ProposalState[],
    to: ProposalState,
    outcome: string | null,
    audit: AuditEntry,
  ): Promise<boolean> {
    return this.#transaction(async (work) => {
      const moved = await work
        .updateTable("proposals")
        .set({ state: to, ...(outcome === null ? {} : { outcome }) })
        .where("id", "=", id)
        .where("state", "in", [...from])
        .executeTakeFirst();
      if (moved.numUpdatedRows === 0n) return false;
      if (FINAL_STATES.has(to)) await work.deleteFrom("locks").where("proposal_id", "=", id).execute();
      await appendAudit(work, audit, this.#now());
      return true;
    });
  }

  async execution(id: string): Promise<Execution | null> {
    const row = await this.#db.selectFrom("executions").select("body").where("proposal_id", "=", id).executeTakeFirst();
    return row ? (JSON.parse(row.body) as Execution) : null;
  }

  async saveExecution(execution: Execution): Promise<void> {
    await this.#db
      .updateTable("executions")
      .set({ body: JSON.stringify(execution) })
      .where("proposal_id", "=", execution.proposalId)
      .execute();
  }

  async ranSince(since: EpochMs): Promise<readonly { target: string; at: EpochMs; state: ProposalState }[]> {
    return this.#db
      .selectFrom("executions")
      .innerJoin("proposals", "proposals.id", "executions.proposal_id")
      .select(["proposals.target as target", "executions.claimed_at as at", "proposals.state as state"])
      .where("executions.claimed_at", ">=", since)
      .orderBy("executions.claimed_at")
      .execute();
  }

  async stopped(): Promise<{ by: string; reason: string } | null> {
    return (await this.#db.selectFrom("switches").select(["by", "reason"]).where("name", "=", STOP).executeTakeFirst()) ?? null;
  }

  async stop(by: string, reason: string, at: EpochMs): Promise<readonly string[]> {
    return this.#transaction(async (work) => {
      await work
        .insertInto("switches")
        .values({ name: STOP, by, reason, at })
        .onConflict((conflict) => conflict.column("name").doUpdateSet({ by, reason, at }))
        .execute();
      await work.deleteFrom("switches").where("name", "like", "resume/%").execute();
      const pending = await work.selectFrom("proposals").select("id").where("state", "in", ["pending", "approved"]).execute();
      for (const { id } of pending) {
        await work
          .updateTable("proposals")
          .set({ state: "cancelled", outcome: `stopped by ${by}` })
          .where("id", "=", id)
          .execute();
      }
      await appendAudit(
        work,
        { actor: by, kind: "stop", subject: "vigil", data: { reason, cancelled: pending.map(({ id }) => id) } },
        at,
      );
      return pending.map(({ id }) => id);
    });
  }

  async resume(by: string, needed: number, at: EpochMs): Promise<number> {
    return this.#transaction(async (work) => {
      await work
        .insertInto("switches")
        .values({ name: `resume/${by}`, by, reason: "", at })
        .onConflict((conflict) => conflict.column("name").doNothing())
        .execute();
      const voices = await work.selectFrom("switches").select("name").where("name", "like", "resume/%").execute();
      const lacking = Math.max(0, needed - voices.length);
      if (lacking === 0) await work.deleteFrom("switches").execute();
      await appendAudit(work, { actor: by, kind: "resume", subject: "vigil", data: { lacking } }, at);
      return lacking;
    });
  }

  async saveExperiment(experiment: Experiment, audit: AuditEntry): Promise<void> {
    const { startedAt, endedAt, ...rest } = experiment;
    const row = { ...rest, started_at: startedAt, ended_at: endedAt };
    const { id: _, ...changed } = row;
    await this.#transaction(async (work) => {
      await work
        .insertInto("experiments")
        .values(row)
        .onConflict((conflict) => conflict.column("id").doUpdateSet(changed))
        .execute();
      await appendAudit(work, audit, this.#now());
    });
  }

  async openExperiments(): Promise<readonly Experiment[]> {
    return (await this.#db.selectFrom("experiments").selectAll().where("state", "!=", "restored").execute()).map(experimentFrom);
  }

  async experimentsOf(flag: string, since: EpochMs): Promise<readonly Experiment[]> {
    const rows = await this.#db
      .selectFrom("experiments")
      .selectAll()
      .where("flag", "=", flag)
      .where((is) => is.or([is("ended_at", "is", null), is("ended_at", ">=", since)]))
      .execute();
    return rows.map(experimentFrom);
  }

  async audit(entry: AuditEntry): Promise<void> {
    await this.#transaction((work) => appendAudit(work, entry, this.#now()));
  }

  #transaction<T>(work: (transaction: Work) => Promise<T>): Promise<T> {
    return this.#db.transaction().execute(work);
  }

  async #isStopped(db: Kysely<ProposalsTables>): Promise<boolean> {
    return (await db.selectFrom("switches").select("name").where("name", "=", STOP).executeTakeFirst()) !== undefined;
  }

  async #load(db: Kysely<ProposalsTables>, id: string): Promise<StoredProposal | null> {
    const row = await db.selectFrom("proposals").selectAll().where("id", "=", id).executeTakeFirst();
    if (!row) return null;
    const approvals = await db
      .selectFrom("decisions")
      .select(["user", "at"])
      .where("proposal_id", "=", id)
      .where("rev", "=", row.rev)
      .where("verdict", "=", "approve")
      .orderBy("at")
      .execute();
    const proposal: Proposal = { ...(JSON.parse(row.body) as Proposal), state: row.state, outcome: row.outcome, approvals };
    return { proposal, preState: row.pre_state, snapshot: row.snapshot };
  }
}
