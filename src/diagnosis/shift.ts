import { type MetricKind, metricKind } from "./metric-kind.ts";
import { median, movingMedian, quantile, sorted } from "./robust.ts";
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
  /** Unix seconds of the first sample beyond the spread; null where none is. */
  readonly onset: number | null;
  /** Samples stopped although the series used to be there. */
  readonly vanished: boolean;
}

const RECENT = 5;
const MOVED = 3;
/** Samples in a row beyond which a level's lasting adds nothing. */
const LONGEST = 4;
/** Normal steps looked at per series: enough for its 1 % tails' order of size, at a bounded cost. */
const SAMPLED = 200;

export const seriesKey = (one: MetricColumn): string => `${one.service}|${one.metric}|${one.statistic ?? ""}`;

/**
 * Size of each series' change at the incident. The reference is the level just before (median of the last five samples), so that a slow
 * drift since the recorded normal time is no evidence; the unit is the series' own normal departure from such a level: the largest of
 * the scaled interquartile range, the scaled 98 % range, and a floor for series that never move. A shift must hold for two samples, which
 * a lone spike does not. Robust scaling after Rousseeuw & Croux (1993); BARO (Pham et al., 2024) shows that it beats mean and deviation.
 * Assumes that steps away from the recent level are exchangeable over the normal time.
 */
export function shifts(input: DiagnosisInput): Shift[] {
  const normal = new Map(input.before?.columns.map((one) => [seriesKey(one), one.values]));
  const times = input.during.times;
  const step = times.length > 1 ? median(times.slice(1).map((time, index) => time - (times[index] ?? 0))) : 60;
  const near = nearTimes(input, step);
  return input.during.columns.map((column) => shiftOf(column, normal.get(seriesKey(column)), near, input, step));
}

/** Rows of the normal table that are the incident's immediate past. */
function nearTimes({ before, symptom }: DiagnosisInput, step: number): number[] {
  const rows = Array.from(before?.times ?? [], (time, row) => ({ time, row }));
  return rows
    .filter(({ time }) => time + step <= symptom.at && time > symptom.at - 3 * RECENT * step)
    .slice(-RECENT)
    .map(({ row }) => row);
}

function shiftOf(
  column: MetricColumn,
  normal: Float64Array | undefined,
  near: readonly number[],
  input: DiagnosisInput,
  step: number,
): Shift {
  const kind = metricKind(column.metric);
  const history = normal ?? new Float64Array();
  const known = history.some(Number.isFinite);
  const center = known ? median(history) : median(column.values);
  const floor = 0.02 * Math.abs(center) + 1e-9;
  // Counts and times spread with their size: compare them as logarithms, shares as they are.
  const logs = kind !== "availability" && !/%|percent|ratio/i.test(column.metric);
  const transform = logs ? (x: number) => Math.log(Math.max(0, x) + 5 * floor) : (x: number) => x;
  const times = Array.from(input.during.times);
  const ownPast = times.flatMap((time, row) => (time + step <= input.symptom.at ? [column.values[row] ?? Number.NaN] : []));
  const past = [...near.map((row) => history[row] ?? Number.NaN), ...ownPast].filter(Number.isFinite).slice(-RECENT);
  const after = times.flatMap((time, row) =>
    time + step > input.symptom.at ? [{ time, value: column.values[row] ?? Number.NaN }] : [],
  );
  const present = after.filter(({ value }) => Number.isFinite(value));
  const from = past.length > 0 ? median(past) : center;
  const vanished = present.length === 0 && past.length > 1;
  const base = { service: column.service, metric: column.metric, statistic: column.statistic, kind, from, vanished };
  const scale = spread(
    Float64Array.from(history, transform),
    kind === "availability" ? Math.max(1, Math.abs(center)) / 500 : logs ? (known ? 0.05 : 0.5) : floor,
  );
  if (present.length === 0 || !Number.isFinite(from)) return { ...base, to: from, z: 0, onset: null };
  const z = present.map(({ value }) => (transform(value) - transform(from)) / scale);
  const held = heldAt(z);
  const onset = present.find((_, index) => Math.abs(z[index] ?? 0) >= MOVED)?.time ?? null;
  return { ...base, to: present[held.row]?.value ?? from, z: held.z, onset };
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

/** Normal size of a departure from the median of the last five samples. */
function spread(values: Float64Array, floor: number): number {
  const steps: number[] = [];
  const stride = Math.max(1, Math.floor(values.length / SAMPLED));
  const recent = movingMedian(values, RECENT);
  for (let row = RECENT; row < values.length; row += stride) steps.push((values[row] ?? Number.NaN) - recent(row));
  const ordered = sorted(steps);
  const range = (share: number) => quantile(ordered, 1 - share) - quantile(ordered, share);
  return Math.max(floor, ...[range(0.25) / 1.35, range(0.01) / 4.65].filter(Number.isFinite));
}
