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

/** Median of the finite values among the few in front of each place, for every place asked for; sorts by insertion, without allocating. */
export function movingMedian(values: Float64Array, window: number): (place: number) => number {
  const few = new Float64Array(window);
  return (place) => {
    let count = 0;
    for (let at = Math.max(0, place - window); at < place; at++) {
      const value = values[at] ?? Number.NaN;
      if (!Number.isFinite(value)) continue;
      let to = count++;
      for (; to > 0 && (few[to - 1] ?? value) > value; to--) few[to] = few[to - 1] ?? value;
      few[to] = value;
    }
    const [low, high] = [few[(count - 1) >> 1], few[count >> 1]];
    return count === 0 || low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
  };
}

/** Quantile of ascending values, linear between neighbours (type 7 of Hyndman and Fan 1996); NaN of none. */
export function quantile(ascending: ArrayLike<number>, share: number): number {
  const at = (ascending.length - 1) * share;
  const low = ascending[Math.floor(at)];
  const high = ascending[Math.ceil(at)];
  return low === undefined || high === undefined ? Number.NaN : low + (high - low) * (at - Math.floor(at));
}
