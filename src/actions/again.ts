import { ASKED_ANEW, type Proposal, type ProposalRequest } from "../domain/proposal.ts";
import { HOUR, type Milliseconds } from "../domain/time.ts";
import type { ActionContext } from "./context.ts";
import { type DecisionOutcome, type DecisionRequest, expired } from "./decide.ts";
import { digestOf, nonceOf, sameSecret } from "./digest.ts";
import { fileProposal } from "./file.ts";
import { Journal } from "./journal.ts";

/** What was proposed longer ago (wall clock) was thought about another trouble. */
const LONGEST_AGO: Milliseconds = 12 * HOUR;

/**
 * Proposes anew what ran out of time, was cancelled or found its target moved: the same wish, planned, scored and limited as things stand
 * now, for the same requester, whoever presses. It decides nothing: the new proposal needs its approvals like any other.
 */
export async function proposeAgain(
  context: ActionContext,
  { proposalId, rev, nonce, actor, via }: Omit<DecisionRequest, "verdict" | "reason">,
): Promise<DecisionOutcome> {
  const { store, key, log } = context;
  try {
    const stored = await store.get(proposalId);
    if (!stored) return { accepted: false, text: `There is no proposal ${proposalId.slice(0, 40)}.`, proposal: null };
    const { proposal } = stored;
    const { id } = proposal;
    const refuse = async (text: string): Promise<DecisionOutcome> => {
      await store.audit({ actor, kind: "refused", subject: id, data: { verdict: "again", via, text } });
      return { accepted: false, text, proposal };
    };
    if (!sameSecret(nonce, nonceOf(key, id, rev))) return await refuse("This button is not one of mine; nothing was done.");
    const journal = new Journal(context);
    let { state } = proposal;
    if (expired(proposal, context.now())) {
      await journal.expire(proposal);
      state = (await store.get(id))?.proposal.state ?? state;
    }
    if (!ASKED_ANEW.has(state)) return await refuse(`${id} is ${state.replaceAll("_", " ")}; there is nothing to propose anew.`);
    if (Math.abs(context.now() - proposal.createdAt) > LONGEST_AGO)
      return await refuse(`${id} is more than ${LONGEST_AGO / HOUR} hours old; look again, or ask for the action in words.`);
    if (digestOf(proposal, stored) !== proposal.digest)
      return await refuse("What is stored is not what was proposed; nothing was done. Ask for the action in words.");
    const filed = await fileProposal(context, wishBehind(proposal));
    if (!filed.ok) return await refuse(`Not proposed: ${filed.refusal}`);
    await store.audit({ actor, kind: "proposed_again", subject: id, data: { as: filed.proposal.id, via } });
    // What failed stays a failure, since the track record counts it.
    await journal.move(proposal, ["expired", "cancelled", "stale"], "superseded", `proposed anew as ${filed.proposal.id}`);
    return { accepted: true, text: `${filed.proposal.id} asks for it anew; it awaits approval.`, proposal: filed.proposal };
  } catch (error) {
    log.error({ err: error, proposal: proposalId }, "a proposal could not be made anew");
    return {
      accepted: false,
      text: "I could not look at the target or write my records, so nothing was proposed. Try again in a moment.",
      proposal: null,
    };
  }
}

const wishBehind = ({ action, args, reason, expectedEffect, criterion, ...rest }: Proposal): ProposalRequest => ({
  action,
  args,
  reason,
  expectedEffect,
  watch: criterion && {
    service: criterion.service,
    signal: criterion.signal,
    direction: criterion.direction,
    since: criterion.baselineFrom,
  },
  confidence: rest.confidence ?? null,
  investigationId: rest.investigationId,
  requester: rest.requester,
});
