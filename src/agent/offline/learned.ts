import type { CauseKind } from "../../domain/investigation.ts";
import type { ServiceName } from "../../domain/telemetry.ts";
import { type Finding, findingsOf } from "../findings.ts";
import type { Reason } from "./suspect.ts";

/** A confirmed incident that resembles this one and had the same cause; two voices confirmed it, or one. */
const LIKE_BEFORE = { several: 0.6, one: 0.3 };
const MOST_LIKE_BEFORE = 1.2;
/** A hit tells only while it is nearly as near as the nearest. */
const NEAR = 0.9;
/** A prior weaker than this, in nats, is not worth a word. */
export const TELLING_PRIOR = 0.2;

/** What verdicts on earlier investigations say for or against a suspect: priors of its kind of cause, and confirmed incidents that resemble it. */
export function learnedReasons(
  { cause, service }: { readonly cause: CauseKind; readonly service: ServiceName | null },
  findings: readonly Finding[],
): Reason[] {
  if (cause === "none" || cause === "unknown") return [];
  const searches = findingsOf(findings, "incidents");
  const reasons: Reason[] = [];
  for (const { evidence, details } of searches.slice(0, 1)) {
    const priors = details.priors?.filter((one) => one.cause === cause) ?? [];
    const prior = priors.find((one) => one.service === service) ?? priors.find((one) => one.service === null);
    if (prior && Math.abs(prior.weight) >= TELLING_PRIOR)
      reasons.push({ words: prior.words, weight: prior.weight, evidence: evidence.id });
  }
  const alike = new Map<string, { readonly weight: number; readonly evidence: string }>();
  for (const { evidence, details } of searches) {
    const nearest = details.hits[0]?.score ?? 0;
    for (const { documentId, score, metadata } of details.hits) {
      if (metadata.cause !== cause || (metadata.cause_service ?? null) !== service || score < NEAR * nearest) continue;
      const weight = Number(metadata.voices ?? 1) > 1 ? LIKE_BEFORE.several : LIKE_BEFORE.one;
      alike.set(documentId, { weight, evidence: evidence.id });
    }
  }
  const [first] = alike.values();
  if (first) {
    const weight = Math.min(
      MOST_LIKE_BEFORE,
      [...alike.values()].reduce((sum, one) => sum + one.weight, 0),
    );
    reasons.push({
      words: `${[...alike.keys()].slice(0, 3).join(", ")} was alike and had this cause`,
      weight,
      evidence: first.evidence,
    });
  }
  return reasons;
}
