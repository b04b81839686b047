/** Ways in which a recorded incident could have been recorded worse or otherwise, for the stress table of `rca.ts`. */

import type { BeforeDuring, DiagnosisInput, MetricColumn, MetricTable } from "../../src/diagnosis/types.ts";
import { median, quantile, sorted } from "../../src/domain/quantile.ts";
import { normal } from "../unit/detection/simulate.ts";

export interface Perturbation {
  readonly name: string;
  /** False where chance plays no part, so that one seed tells all. */
  readonly random: boolean;
  /** Null where it changes nothing of this incident. */
  apply(input: DiagnosisInput, cause: string, random: () => number): DiagnosisInput | null;
}

const always = (name: string, apply: Perturbation["apply"]): Perturbation => ({ name, random: false, apply });
const byChance = (name: string, apply: Perturbation["apply"]): Perturbation => ({ name, random: true, apply });

/** What a service is called when all are renamed: an order of the alphabet that has nothing to do with the old one. */
export const renamed = (service: string): string =>
  `s${[...service].reduce((hash, letter) => (Math.imul(hash, 31) + letter.charCodeAt(0)) >>> 0, 7).toString(36)}`;

export const PERTURBATIONS: readonly Perturbation[] = [
  always("as it is", (input) => input),
  byChance("10 % of columns missing", (input, _, random) => withColumns(input, () => random() >= 0.1)),
  byChance("20 % of columns missing", (input, _, random) => withColumns(input, () => random() >= 0.2)),
  byChance("20 % of other services unseen", (input, cause, random) => {
    const seen = new Map([cause, input.symptom.service ?? ""].map((service) => [service, true]));
    return withColumns(input, ({ service }) => {
      if (!seen.has(service)) seen.set(service, random() >= 0.2);
      return seen.get(service) ?? true;
    });
  }),
  byChance("10 % of samples missing", (input, _, random) =>
    withValues(input, (values) => values.map((value) => (random() < 0.1 ? Number.NaN : value))),
  ),
  byChance(
    "10 % of the graph missing",
    (input, _, random) => input.graph && { ...input, graph: { edges: input.graph.edges.filter(() => random() >= 0.1) } },
  ),
  always("only the first half of normal time", (input) => withNormal(input, (row, rows) => row < rows / 2)),
  always("only the second half of normal time", (input) => withNormal(input, (row, rows) => row >= rows / 2)),
  always("a tenth of normal time", (input) => withNormal(input, (row, rows) => row % (rows / 6) < rows / 60)),
  always("normal time ends an hour before", (input) => {
    const { at } = input.symptom;
    return withNormal(input, (_, __, time) => time < at - 3_600 || time > at);
  }),
  always("onset one step late", (input) => ({ ...input, symptom: { ...input.symptom, at: input.symptom.at + stepOf(input) } })),
  always("onset one step early", (input) => ({ ...input, symptom: { ...input.symptom, at: input.symptom.at - stepOf(input) } })),
  byChance("noise of half a normal spread", (input, _, random) => {
    const gaussian = normal(random);
    const spreads = new Map(input.before?.columns.map((one) => [key(one), spreadOf(one.values)]));
    return withValues(input, (values, column) => {
      const size = 0.5 * (spreads.get(key(column)) ?? 0);
      return values.map((value) => (Number.isFinite(size) ? value + size * gaussian() : value));
    });
  }),
  byChance("a fifth of the requests", (input, _, random) => fewerRequests(input, 0.2, random)),
  always("units a thousand times smaller", (input) =>
    withValues(input, (values, { metric }) =>
      /availab|percent|%|ratio/i.test(metric) ? values : values.map((value) => value * 1000),
    ),
  ),
  always("services renamed", (input) => withNames(input)),
  always("no logs", ({ logs, ...rest }) => (logs ? rest : null)),
  always("no traces", ({ spans, ...rest }) => (spans ? rest : null)),
  always("no graph", (input) => input.graph && { ...input, graph: null }),
];

const key = (one: MetricColumn): string => `${one.service}|${one.metric}|${one.statistic ?? ""}`;

function tables(input: DiagnosisInput, change: (table: MetricTable) => MetricTable): DiagnosisInput {
  return { ...input, before: input.before && change(input.before), during: change(input.during) };
}

