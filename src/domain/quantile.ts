/** Median of the finite values; NaN of none. */
export function median(values: ArrayLike<number>): number {
  return quantile(sorted(values), 0.5);
}

/** The finite values, ascending. */
export function sorted(values: ArrayLike<number>): Float64Array {
  const found = new Float64Array(values.length);
  let count = 0;
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? Number.NaN;
    if (Number.isFinite(value)) found[count++] = value;
  }
  return found.subarray(0, count).sort();
}

/** Quantile of ascending values, linear between neighbours (type 7 of Hyndman and Fan 1996); NaN of none. */
export function quantile(ascending: ArrayLike<number>, share: number): number {
  const at = (ascending.length - 1) * share;
  const low = ascending[Math.floor(at)];
  const high = ascending[Math.ceil(at)];
  return low === undefined || high === undefined ? Number.NaN : low + (high - low) * (at - Math.floor(at));
}
