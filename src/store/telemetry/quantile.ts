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

export interface Buckets {
  /** Upper bounds, ascending. */
  readonly bounds: readonly number[];
  /** Counts, one more than bounds, not cumulative. */
  readonly buckets: readonly number[];
}

/** Adds up two histograms. With different bounds the result has those that both share, where the counts are exact. */
export function mergeHistograms(one: Buckets, other: Buckets): { bounds: readonly number[]; buckets: number[] } {
  const shared = one.bounds.filter((bound) => other.bounds.includes(bound));
  const regroup = ({ bounds, buckets }: Buckets) => {
    const grouped = new Array<number>(shared.length + 1).fill(0);
    for (const [index, count] of buckets.entries()) {
      const bound = bounds[index];
      const found = bound === undefined ? -1 : shared.findIndex((limit) => bound <= limit);
      const into = found === -1 ? shared.length : found;
      grouped[into] = (grouped[into] ?? 0) + count;
    }
    return grouped;
  };
  const added = regroup(other);
  return { bounds: shared, buckets: regroup(one).map((count, index) => count + (added[index] ?? 0)) };
}
