import type { Feedback } from "../domain/feedback.ts";
import type { EpochMs } from "../domain/time.ts";
import { consensus } from "../learning/consensus.ts";
import { confirmedDocument, type LearnedDocument } from "../learning/lessons.ts";
import type { Investigator } from "./investigate.ts";
import type { DecisionReply, IncomingFeedback } from "./ports.ts";
import type { FeedbackStore, InvestigationStore } from "./stores.ts";

export interface FeedbackDependencies {
  readonly investigations: InvestigationStore;
  readonly feedback: FeedbackStore;
  readonly investigator: Investigator;
  /** Puts a confirmed investigation where past incidents are searched, or takes it out again. */
  readonly library: { add(document: LearnedDocument): Promise<void>; remove(id: string): Promise<void> };
  /** Called after each change, for whatever else learns. */
  readonly onChange: () => Promise<void>;
  readonly now: () => EpochMs;
}

const LONGEST_TEXT = 2_000;

/** Records what responders say of an investigation. A confirmed one becomes a searchable past incident at once; a withdrawn one leaves. */
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
    const vote: Feedback = {
      investigationId: investigation.id,
      user,
      verdict: incoming.verdict,
      realCause: clip(incoming.realCause) ?? before?.realCause ?? null,
      missed: clip(incoming.missed) ?? before?.missed ?? null,
      actionEffective: incoming.actionEffective ?? before?.actionEffective ?? null,
      via: incoming.via,
      at: deps.now(),
    };
    await deps.feedback.put(vote);
  }

  const votes = await deps.feedback.of(investigation.id);
  const document = confirmedDocument(investigation, votes);
  if (document) await deps.library.add(document);
  else await deps.library.remove(investigation.id);
  await deps.onChange();
  await deps.investigator.show(investigation);

  if (incoming.verdict === null) return { accepted: true, text: "Your vote is withdrawn." };
  const together = consensus(votes);
  const others = votes.length > 1 ? ` Together with ${votes.length - 1} more: ${together}.` : "";
  const learned = document ? " It can now be found as a past incident." : "";
  return { accepted: true, text: `Thank you, noted as ${incoming.verdict}.${others}${learned}` };
}

function clip(text: string | null | undefined): string | null {
  const trimmed = text?.trim();
  return trimmed ? trimmed.slice(0, LONGEST_TEXT) : null;
}
