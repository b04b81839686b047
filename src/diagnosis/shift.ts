import { median, quantile, sorted } from "../domain/quantile.ts";
import { type MetricKind, metricKind } from "./metric-kind.ts";
import { movingMedian } from "./moving-median.ts";
import type { DiagnosisInput, MetricColumn } from "./types.ts";

/** How one series left its normal behaviour in the incident. */
export interface Shift {
  readonly service: string;
  readonly metric: string;
  readonly statistic: string | null;
  readonly kind: MetricKind;
  /** Level just before the incident, in the metric's unit. */
  readonly from: number;
  /** Level held for at least two samples where there are two, in the metric's unit. */
  readonly to: number;
  /** Signed, in spreads of the series' own normal steps away from its recent level. */
  readonly z: number;
  /** False where samples are missing before or during the incident; then nothing is known, and `z` is 0. */
  readonly measured: boolean;
}

const RECENT = 5;
/** Samples in a row beyond which a level's lasting adds nothing. */
const LONGEST = 4;
/** Normal steps looked at per series: enough for its 1 % tails' order of size, at a bounded cost. */
const SAMPLED = 200;
/** Metrics whose values are parts of a whole. */
const SHARE = /%|percent|ratio/i;

const seriesKey = (one: MetricColumn): string => `${one.service}|${one.metric}|${one.statistic ?? ""}`;

/**
 * Size of each series' change at the incident. The reference is the level just before (median of the last five samples, or of those there
 * are), so that a slow drift since the recorded normal time is no evidence; that time's median serves where nothing nearer is known. The
 * unit is the series' own normal departure from such a level: the largest of the scaled interquartile range, the scaled 98 % range, and a
 * floor for series that never move. A shift must hold for two samples, which a lone spike does not. Robust scaling after Rousseeuw & Croux (1993); BARO (Pham et al., 2024) shows that it beats mean and deviation.
 * Assumes that steps away from the recent level are exchangeable over the normal time.
 */
export function shifts(input: DiagnosisInput): Shift[] {
  const normal = new Map(input.before?.columns.map((one) => [seriesKey(one), one.values]));
  const { times } = input.during;
  const step = times.length > 1 ? median(times.slice(1).map((time, index) => time - (times[index] ?? 0))) : 60;
  const rows = { near: nearTimes(input, step), ...splitAt(times, input.symptom.at, step) };
  return input.during.columns.map((column) => shiftOf(column, normal.get(seriesKey(column)) ?? NOTHING, rows));
}

const NOTHING = new Float64Array();

/** Rows that matter for every series. */
interface Rows {
  /** Of the normal table: the incident's immediate past. */
  readonly near: readonly number[];
  /** Of the incident's table: wholly before the symptom. */
  readonly past: readonly number[];
  /** That began before the symptom and ended after it: the level to compare with where there is no other past. */
  readonly begun: readonly number[];
  /** The rest. */
  readonly since: readonly number[];
}

/** Rows of the normal table that are the incident's immediate past; more than are needed, since samples may be missing. */
function nearTimes({ before, symptom }: DiagnosisInput, step: number): number[] {
  return Array.from(before?.times ?? []).flatMap((time, row) =>
    time + step <= symptom.at && time > symptom.at - 3 * RECENT * step ? [row] : [],
  );
}

function splitAt(times: Float64Array, at: number, step: number): Pick<Rows, "past" | "begun" | "since"> {
  const rows = Array.from(times.keys());
  const isPast = (row: number) => (times[row] ?? 0) + step <= at;
  return {
    past: rows.filter(isPast),
    begun: rows.filter((row) => !isPast(row) && (times[row] ?? 0) <= at),
    since: rows.filter((row) => !isPast(row)),
  };
}

function shiftOf(column: MetricColumn, history: Float64Array, rows: Rows): Shift {
  const kind = metricKind(column.metric);
  const ordered = sorted(history);
  const known = ordered.length > 0;
  const center = known ? quantile(ordered, 0.5) : median(column.values);
  const floor = 0.02 * Math.abs(center) + 1e-9;
  // Counts and times spread with their size: compare them as logarithms, shares as they are.
  const logs = kind !== "availability" && !SHARE.test(column.metric);
  const transform = logs ? (x: number) => Math.log(Math.max(0, x) + 5 * floor) : (x: number) => x;
  const valuesAt = (values: Float64Array, at: readonly number[]) =>
    at.map((row) => values[row] ?? Number.NaN).filter(Number.isFinite);
  const present = rows.since.filter((row) => Number.isFinite(column.values[row]));
  const past = [...valuesAt(history, rows.near), ...valuesAt(column.values, rows.past)].slice(-RECENT);
  const from = recentLevel(past.length > 0 ? past : valuesAt(column.values, rows.begun)) ?? center;
  const measured = present.length > 0 && Number.isFinite(from);
  const base = { service: column.service, metric: column.metric, statistic: column.statistic, kind, from, measured };
  if (!measured) return { ...base, to: from, z: 0 };
  const smallest = kind === "availability" ? Math.max(1, Math.abs(center)) / 500 : logs ? (known ? 0.05 : 0.5) : floor;
  const scale = spread(history, transform, smallest);
  const level = transform(from);
  const z = present.map((row) => (transform(column.values[row] ?? from) - level) / scale);
  const held = heldAt(z);
  return { ...base, to: column.values[present[held.row] ?? -1] ?? from, z: held.z };
}

/** Median of an odd number of samples, the last left out of an even one: the nearer to the symptom, the likelier it is touched already. */
function recentLevel(past: readonly number[]): number | null {
  return past.length === 0 ? null : median(past.slice(0, past.length - ((past.length + 1) % 2)));
}

/**
 * The furthest level that two or more samples in a row reached on the same side. Staying there counts as further: by the square root of the
 * time, as for the mean of independent samples, up to four of them, as neighbours are not independent.
 */
function heldAt(z: readonly number[]): { row: number; z: number } {
  if (z.length === 1) return { row: 0, z: (z[0] ?? 0) / 2 };
  let best = { row: 0, z: 0 };
  for (let first = 0; first < z.length - 1; first++) {
    let least = first;
    for (let row = first + 1; row < Math.min(z.length, first + LONGEST); row++) {
      const [a, b] = [z[least] ?? 0, z[row] ?? 0];
      if (Math.sign(a) !== Math.sign(b)) break;
      if (Math.abs(b) < Math.abs(a)) least = row;
      const held = (z[least] ?? 0) * Math.sqrt((row - first + 1) / 2);
      if (Math.abs(held) > Math.abs(best.z)) best = { row: least, z: held };
    }
  }
  return best;
}

/** Normal size of a departure from the median of the last five samples. The transform rises, so that a median may be taken before it. */
function spread(values: Float64Array, transform: (value: number) => number, floor: number): number {
  const stride = Math.max(1, Math.floor(values.length / SAMPLED));
  const recent = movingMedian(values, RECENT);
  const steps: number[] = [];
  for (let row = RECENT; row < values.length; row += stride) {
    const value = values[row] ?? Number.NaN;
    if (Number.isFinite(value)) steps.push(transform(value) - transform(recent(row)));
  }
  const ordered = sorted(steps);
  const range = (share: number) => quantile(ordered, 1 - share) - quantile(ordered, share);
  return Math.max(floor, ...[range(0.25) / 1.35, range(0.01) / 4.65].filter(Number.isFinite));
}
