import { median } from "../../domain/quantile.ts";

/** Fewer samples tell nothing of how a signal moves by itself. */
export const FEWEST_FOR_NOISE = 8;
/** Typical lag-1 autocorrelation of one-minute service metrics; short baselines lean on it as on this many samples. */
export const USUAL_AUTOCORRELATION = { value: 0.3, weight: 20 };
/** Samples that are looked at together for noise: long enough to measure it, short enough for the level to stand still. */
const BLOCK = 30;
const FEWEST_IN_BLOCK = 15;

export const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Pulls values in to 3.5 robust deviations around the median (Hampel 1974); `deviation` is the least that counts as one. */
export function winsorise(values: readonly number[], deviation: number): number[] {
  const centre = median(values);
  const spread = Math.max(deviation, 1.4826 * median(values.map((value) => Math.abs(value - centre))));
  if (spread === 0) return [...values];
  return values.map((value) => Math.min(centre + 3.5 * spread, Math.max(centre - 3.5 * spread, value)));
}

/** Cuts a history into stretches of about half an hour of one-minute samples, the newest first; a short rest is left out unless it is all there is. */
export function blocksOf<T>(history: readonly T[]): T[][] {
  const blocks: T[][] = [];
  for (let end = history.length; end > 0; end -= BLOCK) blocks.push(history.slice(Math.max(0, end - BLOCK), end));
  return blocks.filter((block) => block.length >= FEWEST_IN_BLOCK || blocks.length === 1);
}

/** Lag-1 autocorrelation of values around their own mean, corrected for small samples (Kendall 1954); null when nothing moves. */
export function lagOne(centred: readonly number[]): number | null {
  const n = centred.length;
  const power = centred.reduce((sum, value) => sum + value * value, 0);
  if (power === 0 || n < 8) return null;
  const product = centred.slice(1).reduce((sum, value, index) => sum + value * (centred[index] ?? 0), 0);
  return Math.min(0.95, ((product / power) * n + 1) / (n - 3));
}

/** What `samples` samples said about the autocorrelation, leaning on what is usual; 0 to 0.8. */
export function leaningOnUsual(measured: number, samples: number): number {
  const { value, weight } = USUAL_AUTOCORRELATION;
  return Math.min(0.8, Math.max(0, (samples * measured + weight * value) / (samples + weight)));
}

/** Variance of the mean of `n` samples of an AR(1) series, as a multiple of independent samples'. */
export function inflation(n: number, rho: number): number {
  return (1 + rho) / (1 - rho) - (2 * rho * (1 - rho ** n)) / (n * (1 - rho) ** 2);
}

/** Student's t quantile from a normal one (Cornish and Fisher 1937); within 1 % from 4 degrees of freedom on. */
export function studentised(z: number, degrees: number): number {
  const nu = Math.max(4, degrees);
  return z + (z ** 3 + z) / (4 * nu) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * nu ** 2);
}
