/** Middle value, or null without values. */
export function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle];
  if (high === undefined) return null;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? high) + high) / 2;
}

/** Null where there is no whole to be part of. */
export const share = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);

/** `1 - now / before`: 0.4 is forty per cent less. Null when either is missing or `before` is none. */
export const saved = (now: number | null, before: number | null): number | null =>
  now === null || before === null || before <= 0 ? null : 1 - now / before;
