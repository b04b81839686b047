/** What happened in one step: a level in the signal's unit, or how many things out of how many. */
export type Sample = number | Count;

/** Events within one step, and what they are counted against: requests, or seconds. Sources that extrapolate make them fractions. */
export interface Count {
  readonly events: number;
  readonly exposure: number;
}

/** What the samples since the action say against the reference. */
export interface Evidence {
  /** Mean since the action, in the signal's unit. */
  readonly observed: number;
  /** Relative change against the reference; -0.12 is twelve per cent down. */
  readonly effect: number;
  /** Information on the effect now as a share of that at the last look, if the action did nothing; may exceed 1. */
  readonly information: number;
  /** Degrees of freedom on which the noise rests. */
  readonly degrees: number;
  /** Interval for `effect`, `z` standard errors to each side; never below -1. */
  interval(z: number): readonly [number, number];
}
