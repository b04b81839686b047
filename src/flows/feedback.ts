import type { Feedback } from "../domain/feedback.ts";
import type { Investigation } from "../domain/investigation.ts";
import type { EpochMs } from "../domain/time.ts";
import { consensus } from "../learning/consensus.ts";
import type { Learning } from "./learn.ts";
import type { DecisionReply, IncomingFeedback } from "./ports.ts";
import type { FeedbackStore, InvestigationStore } from "./stores.ts";

export interface FeedbackDependencies {
  readonly investigations: Pick<InvestigationStore, "get">;
  readonly feedback: FeedbackStore;
  /** Shows the investigation again, with its votes. */
  readonly show: (investigation: Investigation) => Promise<void>;
  readonly learning: Pick<Learning, "refresh" | "isFound" | "learned">;
  readonly now: () => EpochMs;
}

const LONGEST_TEXT = 2_000;

/** Records what responders say of an investigation: one vote a person, every edit kept. What it teaches takes effect at once. */
export async function takeFeedback(deps: FeedbackDependencies, incoming: IncomingFeedback): Promise<DecisionReply> {
  const investigation = await deps.investigations.get(incoming.investigationId);
  if (!investigation) return { accepted: false, text: `I know no investigation ${incoming.investigationId.slice(0, 40)}.` };
  if (investigation.state === "running")
    return { accepted: false, text: "Still investigating; please judge when the report is there." };

  const user = `${incoming.user.surface}:${incoming.user.id}`;
  if (incoming.verdict === null) {
    await deps.feedback.retract(investigation.id, user, deps.now());
  } else {
    const before = (await deps.feedback.of(investigation.id)).find((vote) => vote.user === user);
    const said = clip(incoming.realCause) !== null || clip(incoming.missed) !== null;
    await deps.feedback.put({
      investigationId: investigation.id,
      user,
      verdict: incoming.verdict,
      realCause: clip(incoming.realCause) ?? before?.realCause ?? null,
      missed: clip(incoming.missed) ?? before?.missed ?? null,
      actionEffective: incoming.actionEffective ?? before?.actionEffective ?? null,
      via: incoming.via,
      at: deps.now(),
      author: authorOf(investigation),
      // Words that stand from before keep the place where they were said.
      audience: (said ? incoming.audience : (before?.audience ?? incoming.audience)) ?? null,
    });
  }
  await deps.learning.refresh();
  await deps.show(investigation);

  if (incoming.verdict === null) return { accepted: true, text: "Your vote is withdrawn." };
  const votes = await deps.feedback.of(investigation.id);
  const together = consensus(votes, deps.learning.learned.trust);
  const others = votes.length > 1 ? ` Together with ${votes.length - 1} more: ${together}.` : "";
  const learned = deps.learning.isFound(investigation.id) ? " It can now be found as a past incident." : "";
  return { accepted: true, text: `Thank you, noted as ${incoming.verdict}.${others}${learned}` };
}

/** Which mind and prompts wrote what is judged. */
export function authorOf({ report }: Investigation): Feedback["author"] {
  return report && { mind: report.mind.name, prompts: report.prompts };
}

function clip(text: string | null | undefined): string | null {
  const trimmed = text?.trim();
  return trimmed ? trimmed.slice(0, LONGEST_TEXT) : null;
}
