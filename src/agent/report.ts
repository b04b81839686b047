import type { Anomaly } from "../domain/anomaly.ts";
import type { Hypothesis, InvestigationReport, Mind } from "../domain/investigation.ts";
import { cleaned } from "../domain/untrusted.ts";
import { flagState } from "./action-selector.ts";
import { findingsOf } from "./findings.ts";
import { ground } from "./grounding.ts";
import type { ReportDraft } from "./report-schema.ts";
import type { Session } from "./session.ts";

/** The report that people read: the draft after grounding, confidence calibrated, and everything that code knows better than a mind. */
export function assemble(
  draft: ReportDraft,
  session: Session,
  given: {
    readonly mind: Mind;
    readonly prompts: readonly string[];
    readonly minimumConfidence: number;
    readonly anomalies: readonly Anomaly[];
  },
): InvestigationReport {
  const { draft: grounded, struck, claims } = ground(cleanedDraft(draft), session.evidence);
  const hypotheses = calibrated(session.hold(grounded.hypotheses, { only: true }), session);
  const confidence = hypotheses[0]?.confidence ?? 0;
  const rawConfidence = Math.max(0, ...grounded.hypotheses.map((one) => clamp(one.confidence)));
  const unsure = grounded.outcome === "cause_found" && confidence < given.minimumConfidence;
  const [lead] = hypotheses;
  const graphs = findingsOf(session.findings, "dependencies").map(({ details }) => details);
  const dependencies = graphs.find(({ service }) => service === lead?.service) ?? graphs[0];
  const blamed = findingsOf(session.findings, "changes")
    .flatMap(({ details }) => details.changes)
    .find(({ id }) => id === lead?.changeId);
  const share = blamed?.kind === "flag" ? flagState(blamed.after)?.percent : undefined;
  return {
    headline: unsure ? `I do not know; my best guess: ${grounded.headline}`.slice(0, 200) : grounded.headline.slice(0, 200),
    outcome: unsure ? "unknown" : grounded.outcome,
    confidence,
    rawConfidence,
    real: session.deps.learned.real?.(given.anomalies) ?? null,
    hypotheses,
    evidence: session.evidence,
    contributingFactors: grounded.contributingFactors,
    whatChanged: grounded.whatChanged,
    whatElseIsAnomalous: grounded.whatElseIsAnomalous,
    seenBefore: grounded.seenBefore,
    blastRadiusOfActing: grounded.blastRadiusOfActing,
    blastRadius: {
      upstream: dependencies?.upstream ?? [],
      downstream: dependencies?.downstream ?? [],
      trafficShare: share === undefined ? null : share / 100,
    },
    causalTest: session.causalTest,
    proposals: session.proposals,
    nextChecks: grounded.nextChecks,
    struckClaims: struck,
    notUsed: [...session.notUsed].map(cleaned),
    claims,
    mind: given.mind,
    cost: session.cost,
    prompts: given.prompts,
  };
}

/** Experience with what each blames changes how sure Vigil is of it, not which of them the evidence of this incident puts first. */
function calibrated(ranked: readonly Hypothesis[], { deps }: Session): Hypothesis[] {
  let most = 1;
  return ranked.map((one) => {
    const told = (raw: number) => clamp(deps.learned.calibrate(raw, one));
    most = Math.min(most, told(one.confidence));
    return { ...one, confidence: most, trail: [...(one.trail ?? []).slice(0, -1).map(told), most] };
  });
}

/** A mind may repeat what it read or was asked: secrets and what nobody sees go before anything is kept or shown. */
function cleanedDraft(draft: ReportDraft): ReportDraft {
  const clean = (value: unknown): unknown => {
    if (typeof value === "string") return cleaned(value);
    if (Array.isArray(value)) return value.map(clean);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, clean(inner)]));
  };
  return clean(draft) as ReportDraft;
}

const clamp = (value: number) => Math.min(1, Math.max(0, Number.isFinite(value) ? value : 0));
