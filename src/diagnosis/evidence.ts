/** One sign that speaks for a service being where the trouble started. */
export interface Evidence {
  readonly service: string;
  /** Roughly the logarithm of how unusual the sign is; 0 is nothing, 1 noticeable, 5 glaring. */
  readonly weight: number;
  /** In words with numbers. */
  readonly reason: string;
}

/**
 * Signs grow with the logarithm of their size, so that no series wins by its units or by having been still: sensation goes by ratios (Fechner
 * 1860), and the tails of operational metrics are far heavier than the normal law that a linear score would assume. Below two spreads it is nothing.
 */
export function strength(z: number): number {
  return Math.min(6, Math.log2(1 + Math.max(0, Math.abs(z) - 2) / 2));
}

/** How far a shift of so many spreads is to be believed, from 0 (noise) to 1: shrinkage of a normal mean with a prior of three spreads (James and Stein 1961). */
export const credence = (z: number): number => z ** 2 / (z ** 2 + 9);

/** A number as a person would say it: three significant digits. */
export function say(value: number): string {
  return Number(value.toPrecision(3)).toString();
}
