import { median } from "../../domain/quantile.ts";
import type { Evidence } from "./evidence.ts";
import { average, blocksOf, FEWEST_FOR_NOISE, inflation, lagOne, leaningOnUsual, winsorise } from "./noise.ts";

/** A continuous signal before the action, for instance latency. */
export interface LevelReference {
  /** Absent in records of the time before counts had a kind of their own. */
  readonly kind?: "levels";
  /** In the signal's unit. */
  readonly mean: number;
  /** Noise of one sample, relative to the mean. */
  readonly deviation: number;
  readonly autocorrelation: number;
  /** Samples that the noise rests on. */
  readonly samples: number;
  /** Samples that the mean rests on; absent: all of them. */
  readonly levelSamples?: number;
}

/** The calm time before a trouble says how noisy a signal is; when the trouble is old enough it has its own say. */
const MOST_WEIGHT_OF_HISTORY = 60;
/** A series that never moves still deserves a little doubt. */
const LEAST_DEVIATION = 0.001;

/**
 * Level and noise before the action. The level is that of the samples since the trouble began, however few; noise and autocorrelation are taken
 * from those and from the time before, in stretches around their own means, by the median over the stretches, so that a past incident or a slow
 * daily curve does not pass for noise.
 *
 * @param level samples since the trouble began, oldest first, in the signal's unit
 * @param history samples from before it
 * @returns null when there is too little to tell, or no level above zero
 */
export function levelReference(level: readonly number[], history: readonly number[]): LevelReference | null {
  if (level.length === 0 || level.length + history.length < FEWEST_FOR_NOISE) return null;
  const calm = blocksOf(history)
    .map(noiseAround)
    .filter((block) => block !== null);
  const own = noiseAround(level);
  const before = {
    samples: calm.reduce((sum, { samples }) => sum + samples, 0),
    variance: median(calm.map((one) => one.variance)) || 0,
  };
  const weight = Math.min(MOST_WEIGHT_OF_HISTORY, before.samples);
  const degrees = own ? own.samples - 1 : 0;
  if (weight + degrees < FEWEST_FOR_NOISE - 1) return null;
  const variance = (weight * before.variance + degrees * (own?.variance ?? 0)) / (weight + degrees);
  const deviation = Math.max(Math.sqrt(variance), LEAST_DEVIATION);
  const mean = average(winsorise(level, deviation * median(level)));
  if (!(mean > 0)) return null;
  const lags = [
    {
      lag: median(calm.flatMap(({ lag }) => lag ?? [])) || 0,
      samples: calm.some(({ lag }) => lag !== null) ? before.samples : 0,
    },
    { lag: own?.lag ?? 0, samples: own?.lag != null ? own.samples : 0 },
  ];
  const measured = lags.reduce((sum, { samples }) => sum + samples, 0);
  const autocorrelation = leaningOnUsual(
    measured > 0 ? lags.reduce((sum, { lag, samples }) => sum + lag * samples, 0) / measured : 0,
    measured,
  );
  return { kind: "levels", mean, deviation, autocorrelation, samples: weight + degrees + 1, levelSamples: level.length };
}

function noiseAround(values: readonly number[]): { samples: number; variance: number; lag: number | null } | null {
  if (values.length < 2) return null;
  const clean = winsorise(values, 0);
  const mean = average(clean);
  if (!(mean > 0)) return null;
  const relative = clean.map((value) => value / mean - 1);
  const variance = relative.reduce((sum, value) => sum + value * value, 0) / (relative.length - 1);
  return { samples: values.length, variance, lag: lagOne(relative) };
}

/**
 * Compares means. Autocorrelation enters through the exact variance of the mean of an AR(1) series; single outliers are pulled in (winsorised).
 *
 * @param horizon samples there will be at the last look
 */
export function levelEvidence(before: LevelReference, values: readonly number[], horizon: number): Evidence {
  const { mean, deviation, autocorrelation, samples } = before;
  const observed = average(winsorise(values, deviation * mean));
  const effect = observed / mean - 1;
  const variance = (count: number) => (deviation ** 2 * inflation(count, autocorrelation)) / count;
  const ofLevel = variance(before.levelSamples ?? samples);
  const error = Math.sqrt(variance(values.length) + ofLevel);
  return {
    observed,
    effect,
    information: (variance(horizon) + ofLevel) / error ** 2,
    degrees: samples / inflation(samples, autocorrelation) - 1,
    interval: (z) => [Math.max(-1, effect - z * error), effect + z * error],
  };
}
