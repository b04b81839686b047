import type { Feedback } from "../domain/feedback.ts";
import type { Hypothesis, InvestigationReport } from "../domain/investigation.ts";
import { cleanUntrusted } from "../domain/untrusted.ts";
import { hypothesisNamed, type Judgement } from "./judgement.ts";
import { servicesOf } from "./ranking.ts";
import { isPerson, type Trust } from "./trust.ts";

/** A judged investigation as a past incident: what a responder would want to find next time. */
export interface LearnedDocument {
  readonly id: string;
  readonly title: string;
  readonly services: readonly string[];
  readonly text: string;
  /** `cause` and `cause_service` say in the words of the diagnosis what it was; `voices` how many independently said so. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** What people typed is data of others: cleaned, short, and left out when it tries to speak to a model. */
function typed(votes: readonly Feedback[], pick: (vote: Feedback) => string | null, trust: Trust): string[] {
  return votes
    .toSorted((a, b) => trust(b.user) - trust(a.user))
    .flatMap((vote) => {
      const text = pick(vote);
      const clean = text && trust(vote.user) > 0.2 ? cleanUntrusted(text.replace(/\s+/g, " "), 400) : null;
      return clean && !clean.suspicious ? [clean.text] : [];
    });
}

const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;

/** Evidence that lists what else there was would make every incident of a day resemble every other. */
const ABOUT_OTHERS: ReadonlySet<string> = new Set(["search_past_incidents", "get_runbook", "service_dependencies"]);

/** What bore the hypothesis; of a list of changes only the one that it blames. */
function evidenceOf({ evidenceFor, changeId }: Hypothesis, { evidence }: InvestigationReport): string[] {
  return evidence
    .filter(({ id, tool }) => evidenceFor.includes(id) && !ABOUT_OTHERS.has(tool))
    .map(({ tool, title, summary }) => {
      if (tool !== "list_changes") return `- ${title}: ${summary}`;
      const blamed = summary.split("\n").filter((line) => changeId !== null && line.includes(changeId));
      return [`- ${title}`, ...blamed].join(": ");
    });
}

/**
 * Turns a judged investigation into a document for the context repository: a confirmed one with its cause, a rejected one as a counter-example
 * that says what was wrongly blamed, with the real cause where somebody told it. Null for noise, and for a rejected one without a cause.
 */
export function learnedDocument(judgement: Judgement, votes: readonly Feedback[], trust: Trust): LearnedDocument | null {
  const { investigation, report, verdict, cause } = judgement;
  const [lead] = report.hypotheses;
  // What was said in a private channel makes the document one of that channel; a second private channel's words stay out.
  const audience = votes.find((vote) => vote.audience && (vote.realCause || vote.missed))?.audience ?? null;
  const spoken = votes.filter((vote) => !vote.audience || vote.audience === audience);
  const told = typed(spoken, ({ realCause }) => realCause, trust);
  if (verdict === "noise" || (verdict === "incorrect" && told.length === 0)) return null;
  const right =
    verdict === "correct" ? lead : report.hypotheses.find((one) => told[0] && one === hypothesisNamed(told[0], report));
  const statement = told[0] ?? lead?.statement ?? report.headline;
  const missed = typed(spoken, (vote) => vote.missed, trust);
  const symptoms = investigation.anomalies.map(
    ({ service, signal, direction, relativeChange }) => `${service} ${signal} ${direction} ${percent(relativeChange)}`,
  );
  const text = [
    "## Symptom",
    symptoms.join("; ") || investigation.question || report.headline,
    "## Cause",
    statement,
    ...(verdict === "incorrect" && lead ? ["## Counter-example: wrongly blamed at first", lead.statement] : []),
    ...(missed.length > 0 ? ["## What was missed at first", ...missed] : []),
    ...(report.causalTest
      ? [
          "## What helped",
          `A causal test on ${report.causalTest.flag} changed ${report.causalTest.signal} of ${report.causalTest.service} by ${(report.causalTest.effect * 100).toFixed(1)} %.`,
        ]
      : []),
    "## Evidence",
    ...(right ? evidenceOf(right, report) : []),
  ].join("\n");
  return {
    id: investigation.id,
    title: verdict === "incorrect" ? `${symptoms[0] ?? report.headline}: ${statement}`.slice(0, 200) : report.headline,
    services: [...servicesOf(investigation), ...(cause?.service ? [cause.service] : [])].filter(
      (one, index, all) => all.indexOf(one) === index,
    ),
    text,
    metadata: {
      root_cause: statement,
      started: new Date(investigation.startedAt).toISOString(),
      ...(audience ? { audience } : {}),
      confirmed_by: String(votes.filter(({ user }) => isPerson(user)).length),
      voices: String(new Set(votes.filter(({ user }) => trust(user) > 0.2).map(({ user }) => user)).size),
      ...(cause ? { cause: cause.kind, ...(cause.service ? { cause_service: cause.service } : {}) } : {}),
    },
  };
}

/** One line for the prompt from a judged investigation: an example to follow, or a mistake not to repeat. Data, never an instruction. */
export function lesson({ investigation, report, verdict }: Judgement, votes: readonly Feedback[], trust: Trust): string {
  const symptom =
    investigation.anomalies.map(({ service, signal, direction }) => `${service} ${signal} ${direction}`).join(", ") ||
    cleanUntrusted(investigation.question ?? report.headline, 160).text;
  const lead = report.hypotheses[0]?.statement ?? report.headline;
  // A lesson goes into prompts of any investigation: what was said in a private place stays out of it.
  const [real] = typed(votes, ({ realCause, audience }) => (audience ? null : realCause), trust);
  if (verdict === "correct") return `Confirmed (${investigation.id}): ${symptom} → ${lead}`;
  if (verdict === "noise") return `Was noise (${investigation.id}): ${symptom}`;
  return `${verdict === "partly" ? "Only partly right" : "Wrong"} (${investigation.id}): ${symptom} → blamed "${lead}"${real ? `, really "${real}"` : ""}`;
}
