import type { Proposal } from "../domain/proposal.ts";
import { type ActionContext, mayApprove, stopWords } from "./context.ts";
import { nonceOf, sameSecret } from "./digest.ts";
import { Journal } from "./journal.ts";
import { personOf } from "./policy.ts";
import { approvalReason, denialReason } from "./reason.ts";
import type { Decision, Judged, Stop, StoredProposal } from "./store.ts";

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

/** Judges one click: who may at all is asked first, everything else is judged in the transaction that records it. Every refusal is audited and says why. */
export async function decide(context: ActionContext, request: DecisionRequest): Promise<DecisionOutcome> {
  try {
    return await judged(context, request);
  } catch (error) {
    // A decision that cannot be recorded has not been made.
    context.log.error({ err: error, proposal: request.proposalId }, "a decision could not be recorded");
    return {
      accepted: false,
      text: "I cannot write my records just now, so nothing was decided and nothing runs. Look at my disk and log, then try again.",
      proposal: null,
    };
  }
}

async function judged(context: ActionContext, request: DecisionRequest): Promise<DecisionOutcome> {
  const { store } = context;
  const stored = await store.get(request.proposalId);
  if (!stored) return { accepted: false, text: `There is no proposal ${request.proposalId.slice(0, 40)}.`, proposal: null };
  const { id } = stored.proposal;
  const refuse = async (text: string): Promise<DecisionOutcome> => {
    const data = { verdict: request.verdict, via: request.via, text };
    await store.audit({ actor: request.actor, kind: "refused", subject: id, data });
    return { accepted: false, text, proposal: stored.proposal };
  };

  if (!sameSecret(request.nonce, nonceOf(context.key, id, request.rev)))
    return refuse("This button is not one of mine; nothing was done.");
  if (expired(stored.proposal, context.now())) {
    await new Journal(context).expire(stored.proposal);
    return refuse(expiryWords(stored.proposal));
  }
  const allowed = await mayApprove(context, request.actor, stored.proposal).catch((error) => {
    context.log.warn({ err: error, actor: request.actor }, "approver check failed");
    return null;
  });
  if (allowed === null) return refuse("I cannot check whether you may approve, so the answer is no. Try again in a moment.");
  if (!allowed) return refuse("You are not among the approvers; nothing was done.");

  const decided = await store.decide(
    id,
    (facts) => judge(context, request, facts),
    ({ verdict, reason, via }) => ({
      actor: request.actor,
      kind: verdict === "approve" ? "approved" : "denied",
      subject: id,
      data: { digest: stored.proposal.digest, rev: request.rev, via, reason },
    }),
  );
  if (!decided) return refuse(`There is no proposal ${id} any more.`);
  if (!decided.ok) return refuse(decided.refusal);
  const proposal = decided.value;
  await context.checkpoint("decided");
  context.changed(proposal);
  if (request.verdict === "deny") return { accepted: true, text: `Denied ${proposal.id}.`, proposal };
  const lacking = proposal.neededApprovals - proposal.approvals.length;
  const text =
    lacking > 0 ? `Noted, ${lacking} more approval${lacking > 1 ? "s" : ""} needed.` : `Approved ${proposal.id}; running it now.`;
  return { accepted: true, text, proposal };
}

/** Runs inside the transaction of the decision: the deadline is judged by the clock at the commit, not by when the click arrived. */
function judge(
  context: ActionContext,
  request: DecisionRequest,
  { stored: { proposal }, stopped }: { readonly stored: StoredProposal; readonly stopped: Stop | null },
): Judged<Decision, string> {
  const { policy } = context;
  const refuse = (refusal: string): Judged<Decision, string> => ({ ok: false, refusal });
  const at = context.now();
  if (request.rev !== proposal.rev) return refuse(`This card is superseded; revision ${proposal.rev} is the live one.`);
  if (proposal.state === "expired" || expired(proposal, at)) return refuse(expiryWords(proposal));
  if (proposal.state !== "pending") return refuse(`Too late: ${proposal.id} is ${proposal.state.replaceAll("_", " ")}.`);
  const { actor: user, verdict, via } = request;
  if (verdict === "deny") return { ok: true, value: { user, verdict, reason: denialReason(request.reason), via, at } };

  const person = personOf(policy, user);
  if (proposal.approvals.some((one) => personOf(policy, one.user) === person))
    return refuse("You have approved this one already; it needs somebody else too.");
  const { tier } = proposal.risk;
  if (tier === "T0" || tier === "T4") return refuse(`${tier} is not approved in chat.`);
  const rules = policy.tiers[tier];
  if (!rules.requesterMayApprove && personOf(policy, proposal.requester) === person)
    return refuse(`You asked for it, so someone else must approve it (${tier}).`);
  if (rules.reason && !proposal.reasonNeeded)
    return refuse(
      `${tier} needs a reason with each approval now, and this card does not ask for one; deny it, and ask for it in words.`,
    );
  if (via === "emoji" && proposal.reasonNeeded)
    return refuse(
      `${tier} needs a reason with each approval, which an emoji cannot give: press Approve on the card and write it there.`,
    );
  if (via === "emoji" && !rules.emoji)
    return refuse(`${tier} needs the button with its confirmation; an emoji does not count here.`);
  const said = approvalReason(request.reason);
  if (!said.ok) return refuse(said.refusal);
  if (proposal.reasonNeeded && said.reason === null)
    return refuse(`${tier} needs a reason with each approval (tiers.${tier}.reason): say in a sentence why, then approve again.`);
  const stop = stopWords(context.stoppedOutside(), stopped);
  if (stop) return refuse(`Nothing may run now: ${stop}.`);
  return { ok: true, value: { user, verdict, reason: said.reason, via, at } };
}

/** Also when it is older than its own beginning: a clock set back must not bring old proposals to life. */
export const expired = ({ state, expiresAt, createdAt }: Proposal, at: number): boolean =>
  state === "pending" && (at >= expiresAt || at < createdAt);

const expiryWords = ({ expiresAt }: Proposal): string =>
  `It expired at ${new Date(expiresAt).toISOString().slice(11, 19)} UTC; press “Propose it anew” on its card.`;
