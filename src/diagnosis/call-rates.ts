import type { Walkable } from "./graph.ts";
import { metricKind } from "./metric-kind.ts";
import type { MetricTable } from "./types.ts";

/** Rows of the normal table looked at, evenly spread: enough to tell callers apart, at a bounded cost. */
const SAMPLED = 1000;
const FEWEST = 30;
const ROUNDS = 200;

/** Calls that one request of the caller makes to the callee on average; null where the normal time does not tell. */
export type CallsPerRequest = (caller: string, callee: string) => number | null;

/**
 * Learns from normal traffic how often each service calls each of its callees: a callee's request rate is what its callers' requests
 * make of it, so their rates are regressed on it with coefficients that cannot be negative (non-negative least squares, Lawson & Hanson,
 * 1974, here by coordinate descent). Assumes that all callers are in the graph and that callers' loads do not move in perfect step.
 */
export function callsPerRequest(normal: MetricTable | null, graph: Walkable): CallsPerRequest {
  const rates = new Map(
    normal?.columns.filter(({ metric }) => metricKind(metric) === "traffic").map(({ service, values }) => [service, values]),
  );
  const learned = new Map<string, Map<string, number>>();
  const learn = (callee: string): Map<string, number> => {
    const callers = [...graph.callers(callee)].filter((one) => rates.has(one));
    const fitted = regress(
      callers.map((one) => rates.get(one) ?? new Float64Array()),
      rates.get(callee) ?? new Float64Array(),
    );
    const calls = new Map(callers.flatMap((one, index) => (fitted === null ? [] : [[one, fitted[index] ?? 0] as const])));
    learned.set(callee, calls);
    return calls;
  };
  return (caller, callee) => (learned.get(callee) ?? learn(callee)).get(caller) ?? null;
}

/** Coefficients, none below zero, by which the causes sum up to the effect; null with too few rows that have all of them. */
function regress(causes: readonly Float64Array[], effect: Float64Array): number[] | null {
  const rows: { x: number[]; y: number }[] = [];
  const stride = Math.max(1, Math.floor(effect.length / SAMPLED));
  for (let at = 0; at < effect.length; at += stride) {
    const x = causes.map((values) => values[at] ?? Number.NaN);
    const y = effect[at] ?? Number.NaN;
    if (Number.isFinite(y) && x.every(Number.isFinite)) rows.push({ x, y });
  }
  if (causes.length === 0 || rows.length < FEWEST) return null;
  const products = causes.map((_, i) => causes.map((_, j) => sum(rows, ({ x }) => (x[i] ?? 0) * (x[j] ?? 0))));
  const targets = causes.map((_, i) => sum(rows, ({ x, y }) => (x[i] ?? 0) * y));
  const found = causes.map(() => 0);
  for (let round = 0; round < ROUNDS; round++)
    products.forEach((row, i) => {
      const own = row[i] ?? 0;
      const rest = row.reduce((total, product, j) => total + (j === i ? 0 : product * (found[j] ?? 0)), 0);
      found[i] = own > 0 ? Math.max(0, ((targets[i] ?? 0) - rest) / own) : 0;
    });
  return found;
}

const sum = <T>(all: readonly T[], value: (one: T) => number): number => all.reduce((total, one) => total + value(one), 0);
