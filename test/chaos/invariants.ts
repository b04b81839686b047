import { digestOf } from "../../src/actions/digest.ts";
import { IN_FLIGHT, type Proposal } from "../../src/domain/proposal.ts";
import { verifyAudit } from "../../src/store/audit.ts";
import { ProposalRepository } from "../../src/store/proposals.ts";
import type { StateDatabase } from "../../src/store/state.ts";
import type { Cluster } from "./cluster.ts";

/** An invariant that did not hold. */
export interface Finding {
  readonly invariant: string;
  readonly detail: string;
}

export interface Evidence {
  readonly cluster: Cluster;
  readonly paged: ReadonlySet<string>;
  readonly stood: ReadonlyMap<string, { readonly state: string; readonly percent: number }>;
  readonly everApprovers: ReadonlySet<string>;
}

const ENDS = new Set(["verified", "rolled_back", "rollback_failed", "unknown", "failed", "stale"]);

/** Looks at store and target together, after everything has come to rest. */
export async function violations(db: StateDatabase, { cluster, paged, stood, everApprovers }: Evidence): Promise<Finding[]> {
  const found: Finding[] = [];
  const must = (holds: boolean, invariant: string, detail: string) => {
    if (!holds) found.push({ invariant, detail });
  };
  const repository = new ProposalRepository(db, () => 0);
  const proposals = await repository.list();
  const decisions = await db.selectFrom("decisions").selectAll().execute();
  const executions = await db.selectFrom("executions").selectAll().execute();
  const byId = new Map(proposals.map((proposal) => [proposal.id, proposal]));
  const owner = (key: string): Proposal | undefined => byId.get(key.split(".")[0] ?? "");

  // At most one execution for each approval: no write is ever sent twice, none takes effect twice, none is sent without its record.
  const sends = cluster.asked.filter(({ kind }) => kind === "execute");
  const applied = cluster.history.filter(({ by }) => by === "vigil");
  for (const key of new Set(sends.map((one) => one.key))) {
    must(sends.filter((one) => one.key === key).length === 1, "sent once", key);
    must(applied.filter((one) => one.key === key).length <= 1, "took effect at most once", key);
    must(
      executions.some(({ proposal_id }) => proposal_id === owner(key)?.id),
      "recorded before it was sent",
      key,
    );
  }
  for (const { id } of proposals) {
    const undos = cluster.history.filter((one) => one.kind === "undo" && owner(one.key)?.id === id);
    must(undos.length <= 1, "undone at most once", id);
  }

  // Never a change without a valid approval of exactly what was sent.
  for (const { key, percent, at } of sends) {
    const proposal = owner(key);
    if (!proposal) {
      must(false, "every change has a proposal", key);
      continue;
    }
    const yes = decisions.filter(
      ({ proposal_id, rev, verdict }) => proposal_id === proposal.id && rev === proposal.rev && verdict === "approve",
    );
    must(new Set(yes.map(({ user }) => user)).size >= Math.max(1, proposal.neededApprovals), "approved by enough people", key);
    must(
      yes.every(({ user }) => everApprovers.has(user)),
      "approved by approvers",
      key,
    );
    must(
      yes.every(({ user }) => user !== proposal.requester),
      "not approved by the requester",
      key,
    );
    must(
      yes.every((one) => one.at >= proposal.createdAt && one.at < proposal.expiresAt),
      "approved in time",
      key,
    );
    must(!decisions.some((one) => one.proposal_id === proposal.id && one.verdict === "deny"), "not denied", key);
    const wanted = (proposal.stages?.map(({ args }) => args.percent) ?? [proposal.args.percent]) as number[];
    must(percent !== null && wanted.includes(percent), "what was approved is what was sent", `${key} at ${at}`);
    const stored = await repository.get(proposal.id);
    must(stored !== null && digestOf(proposal, stored) === proposal.digest, "the digest still holds", key);
  }

  // Every execution ends verified, rolled back, or in people's hands, and they were called.
  for (const { proposal_id } of executions) {
    const state = byId.get(proposal_id)?.state ?? "missing";
    // What the target refused as moved may have been proposed anew since.
    must(ENDS.has(state) || state === "superseded", "every execution ends", `${proposal_id} is ${state}`);
    if (state === "unknown" || state === "rollback_failed")
      must(paged.has(proposal_id), "people were called", `${proposal_id} ${state}`);
  }
  for (const { id, state } of proposals) must(!IN_FLIGHT.includes(state), "nothing is left hanging", `${id} is ${state}`);
  for (const { state, id } of proposals) {
    if (state !== "failed" && state !== "stale" && state !== "superseded") continue;
    must(!applied.some((one) => one.kind === "execute" && owner(one.key)?.id === id), "failed means nothing changed", id);
  }

  // Nothing is called verified, nor an undo done with, without having been seen: enough samples, and the right question answered with yes.
  const trail = await db.selectFrom("audit").select(["subject", "kind"]).orderBy("seq").execute();
  for (const { id, state } of proposals) {
    const kinds = trail.filter(({ subject, kind }) => subject === id && kind !== "refused").map(({ kind }) => kind);
    must(kinds.filter((kind) => kind === "undone").length <= 1, "an undo is watched once", `${id}: ${kinds}`);
    if (state !== "verified" && state !== "rolled_back") continue;
    const [question, before] = state === "verified" ? ["helped", "verifying"] : ["no worse", "undone"];
    const verifier = (await repository.execution(id))?.verifier;
    must(verifier?.question === question, "what was asked is what was answered", `${id} ${state}: ${verifier?.question}`);
    must(verifier?.decided?.state === "success" && verifier.decided.samples >= 3, "seen before it is said", `${id} ${state}`);
    must(kinds.at(-2) === before, "said only after it was watched", `${id}: ${kinds}`);
  }

  // The state from before is there again whenever verification failed, and nobody's later change was overwritten.
  for (const [id, { state, percent }] of stood) {
    if (state !== "rolled_back") continue;
    const stored = await repository.get(id);
    must(Number(stored?.snapshot) === percent, "rolled back means as it was", `${id}: ${percent}, not ${stored?.snapshot}`);
  }
  cluster.history.forEach((one, index) => {
    if (one.kind !== "undo") return;
    const before = cluster.history.slice(0, index).findLast(({ kind }) => kind !== "pin");
    must(before?.by === "vigil" && owner(before.key)?.id === owner(one.key)?.id, "no later change is overwritten", one.key);
  });

  // Test traffic is let go, and nothing stays locked.
  must(!cluster.pinned, "no pin is left", "");
  must((await db.selectFrom("locks").selectAll().execute()).length === 0, "no lock is left", "");
  must(
    (await db.selectFrom("experiments").selectAll().where("state", "!=", "restored").execute()).length === 0,
    "no test is left open",
    "",
  );
  const { broken } = await verifyAudit(db);
  must(broken === null, "the audit chain is whole", JSON.stringify(broken));
  return found;
}
