/** How far an influence may go at most, and how far any one voter may take it. */
export interface Bounds {
  readonly most: number;
  readonly alone: number;
}

const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value));

/**
 * Holds an influence to its bounds: taking any one voter out of the records changes it by no more than `alone`. `value(null)` is learned
 * from everybody, `value(voter)` from everybody else (leave-one-out influence, as in Hampel's 1974 influence function); neutral is 0.
 */
export function guarded(voters: Iterable<string>, value: (without: string | null) => number, bounds: Bounds): number {
  const all = clamp(value(null), -bounds.most, bounds.most);
  if (all === 0) return 0;
  let low = Number.NEGATIVE_INFINITY;
  let high = Number.POSITIVE_INFINITY;
  for (const voter of voters) {
    const rest = clamp(value(voter), -bounds.most, bounds.most);
    low = Math.max(low, rest - bounds.alone);
    high = Math.min(high, rest + bounds.alone);
  }
  // Voters who pull in opposite directions can leave no room: then nothing is learned beyond the middle of what each would allow.
  return low > high ? (low + high) / 2 : clamp(all, low, high);
}
