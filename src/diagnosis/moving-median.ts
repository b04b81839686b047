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
