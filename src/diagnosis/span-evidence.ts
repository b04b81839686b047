import type { Evidence } from "./evidence.ts";
import { poissonZ } from "./log-templates.ts";
import type { BeforeDuring, CallGraph, Span } from "./types.ts";
import type { Weights } from "./weights.ts";

const MIN_Z = 3;
const FAILING = /error|exception|fallback/i;

interface Step {
  readonly service: string;
  readonly parent: string;
  readonly child: string;
  before: number;
  during: number;
}

/** Who calls whom, as the spans show it: a span whose parent belongs to another service is a call. */
export function graphFromSpans(spans: BeforeDuring<Span>): CallGraph {
  const edges = new Map<string, readonly [string, string]>();
  for (const part of [spans.before, spans.during]) {
    const owner = new Map(part.map(({ id, service }) => [id, service]));
    for (const { parent, service } of part) {
      const caller = parent === null ? undefined : owner.get(parent);
      if (caller !== undefined && caller !== service) edges.set(`${caller}\n${service}`, [caller, service]);
    }
  }
  return { edges: [...edges.values()] };
}

/** A step that an operation took more or less often than was to be expected of its runs. */
export interface StepChange {
  readonly service: string;
  readonly operation: string;
  readonly next: string;
  readonly during: number;
  readonly expected: number;
  /** Signed, in standard deviations of a Poisson count; at least 3. */
  readonly z: number;
}

export function spanEvidence(changes: readonly StepChange[], { steps }: Pick<Weights, "steps">): Evidence[] {
  return changes.map(({ service, operation, next, during, expected, z }) => ({
    service,
    weight: steps * Math.log2(1 + Math.abs(z) - MIN_Z) * (z < 0 ? 1 - during / expected : 1) ** 2,
    reason: `${operation} went on to ${next} ${during} times where ${expected.toFixed(0)} were to be expected`,
  }));
}

/**
 * Changes in the shape of traces: how often an operation takes each next step per time it runs. Steps that are no longer taken mean that
 * the operation was interrupted; steps into error handlers mean that it failed. Counting per run of the operation makes the sign
 * independent of the traffic and its mix. After TraceAnomaly (Liu et al., 2020) and Nezha (Yu et al., 2023), which compare expected and
 * observed patterns of the same operation.
 */
export function stepChanges(spans: BeforeDuring<Span>): StepChange[] {
  const steps = new Map<string, Step>();
  const runs = new Map<string, { before: number; during: number }>();
  for (const period of ["before", "during"] as const) {
    const byId = new Map(spans[period].map((span) => [span.id, span]));
    for (const { parent, service, operation } of spans[period]) {
      const key = `${service}|${operation}`;
      const run = runs.get(key) ?? { before: 0, during: 0 };
      runs.set(key, run);
      run[period]++;
      const above = parent === null ? undefined : byId.get(parent);
      if (above === undefined) continue;
      const from = `${above.service}|${above.operation}`;
      const name = `${from}>${key}`;
      const step = steps.get(name) ?? { service: above.service, parent: from, child: key, before: 0, during: 0 };
      steps.set(name, step);
      step[period]++;
    }
  }
  return [...steps.values()].flatMap((step): StepChange[] => {
    const run = runs.get(step.parent);
    if (run === undefined || run.before === 0 || run.during === 0) return [];
    const exposure = run.during / run.before;
    const expected = step.before * exposure;
    const z = poissonZ(step.before, step.during, exposure);
    if (Math.abs(z) <= MIN_Z || z > 0 !== FAILING.test(step.child)) return [];
    const [operation = "", next = ""] = [step.parent, step.child].map((one) => one.slice(one.indexOf("|") + 1));
    return [{ service: step.service, operation, next, during: step.during, expected, z }];
  });
}
