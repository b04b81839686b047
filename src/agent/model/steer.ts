import type { Hypothesis } from "../../domain/investigation.ts";
import type { EpochMs } from "../../domain/time.ts";
import type { Budget } from "../options.ts";
import type { Session } from "../session.ts";

/** What stands out leads by this much. */
const SURE = 0.85;
const AHEAD = 0.5;
/** From here on there is only room for the report. */
const NEARLY_USED = 0.8;

/**
 * The state of the investigation and its next duty, told before each answer of a model: code keeps the discipline, so that it does not hang on what
 * a model remembers of its prompt. `finish` leaves only the report to be called.
 */
export function steer(
  session: Session,
  { budget, wall }: { readonly budget: Budget; readonly wall: () => EpochMs },
): { readonly note: string; readonly finish: boolean } | null {
  const { evidence, ledger } = session;
  if (evidence.length === 0) return null;
  const used = Math.max(
    (session.modelCalls + 1) / budget.modelCalls,
    session.toolCalls / budget.toolCalls,
    (session.inputTokens + session.outputTokens) / budget.tokens,
    session.dollars / budget.dollars,
    (wall() - session.startedAt) / budget.duration,
  );
  const finish = used >= NEARLY_USED;
  const { hypotheses } = ledger;
  const held = hypotheses.length > 0 ? `Held: ${hypotheses.map(line).join("; ")}.` : "No hypotheses are held yet.";
  const note = [
    "State, kept by code:",
    `Evidence ${evidence[0]?.id} to ${evidence.at(-1)?.id}. ${held} ${Math.round(Math.min(1, used) * 100)} % of the budget is used.`,
    finish ? "The budget is nearly used: call submit_report now." : duty(hypotheses),
  ].join("\n");
  return { note, finish };
}

function duty(hypotheses: readonly Hypothesis[]): string {
  if (hypotheses.length === 0)
    return "Now hold at least three rivals with update_hypotheses, one of them that nothing is wrong, each with what it predicts. Then ask only for evidence that tells them apart.";
  const [lead, second] = hypotheses;
  const untested = lead?.predictions?.filter(({ held }) => held === null) ?? [];
  if (lead && lead.confidence >= SURE && lead.confidence - (second?.confidence ?? 0) >= AHEAD)
    return untested.length > 0
      ? `${lead.id} stands out. If one cheap look could refute it, look; else act on it or hand in the report.`
      : `${lead.id} stands out: act on it or hand in the report.`;
  return "Ask for the cheapest evidence that tells the leading rivals apart, update them, or hand in the report when nothing would.";
}

const line = ({ id, cause, changeId, service, confidence, status }: Hypothesis) =>
  `${id} ${cause} ${changeId ?? service ?? ""} ${Math.round(confidence * 100)} % ${status}`.replace(/ {2,}/g, " ");
