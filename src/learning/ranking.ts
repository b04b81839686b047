import type { Investigation, InvestigationReport } from "../domain/investigation.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import { correctness } from "./consensus.ts";
import type { Judgement } from "./judgement.ts";

/** Shares of a document's score. */
const STEP = 0.1;
/** What helped with one service says little of another. */
const ELSEWHERE = 0.4;

export const RANKING_BOUNDS = { most: 0.3, alone: 0.15 };

/** The documents that a report leant on: those that it names in "seen before". */
export function quotedDocuments(report: InvestigationReport): string[] {
  const cited = new Set(report.seenBefore.evidence);
  const found = report.evidence
    .filter(({ id, tool }) => tool === "search_past_incidents" && cited.has(id))
    .flatMap(({ facts }) => Object.keys(facts).flatMap((key) => (key.endsWith(".title") ? [key.slice(0, -6)] : [])));
  return [...new Set(found)].filter((id) => named(report.seenBefore.text, id));
}

/** As a whole word: INC-3 is not named by INC-31. */
const named = (text: string, id: string): boolean =>
  new RegExp(`(?<![\\w-])${id.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\w-])`).test(text);

/** The services that an investigation was about. */
export function servicesOf({ anomalies, report }: Investigation): Set<ServiceName> {
  const blamed = report?.hypotheses[0]?.service;
  return new Set([...anomalies.map(({ service }) => service), ...(blamed ? [blamed] : [])]);
}

/** How far a document moves in the ranking for a symptom of these services: up with each investigation that it helped, down with each it misled. */
export function boostOf(judgements: readonly Judgement[], documentId: string, services: readonly ServiceName[]): number {
  return judgements.reduce((sum, { investigation, report, verdict, weight }) => {
    if (verdict === "noise" || !quotedDocuments(report).includes(documentId)) return sum;
    const same = services.length === 0 || services.some((service) => servicesOf(investigation).has(service));
    return sum + 2 * (correctness(verdict) - 0.5) * STEP * weight * (same ? 1 : ELSEWHERE);
  }, 0);
}
