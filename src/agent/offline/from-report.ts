import type { CauseKind, CitedText, Hypothesis, InvestigationReport } from "../../domain/investigation.ts";
import { causeNamed } from "../objection.ts";
import type { Question } from "./question.ts";

/** Long lists of figures are in the evidence itself. */
const clip = (line: string): string => (line.length > 180 ? `${line.slice(0, 179)}…` : line);

/** What the stored report answers, without asking anything again. */
export function fromReport(question: Question, report: InvestigationReport): string | null {
  const [lead, ...rivals] = report.hypotheses;
  if (!lead) return null;
  const because = (ids: readonly string[]) =>
    ids.flatMap((id) => {
      const evidence = report.evidence.find((one) => one.id === id);
      return evidence ? [`- ${clip(evidence.summary.split("\n")[0] ?? "")} [${id}]`] : [];
    });
  const cited = ({ text, evidence }: CitedText) => `${text} [${evidence.join(", ")}]`;
  if (
    question.intent === "seen_before" &&
    !question.named &&
    /\b(?:this|that|it)\b/i.test(question.text) &&
    report.seenBefore.evidence.length > 0
  )
    return cited(report.seenBefore);
  if (question.intent === "blast_radius" && !question.named && report.blastRadiusOfActing.evidence.length > 0)
    return cited(report.blastRadiusOfActing);
  if (question.intent === "why_not" && ALL_RULED_OUT.test(question.text)) {
    const out = ruledOut(rivals);
    return out.length > 0 ? ["Ruled out:", ...out.map((one) => `- ${one}`)].join("\n") : "Nothing is ruled out yet.";
  }
  if (question.intent === "why_not") return whyNot(question, report, because);
  if (question.intent !== "why_so") return null;
  const against = ruledOut(rivals)
    .slice(0, 3)
    .map((one) => `- ruled out: ${one}`);
  return [`${lead.statement}. What speaks for it:`, ...because(lead.evidenceFor), ...against].join("\n");
}

/** Asks for everything that was ruled out, rather than whether one thing was. */
const ALL_RULED_OUT = /\bwhat\b.*\brul(?:ed?|ing) out\b|\bruled out (?:so far|already)\b/i;

const ruledOut = (rivals: readonly Hypothesis[]): string[] =>
  rivals
    .filter(({ status }) => status === "refuted")
    .map(
      ({ statement, evidenceAgainst }) => `${statement}${evidenceAgainst.length > 0 ? ` [${evidenceAgainst.join(", ")}]` : ""}`,
    );

/** What speaks against the rival that the question names: by its service, by a word of its own, or by its kind. */
function whyNot(question: Question, report: InvestigationReport, because: (ids: readonly string[]) => string[]): string | null {
  const wordsOf = (text: string): readonly string[] =>
    (text.toLowerCase().match(/[a-z0-9][a-z0-9_.-]{2,}/g) ?? []).filter((word) => !COMMON.has(word));
  const words = new Set(wordsOf(question.text));
  const kind = causeNamed(question.text.toLowerCase());
  const named = (text: string) => wordsOf(text).filter((word) => words.has(word)).length;
  const [best] = report.hypotheses
    .map((one) => ({
      one,
      score:
        named(one.statement) + (kind === one.cause ? 2 : 0) + (one.service !== null && one.service === question.service ? 1 : 0),
    }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score);
  const [first] = report.hypotheses;
  const holds = first ? `I hold: ${first.statement} (${Math.round(first.confidence * 100)} %).` : "";
  if (!best || (kind && best.one.cause !== kind && best.score < 2))
    return [
      kind
        ? `I found no ${CAUSE_NAMES[kind]} that it could be, as far as the connected sources tell.`
        : "None of the suspects that I weighed is that.",
      holds,
      "Also weighed:",
      ...report.hypotheses.slice(1, 6).map((one) => `- ${one.statement} (${Math.round(one.confidence * 100)} %)`),
    ].join("\n");
  const { one } = best;
  const held = `${one.statement}: ${Math.round(one.confidence * 100)} %, ${one.status}.`;
  const failed = predicted(one, false);
  const against = failed.length > 0 ? failed : because(one.evidenceAgainst);
  const reasons = (of: Hypothesis) => {
    const borne = predicted(of, true);
    return borne.length > 0 ? borne : because(of.evidenceFor.filter((id) => !one.evidenceAgainst.includes(id)));
  };
  const instead =
    first && first !== one
      ? [`Instead: ${first.statement} (${Math.round(first.confidence * 100)} %).`, ...reasons(first).slice(0, 3)]
      : reasons(one);
  return [held, ...(against.length > 0 ? ["What speaks against it:", ...against.slice(0, 3)] : []), ...instead].join("\n");
}

/** What must be so if it is true, and was found so, or was not. */
const predicted = ({ predictions = [] }: Hypothesis, held: boolean): string[] =>
  predictions
    .filter((one) => one.held === held)
    .map(
      ({ text, evidence }) =>
        `- ${held ? "Borne out" : "Not borne out"}: “${text}”${evidence.length > 0 ? ` [${evidence.join(", ")}]` : ""}`,
    );

/** Words of every question and statement, which name nothing. */
const COMMON = new Set(
  "the was were are that this not why and for could with its has have had did does been about because".split(" "),
);

const CAUSE_NAMES: Readonly<Record<CauseKind, string>> = {
  flag: "flag",
  deploy: "deploy",
  dependency: "dependency",
  resource: "resource",
  traffic: "change of traffic",
  config: "change of configuration",
  none: "sign of noise",
  unknown: "unknown cause",
};
