import { type Proposal, RUNNING } from "../domain/proposal.ts";
import type { Action } from "./catalogue/action.ts";
import { type ActionContext, mayApprove, stopWords, wordsOf } from "./context.ts";
import { canonicalJson, digestOf } from "./digest.ts";
import { dryRun } from "./file.ts";
import { limitReached } from "./limits.ts";
import { higherTier, personOf } from "./policy.ts";
import { frozen } from "./ruling.ts";
import type { ClaimFacts, ClaimRefusal, StoredProposal } from "./store.ts";
import { weigh } from "./weigh.ts";

/** An approval given in time may still begin to run this long after the deadline (wall clock). */
const RUN_GRACE = 30_000;

/** What was asked of the outside just before the claim; the transaction judges the rest. */
export interface Rechecked {
  /** Who, of those who approved, may still approve. */
  readonly eligible: ReadonlySet<string>;
}

/** Asks people directory and target again. A refusal here, or an error, means that it does not run. */
export async function recheck(
  context: ActionContext,
  { proposal, preState, snapshot }: StoredProposal,
  action: Action,
): Promise<{ readonly ok: true; readonly value: Rechecked } | { readonly ok: false; readonly refusal: ClaimRefusal }> {
  const refuse = (to: ClaimRefusal["to"], why: string) => ({ ok: false, refusal: { to, why } }) as const;
  const eligible = new Set<string>();
  for (const { user } of proposal.approvals) {
    if (await mayApprove(context, user, proposal).catch(() => false)) eligible.add(user);
  }
  const active = await context.store.list({ states: [...RUNNING] });
  const concurrent = active.filter(({ id }) => id !== proposal.id).length;
  let again: Awaited<ReturnType<typeof dryRun>>;
  try {
    again = await dryRun(context, action, proposal.args);
  } catch (error) {
    return refuse("stale", wordsOf(error));
  }
  if (!again.ok) return refuse("stale", again.refusal);
  const { plan, stages } = again;
  if (plan.preState !== preState || plan.snapshot !== snapshot)
    return refuse("stale", "the target moved since this was proposed; look again and propose anew");
  const shown = { ...proposal, stages: proposal.stages ?? null };
  const now = { ...plan, stages: stages ?? null };
  for (const key of ["target", "environment", "currentState", "wantedState", "undo", "stages", "services"] as const) {
    if (canonicalJson(shown[key]) !== canonicalJson(now[key]))
      return refuse("stale", `the dry run no longer matches the card (${key}); look again and propose anew`);
  }
  const { confidence = null, investigationId, criterion } = proposal;
  const weighed = await weigh(context, action, plan, { confidence, investigationId, watched: criterion?.service ?? null });
  const { ruling } = weighed(concurrent);
  if (ruling.refusal) return refuse("cancelled", ruling.refusal);
  if (higherTier(ruling.tier, proposal.risk.tier) || ruling.approvals > proposal.neededApprovals)
    return refuse("stale", `it is ${ruling.tier} now and was approved as ${proposal.risk.tier}; propose it anew`);
  if (ruling.reasonNeeded && !proposal.reasonNeeded)
    return refuse("stale", `${ruling.tier} needs a reason with each approval now; propose it anew`);
  return { ok: true, value: { eligible } };
}

/** The last word, inside the claiming transaction: pure, over facts that cannot change before it commits. Null when it may run. */
export function mayRun(context: ActionContext, rechecked: Rechecked, facts: ClaimFacts): ClaimRefusal | null {
  const { stored, stopped, heldBy, runs } = facts;
  const { proposal } = stored;
  const { policy } = context;
  const at = context.now();
  if (digestOf(proposal, stored) !== proposal.digest)
    return { to: "failed", why: "what is stored is not what was approved; nothing was run" };
  if (at >= proposal.expiresAt + RUN_GRACE) return { to: "expired", why: "approved, but it could not run in time" };
  const stop = stopWords(context.stoppedOutside(), stopped);
  if (stop) return { to: "cancelled", why: stop };
  const freeze = frozen(policy, { environment: proposal.environment, services: proposal.services ?? [] }, at);
  if (freeze) return { to: "cancelled", why: freeze };
  const gone = proposal.approvals.find(({ user }) => !rechecked.eligible.has(user));
  if (gone) return { to: "cancelled", why: `${gone.user} may not approve any more` };
  if (distinctPeople(context, proposal) < Math.max(1, proposal.neededApprovals))
    return { to: "cancelled", why: "it has fewer approvals than it needs" };
  if (heldBy) return { to: "stale", why: `${heldBy} is in flight on ${proposal.target}` };
  const subject = { target: proposal.target, services: proposal.services ?? [] };
  const limit = limitReached(policy, runs, subject, context.clock.now(), context.verificationWindow);
  return limit ? { to: "cancelled", why: limit } : null;
}

/** How many people have approved; one who had to say why and did not does not count. */
const distinctPeople = ({ policy }: ActionContext, { approvals, reasonNeeded = false }: Proposal): number =>
  new Set(approvals.filter(({ reason }) => !reasonNeeded || reason).map(({ user }) => personOf(policy, user))).size;
