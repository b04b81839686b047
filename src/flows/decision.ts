import type { DecisionOutcome, DecisionRequest } from "../actions/index.ts";
import type { DecisionReply, IncomingDecision } from "./ports.ts";

export interface DecisionDependencies {
  /** Whether this message is the one that shows the proposal on that surface. */
  readonly isCardOf: (
    proposalId: string,
    surface: string,
    message: { readonly channel: string; readonly id: string },
  ) => Promise<boolean>;
  readonly decide: (request: DecisionRequest) => Promise<DecisionOutcome>;
  readonly again: (request: Omit<DecisionRequest, "verdict" | "reason">) => Promise<DecisionOutcome>;
}

/** A click or an emoji on a proposal's card, handed to the gate. A button copied into another message decides nothing. */
export async function takeDecision(deps: DecisionDependencies, incoming: IncomingDecision): Promise<DecisionReply> {
  const { proposalId, rev, nonce, verdict, reason, user, via, message } = incoming;
  if (!(await deps.isCardOf(proposalId, user.surface, message)))
    return { accepted: false, text: "This card is not the live one of its proposal; nothing was done." };
  const actor = `${user.surface}:${user.id}`;
  const request = { proposalId, rev, nonce, actor, name: user.name, via };
  const { accepted, text } = verdict === "again" ? await deps.again(request) : await deps.decide({ ...request, verdict, reason });
  return { accepted, text };
}
