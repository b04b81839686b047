import type { Kysely, Selectable, Transaction } from "kysely";
import type { Run } from "../actions/limits.ts";
import type {
  AuditEntry,
  ClaimFacts,
  ClaimRefusal,
  Decision,
  Execution,
  FilingFacts,
  Judged,
  ProposalStore,
  Stop,
  StoredProposal,
} from "../actions/store.ts";
import { FINAL_STATES, IN_FLIGHT, NEEDS_PEOPLE, type Proposal, type ProposalState } from "../domain/proposal.ts";
import type { EpochMs } from "../domain/time.ts";
import { appendAudit } from "./audit.ts";
import type { ProposalsTables } from "./proposals-tables.ts";
import { stopIn } from "./switches.ts";

export { type ProposalsTables, proposalsMigrations } from "./proposals-tables.ts";

type Work = Transaction<ProposalsTables>;
type Reader = Kysely<ProposalsTables>;

/** Proposals, decisions and executions. Transactions run one after the other on both databases, so what one reads holds until it writes. */
export class ProposalRepository implements ProposalStore {
  readonly #db: Kysely<ProposalsTables>;
  readonly #now: () => EpochMs;

  /** @param now wall clock */
  constructor(db: Kysely<ProposalsTables>, now: () => EpochMs) {
    this.#db = db;
    this.#now = now;
  }

  async nextProposalId(): Promise<string> {
    const { id } = await this.#db.insertInto("proposal_ids").defaultValues().returning("id").executeTakeFirstOrThrow();
    return `PRO-${id}`;
  }

