import { median } from "../domain/quantile.ts";

/** Middle value, or null without values. */
export const medianOrNull = (values: readonly number[]): number | null => (values.length === 0 ? null : median(values));

/** Null where there is no whole to be part of. */
export const share = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);

/** `1 - now / before`: 0.4 is forty per cent less. Null when either is missing or `before` is none. */
export const saved = (now: number | null, before: number | null): number | null =>
  now === null || before === null || before <= 0 ? null : 1 - now / before;
