import type { Proposal } from "../domain/proposal.ts";
import type { EpochMs } from "../domain/time.ts";
import type { ActionContext } from "./context.ts";
import { SMALLEST_BASELINE } from "./verification-statistics.ts";

/** Steps before the action that make the baseline, at most. */
const BASELINE_STEPS = 45;
/** Samples since the onset that make a baseline of their own. */
const OWN_BASELINE = 15;
const FEWEST_SINCE_ONSET = 3;

/** What the criterion's signal did just before the action; empty when nobody can tell. */
export async function takeBaseline(context: ActionContext, proposal: Proposal): Promise<number[]> {
  const { criterion } = proposal;
  if (!criterion) return [];
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
    return [];
  }
}

/**
 * The state before the action is what the signal did since it went off; what was normal before that must not pass for it. When the trouble is
 * young, its level is taken from the few samples since the onset and its noise from the time before, scaled to that level.
 */
export function baselineOf(points: readonly { at: EpochMs; value: number }[], onset: EpochMs | null): number[] {
  const values = (some: readonly { value: number }[]) => some.map(({ value }) => value);
  if (onset === null) return values(points);
  // Onsets are estimates: the first sample after one is left out.
  const since = values(points.filter(({ at }) => at >= onset).slice(1));
  const before = values(points.filter(({ at }) => at < onset));
  if (since.length >= OWN_BASELINE || before.length < SMALLEST_BASELINE)
    return since.length >= SMALLEST_BASELINE ? since : values(points);
  if (since.length < FEWEST_SINCE_ONSET) return [];
  const mean = (some: readonly number[]) => some.reduce((sum, value) => sum + value, 0) / some.length;
  const scale = mean(before) > 0 ? mean(since) / mean(before) : 0;
  return scale > 0 ? before.map((value) => value * scale) : since;
}
