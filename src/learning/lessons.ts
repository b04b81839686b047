import type { Feedback } from "../domain/feedback.ts";
import type { Investigation } from "../domain/investigation.ts";
import { consensus } from "./consensus.ts";

/** A confirmed investigation as a past incident: what a responder would want to find next time. */
export interface LearnedDocument {
  readonly id: string;
  readonly title: string;
  readonly services: readonly string[];
  readonly text: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Turns a confirmed (correct or partly correct) investigation into a document for the context repository.
 * Returns null when the responders did not confirm it, or there is no report.
 */
export function confirmedDocument(investigation: Investigation, votes: readonly Feedback[]): LearnedDocument | null {
  const verdict = consensus(votes);
  const report = investigation.report;
  if (!report || (verdict !== "correct" && verdict !== "partly")) return null;
  const [lead] = report.hypotheses;
  const realCauses = votes.flatMap((vote) => (vote.realCause ? [vote.realCause] : []));
  const missed = votes.flatMap((vote) => (vote.missed ? [vote.missed] : []));
  const services = [
    ...new Set([...investigation.anomalies.map((anomaly) => anomaly.service), ...(lead?.service ? [lead.service] : [])]),
  ];
  const symptoms = investigation.anomalies.map(
    (anomaly) => `${anomaly.service} ${anomaly.signal} ${anomaly.direction} ${(anomaly.relativeChange * 100).toFixed(0)} %`,
  );
  const cause = realCauses[0] ?? lead?.statement ?? report.headline;
  const text = [
    "## Symptom",
    symptoms.join("; ") || investigation.question || report.headline,
    "## Cause",
    cause,
    ...(missed.length > 0 ? ["## What was missed at first", ...missed] : []),
    "## What helped",
    report.causalTest
      ? `A causal test on ${report.causalTest.flag} changed ${report.causalTest.signal} of ${report.causalTest.service} by ${(report.causalTest.effect * 100).toFixed(1)} %.`
      : report.whatChanged.text,
    "## Evidence",
    ...report.evidence
      .filter((evidence) => lead?.evidenceFor.includes(evidence.id))
      .map((evidence) => `- ${evidence.title}: ${evidence.summary}`),
  ].join("\n");
  return {
    id: investigation.id,
    title: report.headline,
    services,
    text,
    metadata: { root_cause: cause, started: new Date(investigation.startedAt).toISOString(), confirmed_by: String(votes.length) },
  };
}

/** One line for the prompt from a judged investigation: an example to follow, or a mistake not to repeat. Data, never an instruction. */
export function lesson(investigation: Investigation, votes: readonly Feedback[]): string | null {
  const verdict = consensus(votes);
  const report = investigation.report;
  if (!report || !verdict) return null;
  const symptom = investigation.anomalies
    .map((anomaly) => `${anomaly.service} ${anomaly.signal} ${anomaly.direction}`)
    .join(", ");
  const lead = report.hypotheses[0]?.statement ?? report.headline;
  const real = votes.find((vote) => vote.realCause)?.realCause;
  if (verdict === "correct") return `Confirmed (${investigation.id}): ${symptom} → ${lead}`;
  if (verdict === "noise") return `Was noise (${investigation.id}): ${symptom}`;
  return `${verdict === "partly" ? "Only partly right" : "Wrong"} (${investigation.id}): ${symptom} → blamed "${lead}"${real ? `, really "${real}"` : ""}`;
}
