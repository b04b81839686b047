/** Median of the finite values; NaN of none. */
export function median(values: ArrayLike<number>): number {
  return quantile(sorted(values), 0.5);
}

export function sorted(values: ArrayLike<number>): Float64Array {
  return Float64Array.from(Array.from(values).filter(Number.isFinite)).sort();
}

/** Quantile of ascending values, linear between neighbours; NaN of none. */
export function quantile(ascending: ArrayLike<number>, share: number): number {
  const at = (ascending.length - 1) * share;
  const low = ascending[Math.floor(at)];
  const high = ascending[Math.ceil(at)];
  return low === undefined || high === undefined ? Number.NaN : low + (high - low) * (at - Math.floor(at));
}
