import { median } from "../domain/quantile.ts";

export const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/**
 * Standard deviation of residuals around zero that a few outliers cannot carry away: the median absolute deviation, then two rounds of
 * root mean square of values winsorised at three of it (Huber 1964, "proposal 2"). Falls back to the mean absolute deviation where more than half are zero.
 */
export function robustScale(residuals: Float64Array): number {
  const n = residuals.length;
  if (n === 0) return 0;
  let scale = 1.4826 * median(residuals.map(Math.abs));
  if (scale === 0) scale = (1.2533 * residuals.reduce((sum, value) => sum + Math.abs(value), 0)) / n;
  for (let round = 0; round < 2 && scale > 0; round++) {
    const limit = 3 * scale;
    let squares = 0;
    for (const value of residuals) {
      const bounded = clamp(value, -limit, limit);
      squares += bounded * bounded;
    }
    scale = Math.sqrt(squares / n / 0.995);
  }
  return scale;
}

/** Mean of the middle half; of everything where the middle is zero, as in sparse counts. */
export function trimmedMean(values: number[]): number {
  const n = values.length;
  if (n < 4) return n === 0 ? Number.NaN : median(values);
  values.sort((a, b) => a - b);
  const cut = values[n >> 1] === 0 ? 0 : n >> 2;
  let sum = 0;
  for (let index = cut; index < n - cut; index++) sum += values[index] as number;
  return sum / (n - 2 * cut);
}
