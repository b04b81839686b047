import { type CallsPerRequest, callsPerRequest } from "./call-rates.ts";
import type { Evidence } from "./evidence.ts";
import { explainAway } from "./explain-away.ts";
import { type Walkable, walkable } from "./graph.ts";
import { impactEvidence } from "./impact.ts";
import { type LogChange, logChanges, logEvidence } from "./log-evidence.ts";
import { metricEvidence } from "./metric-evidence.ts";
import { type Shift, shifts } from "./shift.ts";
import { sinceSymptom } from "./since-symptom.ts";
import { graphFromSpans, type StepChange, spanEvidence, stepChanges } from "./span-evidence.ts";
import type { DiagnosisInput, RootCause, Symptom } from "./types.ts";
import { WEIGHTS, type Weights } from "./weights.ts";

export type { DiagnosisInput, LogLine, MetricColumn, MetricTable, RootCause, Span } from "./types.ts";

const MOST_REASONS = 6;

/** What is seen of an incident, before anything is weighed. */
export interface Observations {
  readonly symptom: Symptom;
  readonly services: readonly string[];
  readonly shifts: readonly Shift[];
  readonly graph: Walkable;
  readonly calls: CallsPerRequest;
  /** Null where there are no logs or traces. */
  readonly logs: readonly LogChange[] | null;
  readonly steps: readonly StepChange[] | null;
}

/** Ranks every service of the incident, likeliest root cause first. Pure. */
export const rankRootCauses = (input: DiagnosisInput): RootCause[] => weigh(observe(input), WEIGHTS);

export function observe(input: DiagnosisInput): Observations {
  const graph = walkable(input.graph ?? (input.spans ? graphFromSpans(input.spans) : null));
  const { logs, spans } = sinceSymptom(input);
  return {
    symptom: input.symptom,
    services: [...new Set(input.during.columns.map(({ service }) => service))],
    shifts: shifts(input),
    graph,
    calls: callsPerRequest(input.before, graph),
    logs: logs ? logChanges(logs, spans) : null,
    steps: spans ? (spans.before.length > 0 ? stepChanges(spans) : []) : null,
  };
}

export function weigh(
  { symptom, services, shifts: moved, graph, calls, logs, steps }: Observations,
  weights: Weights,
): RootCause[] {
  const impact = impactEvidence(moved, graph, symptom, weights);
  const other = impact.length > 0 ? weights.besideImpact : logs || steps ? weights.besideBehaviour : 1;
  const metrics = metricEvidence(moved, graph, calls, weights).map((one) => damped(one, other));
  const behaviour = [...logEvidence(logs ?? [], weights), ...spanEvidence(steps ?? [], weights)];
  const evidence = [...impact, ...metrics, ...explainAway(behaviour, graph, weights.explained)];
  const all = new Set([...services, ...evidence.map(({ service }) => service)]);
  return [...all].map((service) => rootCause(service, evidence)).sort((a, b) => b.score - a.score);
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
