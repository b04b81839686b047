import type { Proposal } from "../domain/proposal.ts";
import { type ActionContext, stopReason } from "./context.ts";
import { nonceOf, sameSecret } from "./digest.ts";

export interface DecisionRequest {
  readonly proposalId: string;
  readonly rev: number;
  readonly nonce: string;
  readonly verdict: "approve" | "deny";
  readonly reason: string | null;
  /** `surface:id` */
  readonly actor: string;
  readonly name: string;
  readonly via: "button" | "emoji";
}

export interface DecisionOutcome {
  /** False when the state stayed as it was. */
  readonly accepted: boolean;
  /** What the clicker is told. */
  readonly text: string;
  readonly proposal: Proposal | null;
}

/** Whether a wish of the requester's own is decided by the requester: matters from T2 on. */
function ownWish(context: ActionContext, proposal: Proposal, actor: string): boolean {
  const { tier } = proposal.risk;
  if (tier === "T0" || tier === "T4") return false;
  return proposal.requester === actor && !context.policy.tiers[tier].requesterMayApprove;
}

/** Judges one click. Authorisation first, then the compare-and-set; every refusal is audited and says why. */
export async function decide(context: ActionContext, request: DecisionRequest): Promise<DecisionOutcome> {
  const { store, policy } = context;
  const stored = await store.get(request.proposalId);
  if (!stored) return { accepted: false, text: `There is no proposal ${request.proposalId.slice(0, 40)}.`, proposal: null };
  const { proposal } = stored;
  const refuse = async (text: string): Promise<DecisionOutcome> => {
    await store.audit({
      actor: request.actor,
      kind: "refused",
      subject: proposal.id,
      data: { verdict: request.verdict, via: request.via, text },
    });
    return { accepted: false, text, proposal };
  };

  if (!sameSecret(request.nonce, nonceOf(context.key, proposal.id, request.rev)))
    return refuse("This button is not one of mine; nothing was done.");
  if (request.rev !== proposal.rev) return refuse(`This card is superseded; revision ${proposal.rev} is the live one.`);
  const at = context.now();
  if (proposal.state === "expired" || (proposal.state === "pending" && (at >= proposal.expiresAt || at < proposal.createdAt))) {
    await expire(context, proposal);
    return refuse(
      `It expired at ${new Date(proposal.expiresAt).toISOString().slice(11, 19)} UTC; ask me again and I propose it anew.`,
    );
  }
  if (proposal.state !== "pending") return refuse(`Too late: ${proposal.id} is ${proposal.state.replaceAll("_", " ")}.`);
  const allowed = await context.isApprover(request.actor, proposal).catch((error) => {
    context.log.warn({ err: error, actor: request.actor }, "approver check failed");
    return null;
  });
  if (allowed === null) return refuse("I cannot check whether you may approve, so the answer is no. Try again in a moment.");
  if (!allowed) return refuse("You are not among the approvers; nothing was done.");
  if (request.verdict === "approve") {
    const { tier } = proposal.risk;
    if (ownWish(context, proposal, request.actor)) return refuse(`You asked for it, so someone else must approve it (${tier}).`);
    if (request.via === "emoji" && (tier === "T0" || tier === "T4" || !policy.tiers[tier].emoji)) {
      return refuse(`${tier} needs the button with its confirmation; an emoji does not count here.`);
    }
    const stopped = await stopReason(context);
    if (stopped) return refuse(`Nothing may run now: ${stopped}.`);
  }

  // The deadline is judged by the clock at the commit, not by when the click arrived.
  const committed = context.now();
  const decided = await store.decide(
    proposal.id,
    request.rev,
    {
      user: request.actor,
      verdict: request.verdict,
      reason: request.reason?.slice(0, 500) ?? null,
      via: request.via,
      at: committed,
    },
    {
      actor: request.actor,
      kind: request.verdict === "approve" ? "approved" : "denied",
      subject: proposal.id,
      data: { digest: proposal.digest, via: request.via, reason: request.reason },
    },
  );
  if (!decided) return refuse("Somebody was faster, or you have decided this one already; nothing was done.");
  context.changed(decided);
  if (request.verdict === "deny") return { accepted: true, text: `Denied ${decided.id}.`, proposal: decided };
  const lacking = decided.neededApprovals - decided.approvals.length;
  const text =
    lacking > 0 ? `Noted, ${lacking} more approval${lacking > 1 ? "s" : ""} needed.` : `Approved ${decided.id}; running it now.`;
  return { accepted: true, text, proposal: decided };
}

/** Ends a pending proposal whose time is over. */
export async function expire(context: ActionContext, proposal: Proposal): Promise<void> {
  const moved = await context.store.move(proposal.id, ["pending"], "expired", "nobody decided in time", {
    actor: "vigil",
    kind: "expired",
    subject: proposal.id,
    data: {},
  });
  const stored = moved ? await context.store.get(proposal.id) : null;
  if (stored) context.changed(stored.proposal);
}
