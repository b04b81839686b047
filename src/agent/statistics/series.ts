import type { MetricPoint } from "../../domain/telemetry.ts";
import type { EpochMs } from "../../domain/time.ts";

export interface Summary {
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly deviation: number;
}

/** A series before and during a window, in the series' unit. */
export interface Comparison {
  readonly before: Summary;
  readonly during: Summary;
  /** `during.mean / before.mean - 1`; 0 when nothing can be compared. */
  readonly change: number;
  /** Difference of means in standard errors, widened for autocorrelation. */
  readonly z: number;
  /** When the series most likely began to move, or null when it did not. */
  readonly movedAt: EpochMs | null;
}

const LONG_ENOUGH = 20;

export function summarise(values: readonly number[]): Summary {
  if (values.length === 0) return { count: 0, mean: 0, min: 0, max: 0, deviation: 0 };
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
  return {
    count: values.length,
    mean,
    min: values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY),
    max: values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY),
    deviation: Math.sqrt(variance),
  };
}

/**
 * Compares the means of two windows in standard errors under "nothing moved", with the variance inflated by the lag-one autocorrelation of the first
 * (effective sample size, Bayley and Hammersley 1946). Points ascend.
 */
export function compare(before: readonly MetricPoint[], during: readonly MetricPoint[]): Comparison {
  const was = summarise(before.map(({ value }) => value));
  const is = summarise(during.map(({ value }) => value));
  if (was.count < 3 || is.count < 3) return { before: was, during: is, change: relative(was.mean, is.mean), z: 0, movedAt: null };
  const rho = Math.min(0.9, Math.max(0, autocorrelation(before, was)));
  const inflation = (1 + rho) / (1 - rho);
  const floor = (Math.abs(was.mean) * 0.005) ** 2;
  // "Nothing moved" is judged by the noise of the normal window alone, once that is long enough: a shift within the second window
  // widens that window's own spread and would hide itself.
  const noise = Math.max(was.deviation ** 2, floor);
  const spread = was.count >= LONG_ENOUGH ? noise : Math.max(is.deviation ** 2, floor);
  const error = Math.sqrt((inflation * noise) / was.count + (inflation * spread) / is.count);
  const z = error === 0 ? 0 : (is.mean - was.mean) / error;
  const change = relative(was.mean, is.mean);
  return { before: was, during: is, change, z, movedAt: Math.abs(z) >= 4 ? changePoint([...before, ...during]) : null };
}

/** The split that parts a series best into two levels (least squares; Hinkley 1970). Null for fewer than six points. */
function changePoint(points: readonly MetricPoint[]): EpochMs | null {
  if (points.length < 6) return null;
  const total = points.reduce((sum, { value }) => sum + value, 0);
  let left = 0;
  let best = { gain: -1, at: points[0]?.at ?? 0 };
  for (let index = 1; index < points.length; index++) {
    left += points[index - 1]?.value ?? 0;
    if (index < 3 || points.length - index < 3) continue;
    const rest = points.length - index;
    const gap = left / index - (total - left) / rest;
    const gain = (gap * gap * index * rest) / points.length;
    if (gain > best.gain) best = { gain, at: points[index]?.at ?? 0 };
  }
  return best.at;
}

/** True when a difference is both real and large enough to matter to anybody. */
export function matters({ change, z, before, during }: Comparison, least = 0.05): boolean {
  return before.count >= 3 && during.count >= 3 && Math.abs(z) >= 4 && Math.abs(change) >= least;
}

function relative(before: number, during: number): number {
  if (before === 0) return during === 0 ? 0 : 10;
  return Math.max(-10, Math.min(10, during / before - 1));
}

function autocorrelation(points: readonly MetricPoint[], { mean, deviation, count }: Summary): number {
  if (deviation === 0 || count < 4) return 0;
  let sum = 0;
  for (let index = 1; index < points.length; index++) {
    sum += ((points[index]?.value ?? mean) - mean) * ((points[index - 1]?.value ?? mean) - mean);
  }
  return sum / (count - 1) / deviation ** 2;
}
