import type { Proposal } from "../domain/proposal.ts";
import type { EpochMs } from "../domain/time.ts";
import type { ActionContext } from "./context.ts";
import { SMALLEST_BASELINE } from "./verification-statistics.ts";

/** Steps before the action that make the baseline, at most. */
const BASELINE_STEPS = 45;
/** Samples since the onset that make a baseline of their own. */
const OWN_BASELINE = 15;
const FEWEST_SINCE_ONSET = 3;

/** What a signal did just before the action, in its unit. */
export interface Baseline {
  readonly values: readonly number[];
  /** How many samples its level rests on: fewer than `values` when the trouble is young. */
  readonly levelSamples: number;
}

const NONE: Baseline = { values: [], levelSamples: 0 };

/** What the criterion's signal did just before the action; empty when nobody can tell. */
export async function takeBaseline(context: ActionContext, proposal: Proposal): Promise<Baseline> {
  const { criterion } = proposal;
  if (!criterion) return NONE;
  const { step, clock, metrics } = context;
  const to = Math.floor(clock.now() / step) * step;
  try {
    const { points } = await metrics.red({
      service: criterion.service,
      signal: criterion.signal,
      from: to - BASELINE_STEPS * step,
      to,
      step,
    });
    return baselineOf(
      points.filter(({ value }) => Number.isFinite(value)),
      criterion.baselineFrom,
    );
  } catch (error) {
    context.log.warn({ err: error, proposal: proposal.id }, "no baseline could be taken");
    return NONE;
  }
}

/**
 * The state before the action is what the signal did since it went off; what was normal before that must not pass for it. When the trouble is
 * young, its level is taken from the few samples since the onset and its noise from the time before, scaled to that level.
 */
export function baselineOf(points: readonly { at: EpochMs; value: number }[], onset: EpochMs | null): Baseline {
  const values = (some: readonly { value: number }[]) => some.map(({ value }) => value);
  const whole = (some: readonly number[]): Baseline => ({ values: some, levelSamples: some.length });
  if (onset === null) return whole(values(points));
  // Onsets are estimates: the first sample after one is left out.
  const since = values(points.filter(({ at }) => at >= onset).slice(1));
  const before = values(points.filter(({ at }) => at < onset));
  if (since.length >= OWN_BASELINE || before.length < SMALLEST_BASELINE)
    return whole(since.length >= SMALLEST_BASELINE ? since : values(points));
  if (since.length < FEWEST_SINCE_ONSET) return NONE;
  const mean = (some: readonly number[]) => some.reduce((sum, value) => sum + value, 0) / some.length;
  const scale = mean(before) > 0 ? mean(since) / mean(before) : 0;
  return scale > 0 ? { values: before.map((value) => value * scale), levelSamples: since.length } : whole(since);
}
