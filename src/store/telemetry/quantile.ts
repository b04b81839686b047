/**
 * Quantile of a histogram by linear interpolation within the bucket, as Prometheus' `histogram_quantile` does: the first bucket starts
 * at zero when its bound is positive, and the last, open one answers with its lower bound. Null for an empty histogram.
 *
 * @param q 0 to 1
 * @param bounds upper bounds, ascending
 * @param buckets counts, one more than bounds, not cumulative
 */
export function quantile(q: number, bounds: readonly number[], buckets: readonly number[]): number | null {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total <= 0) return null;
  const rank = q * total;
  let below = 0;
  for (const [index, count] of buckets.entries()) {
    if (count > 0 && below + count >= rank) {
      const upper = bounds[index];
      const lower = index === 0 ? Math.min(0, upper ?? 0) : (bounds[index - 1] ?? 0);
      if (upper === undefined) return lower;
      return lower + (upper - lower) * Math.max(0, (rank - below) / count);
    }
    below += count;
  }
  return bounds.at(-1) ?? null;
}
