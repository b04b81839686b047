/** A metric's values at known shares of the requests, and the mean that they tell. */
export interface Percentile {
  readonly metric: string;
  readonly statistic: string | null;
}

export const PERCENTILE = /p(\d{2,3})/i;

/** The share of values at or below a percentile that its name tells ("p95" → 0.95, "p999" → 0.999); null for means and others. */
export function shareBelow({ metric, statistic }: Percentile): number | null {
  const digits = PERCENTILE.exec(statistic ?? metric)?.[1];
  return digits === undefined ? null : Number(`0.${digits}`);
}

/**
 * How much each percentile counts for the mean, summing up to 1: the mean is the integral of the quantile function, here by the trapezoid rule,
 * with the lowest percentile standing for all below it and the highest for all above.
 */
export function weightsOfMean(shares: readonly number[]): number[] {
  const order = [...shares.keys()].sort((a, b) => (shares[a] ?? 0) - (shares[b] ?? 0));
  const at = (place: number) => (place < 0 ? null : (shares[order[place] ?? -1] ?? null));
  const weights = shares.map(() => 0);
  order.forEach((index, place) => {
    const own = shares[index] ?? 0;
    const [below, above] = [at(place - 1), at(place + 1)];
    weights[index] = (above === null ? 1 - own : (above - own) / 2) + (below === null ? own : (own - below) / 2);
  });
  return weights;
}