  file<Refusal>(
    since: EpochMs,
    judge: (facts: FilingFacts) => Judged<StoredProposal, Refusal>,
    audit: (stored: StoredProposal) => AuditEntry,
  ): Promise<Judged<StoredProposal, Refusal>> {
    return this.#transaction(async (work) => {
      const counted = await work
        .selectFrom("proposals")
        .select((eb) => eb.fn.countAll<number>().as("count"))
        .where("created_at", ">=", since)
        .executeTakeFirstOrThrow();
      const judged = judge({
        stopped: await stopIn(work),
        active: await this.#list(work, { states: IN_FLIGHT }),
        filedSince: counted.count,
        tested: (await work.selectFrom("experiments").select("flag").where("state", "!=", "restored").execute()).map(
          ({ flag }) => `flag:${flag}`,
        ),
      });
      if (!judged.ok) return judged;
      const { proposal, preState, snapshot } = judged.value;
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
          told: 1,
        })
        .execute();
      await appendAudit(work, audit(judged.value), this.#now());
      return judged;
    });
  }

  get(id: string): Promise<StoredProposal | null> {
    return this.#load(this.#db, id);
  }

  list(filter: { states?: readonly ProposalState[]; investigationId?: string } = {}): Promise<readonly Proposal[]> {
    return this.#list(this.#db, filter);
  }

  decide(
    id: string,
    judge: (facts: { readonly stored: StoredProposal; readonly stopped: Stop | null }) => Judged<Decision, string>,
    audit: (decision: Decision) => AuditEntry,
  ): Promise<Judged<Proposal, string> | null> {
    return this.#transaction(async (work) => {
      const stored = await this.#load(work, id);
      if (!stored) return null;
      const judged = judge({ stored, stopped: await stopIn(work) });
      if (!judged.ok) return judged;
      const { user, verdict, reason, via, at } = judged.value;
      const { rev, neededApprovals, approvals } = stored.proposal;
      await work.insertInto("decisions").values({ proposal_id: id, rev, user, verdict, reason, via, at }).execute();
      const to = verdict === "deny" ? "denied" : approvals.length + 1 >= neededApprovals ? "approved" : null;
      if (to) {
        await work
          .updateTable("proposals")
          .set({ state: to, outcome: to === "denied" ? `denied by ${user}${reason ? `: ${reason}` : ""}` : null })
          .where("id", "=", id)
          .execute();
      }
      await appendAudit(work, audit(judged.value), at);
      const after = await this.#load(work, id);
      return { ok: true, value: (after ?? stored).proposal };
    });
  }

  claim(
    id: string,
    from: ProposalState,
    since: EpochMs,
    judge: (facts: ClaimFacts) => Judged<Execution, ClaimRefusal>,
    claimedAt: EpochMs,
    audit: (execution: Execution) => AuditEntry,
  ): Promise<Judged<Execution, ClaimRefusal> | null> {
    return this.#transaction(async (work) => {
      const stored = await this.#load(work, id);
      if (stored?.proposal.state !== from) return null;
      const { target } = stored.proposal;
      const held = await work.selectFrom("locks").select("proposal_id").where("target", "=", target).executeTakeFirst();
      const judged = judge({
        stored,
        execution: await this.#execution(work, id),
        stopped: await stopIn(work),
        heldBy: held && held.proposal_id !== id ? held.proposal_id : null,
        runs: await this.#ranSince(work, since),
      });
      if (!judged.ok) return judged;
      const execution = judged.value;
      if (!held) await work.insertInto("locks").values({ target, proposal_id: id }).execute();
      const row = { idempotency_key: execution.idempotencyKey, body: JSON.stringify(execution) };
      await work
        .insertInto("executions")
        .values({ proposal_id: id, claimed_at: claimedAt, ...row })
        .onConflict((conflict) => conflict.column("proposal_id").doUpdateSet(row))
        .execute();
      await work.updateTable("proposals").set({ state: "executing" }).where("id", "=", id).execute();
      await appendAudit(work, audit(execution), this.#now());
      return judged;
    });
  }

  move(
    id: string,
    from: readonly ProposalState[],
    to: ProposalState,
    outcome: string | null,
    audit: AuditEntry,
    execution?: Execution,
  ): Promise<boolean> {
    return this.#transaction(async (work) => {
      const moved = await work
        .updateTable("proposals")
        .set({ state: to, ...(outcome === null ? {} : { outcome }), ...(NEEDS_PEOPLE.has(to) ? { told: 0 } : {}) })
        .where("id", "=", id)
        .where("state", "in", [...from])
        .executeTakeFirst();
      if (moved.numUpdatedRows === 0n) return false;
      if (execution) await this.#putExecution(work, execution);
      if (FINAL_STATES.has(to)) await work.deleteFrom("locks").where("proposal_id", "=", id).execute();
      await appendAudit(work, audit, this.#now());
      return true;
    });
  }

  untold(): Promise<readonly Proposal[]> {
    return this.#list(this.#db, { untold: true });
  }

  async told(id: string): Promise<void> {
    await this.#db.updateTable("proposals").set({ told: 1 }).where("id", "=", id).execute();
  }

  execution(id: string): Promise<Execution | null> {
    return this.#execution(this.#db, id);
  }

  saveExecution(execution: Execution, state: ProposalState): Promise<boolean> {
    return this.#transaction(async (work) => {
      const { proposalId } = execution;
      const now = await work.selectFrom("proposals").select("state").where("id", "=", proposalId).executeTakeFirst();
      if (now?.state !== state) return false;
      await this.#putExecution(work, execution);
      return true;
    });
  }

  ranSince(since: EpochMs): Promise<readonly Run[]> {
    return this.#ranSince(this.#db, since);
  }

  async audit(entry: AuditEntry): Promise<void> {
    await this.#transaction((work) => appendAudit(work, entry, this.#now()));
  }

  #transaction<T>(work: (transaction: Work) => Promise<T>): Promise<T> {
    return this.#db.transaction().execute(work);
  }

  async #putExecution(work: Work, execution: Execution): Promise<void> {
    await work
      .updateTable("executions")
      .set({ body: JSON.stringify(execution) })
      .where("proposal_id", "=", execution.proposalId)
      .execute();
  }

  async #execution(db: Reader, id: string): Promise<Execution | null> {
    const row = await db.selectFrom("executions").select("body").where("proposal_id", "=", id).executeTakeFirst();
    return row ? (JSON.parse(row.body) as Execution) : null;
  }

  async #ranSince(db: Reader, since: EpochMs): Promise<readonly Run[]> {
    const rows = await db
      .selectFrom("executions")
      .innerJoin("proposals", "proposals.id", "executions.proposal_id")
      .select(["proposals.target", "proposals.state", "proposals.body", "executions.claimed_at", "executions.body as execution"])
      .where("executions.claimed_at", ">=", since)
      .orderBy("executions.claimed_at")
      .execute();
    return rows.map(({ target, state, body, claimed_at, execution }) => ({
      target,
      state,
      services: (JSON.parse(body) as Proposal).services ?? [],
      at: claimed_at,
      watchedUntil: (JSON.parse(execution) as Execution).nextSample,
    }));
  }

  async #list(
    db: Reader,
    filter: { states?: readonly ProposalState[]; investigationId?: string; untold?: true },
  ): Promise<readonly Proposal[]> {
    let query = db.selectFrom("proposals").selectAll().orderBy("created_at").orderBy("id");
    if (filter.states) query = query.where("state", "in", [...filter.states]);
    if (filter.investigationId) query = query.where("investigation_id", "=", filter.investigationId);
    if (filter.untold) query = query.where("told", "=", 0);
    const rows = await query.execute();
    const approvals = await this.#approvals(
      db,
      rows.map(({ id }) => id),
    );
    return rows.map((row) => proposalFrom(row, approvals));
  }

  async #load(db: Reader, id: string): Promise<StoredProposal | null> {
    const row = await db.selectFrom("proposals").selectAll().where("id", "=", id).executeTakeFirst();
    if (!row) return null;
    const proposal = proposalFrom(row, await this.#approvals(db, [id]));
    return { proposal, preState: row.pre_state, snapshot: row.snapshot };
  }

  async #approvals(db: Reader, ids: readonly string[]) {
    const found: Pick<ProposalsTables["decisions"], "proposal_id" | "rev" | "user" | "reason" | "at">[] = [];
    for (let from = 0; from < ids.length; from += MOST_PARAMETERS) {
      found.push(
        ...(await db
          .selectFrom("decisions")
          .select(["proposal_id", "rev", "user", "reason", "at"])
          .where("proposal_id", "in", ids.slice(from, from + MOST_PARAMETERS))
          .where("verdict", "=", "approve")
          .orderBy("at")
          .execute()),
      );
    }
    return found;
  }
}

const MOST_PARAMETERS = 500;

function proposalFrom(
  row: Selectable<ProposalsTables["proposals"]>,
  approvals: readonly { proposal_id: string; rev: number; user: string; reason: string | null; at: number }[],
): Proposal {
  return {
    ...(JSON.parse(row.body) as Proposal),
    state: row.state,
    outcome: row.outcome,
    approvals: approvals
      .filter(({ proposal_id, rev }) => proposal_id === row.id && rev === row.rev)
      .map(({ user, at, reason }) => ({ user, at, reason })),
  };
}
