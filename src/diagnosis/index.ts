import { callsPerRequest } from "./call-rates.ts";
import type { Evidence } from "./evidence.ts";
import { explainAway } from "./explain-away.ts";
import { walkable } from "./graph.ts";
import { impactEvidence } from "./impact.ts";
import { logEvidence } from "./log-evidence.ts";
import { metricEvidence } from "./metric-evidence.ts";
import { shifts } from "./shift.ts";
import { sinceSymptom } from "./since-symptom.ts";
import { graphFromSpans, spanEvidence } from "./span-evidence.ts";
import type { DiagnosisInput, RootCause } from "./types.ts";

export type {
  BeforeDuring,
  CallGraph,
  DiagnosisInput,
  LogLine,
  MetricColumn,
  MetricTable,
  RootCause,
  Span,
  Symptom,
} from "./types.ts";

const MOST_REASONS = 6;
/** How much of a caller's failures an equally strong failing callee accounts for. */
const EXPLAINED = 0.8;

/** Ranks every service of the incident, likeliest root cause first. Pure. */
export function rankRootCauses(input: DiagnosisInput): RootCause[] {
  const moved = shifts(input);
  const graph = walkable(input.graph ?? (input.spans ? graphFromSpans(input.spans) : null));
  const impact = impactEvidence(moved, graph, input.symptom);
  const evidence: Evidence[] = [
    ...impact,
    ...metricEvidence(moved, graph, callsPerRequest(input.before, graph)).map((one) =>
      damped(one, impact.length > 0 ? 0.02 : input.logs || input.spans ? 0.3 : 1),
    ),
  ];
  const { logs, spans } = sinceSymptom(input);
  const behaviour = [...(logs ? logEvidence(logs, spans) : []), ...(spans && spans.before.length > 0 ? spanEvidence(spans) : [])];
  evidence.push(...explainAway(behaviour, graph, EXPLAINED));
  const services = new Set([...input.during.columns.map(({ service }) => service), ...evidence.map(({ service }) => service)]);
  return [...services].map((service) => rootCause(service, evidence)).sort((a, b) => b.score - a.score);
}

const damped = (one: Evidence, by: number): Evidence => ({ ...one, weight: one.weight * by });

function rootCause(service: string, evidence: readonly Evidence[]): RootCause {
  const own = evidence.filter((one) => one.service === service && one.weight !== 0).sort((a, b) => b.weight - a.weight);
  const reasons = own.slice(0, MOST_REASONS).map(({ reason }) => reason);
  return {
    service,
    score: own.reduce((sum, { weight }) => sum + weight, 0),
    reasons: reasons.length > 0 ? reasons : ["nothing of it left its normal behaviour"],
  };
}