/** The same columns go from both tables. */
function withColumns(input: DiagnosisInput, keep: (column: MetricColumn) => boolean): DiagnosisInput {
  const kept = new Map<string, boolean>();
  return tables(input, (table) => ({
    times: table.times,
    columns: table.columns.filter((one) => {
      if (!kept.has(key(one))) kept.set(key(one), keep(one));
      return kept.get(key(one)) ?? true;
    }),
  }));
}

function withValues(input: DiagnosisInput, change: (values: Float64Array, column: MetricColumn) => Float64Array): DiagnosisInput {
  return tables(input, ({ times, columns }) => ({
    times,
    columns: columns.map((column) => ({ ...column, values: change(column.values, column) })),
  }));
}

function withNormal(input: DiagnosisInput, keep: (row: number, rows: number, time: number) => boolean): DiagnosisInput | null {
  const { before } = input;
  if (before === null) return null;
  const chosen = (_: number, row: number) => keep(row, before.times.length, before.times[row] ?? 0);
  return {
    ...input,
    before: {
      times: before.times.filter(chosen),
      columns: before.columns.map((column) => ({ ...column, values: column.values.filter(chosen) })),
    },
  };
}

function withNames(input: DiagnosisInput): DiagnosisInput {
  const each = <T extends { readonly service: string }>(one: T): T => ({ ...one, service: renamed(one.service) });
  const both = <T extends { readonly service: string }>({ before, during }: BeforeDuring<T>) => ({
    before: before.map(each),
    during: during.map(each),
  });
  const { service } = input.symptom;
  return {
    ...tables(input, ({ times, columns }) => ({ times, columns: columns.map(each) })),
    symptom: { ...input.symptom, service: service === null ? null : renamed(service) },
    graph: input.graph && { edges: input.graph.edges.map(([caller, callee]) => [renamed(caller), renamed(callee)]) },
    ...(input.logs ? { logs: both(input.logs) } : {}),
    ...(input.spans ? { spans: both(input.spans) } : {}),
  };
}

/**
 * The incident as a quieter system would show it, where a service's requests are counted: fewer of them, shares of successes drawn from so
 * many, and latencies of so many (relative deviation 1 / √n, as for durations that are exponential). Null where no requests are counted.
 */
function fewerRequests(input: DiagnosisInput, share: number, random: () => number): DiagnosisInput | null {
  const gaussian = normal(random);
  const countless = /requests?$|invocations?$/i;
  if (!input.during.columns.some(({ metric }) => countless.test(metric))) return null;
  return tables(input, (table) => {
    const counts = new Map(table.columns.filter(({ metric }) => countless.test(metric)).map((one) => [one.service, one.values]));
    return {
      times: table.times,
      columns: table.columns.map((column): MetricColumn => {
        const requests = counts.get(column.service);
        if (requests === undefined) return column;
        const few = (row: number) => Math.max(1, Math.round(share * (requests[row] ?? 0)));
        const { metric } = column;
        if (countless.test(metric)) return { ...column, values: column.values.map((value) => Math.round(value * share)) };
        if (/availab/i.test(metric))
          return {
            ...column,
            values: column.values.map((value, row) => (100 * successes(value / 100, few(row), gaussian)) / few(row)),
          };
        if (/latency/i.test(metric))
          return { ...column, values: column.values.map((value, row) => value * Math.exp(gaussian() / Math.sqrt(few(row)))) };
        return column;
      }),
    };
  });
}

/** A binomial count by its normal approximation, rounded and bounded; exact at shares of 0 and 1. */
function successes(share: number, of: number, gaussian: () => number): number {
  if (!Number.isFinite(share)) return Number.NaN;
  const within = Math.min(1, Math.max(0, share));
  return Math.min(of, Math.max(0, Math.round(of * within + Math.sqrt(of * within * (1 - within)) * gaussian())));
}

function spreadOf(values: Float64Array): number {
  const ordered = sorted(values);
  return (quantile(ordered, 0.75) - quantile(ordered, 0.25)) / 1.35;
}

const stepOf = ({ during: { times } }: DiagnosisInput): number =>
  times.length > 1 ? median(times.slice(1).map((time, row) => time - (times[row] ?? 0))) : 60;
