/** What counts as success, fixed before the action. */
export interface EffectCriterion {
  /** Where the metric should go. */
  readonly direction: "down" | "up";
  /** Relative change against the baseline that counts as success, for instance 0.05. */
  readonly minimumEffect: number;
}

export type VerificationState = "watching" | "success" | "failure" | "inconclusive";

/** The decision so far, with the numbers that a message quotes. */
export interface VerificationReading {
  readonly state: VerificationState;
  /** Mean before the action, in the metric's unit. */
  readonly baseline: number;
  /** Mean since the action, or null before the first sample. */
  readonly observed: number | null;
  /** `observed / baseline - 1`; -0.12 is twelve per cent down. Null before the first sample. */
  readonly effect: number | null;
  /** Interval for `effect` that stays valid however often one looks. */
  readonly interval: readonly [number, number] | null;
  readonly samples: number;
  readonly missing: number;
  /** Samples still to come before the window closes. */
  readonly remaining: number;
  /** Why it stands so, in a few words. */
  readonly reason: string;
}

/** Everything a verifier knows, as plain JSON: write it down after each sample and a crash loses nothing. */
export interface VerifierSnapshot {
  readonly criterion: EffectCriterion;
  readonly window: number;
  readonly settle: number;
  readonly baseline: {
    readonly mean: number;
    readonly deviation: number;
    readonly autocorrelation: number;
    readonly samples: number;
    /** Samples that the mean rests on; absent: all of them. */
    readonly levelSamples?: number;
  };
  readonly values: readonly (number | null)[];
  readonly decided: VerificationReading | null;
}

/** Normal quantile of 0.98: by the reflection principle a Brownian path exceeds it with a chance of 4 %, the false decisions allowed each way. */
const CRITICAL = 2.0537;
export const SMALLEST_BASELINE = 8;
const FEWEST_SAMPLES = 3;
/** Typical lag-1 autocorrelation of one-minute service metrics; short baselines lean on it as on this many samples. */
const USUAL_AUTOCORRELATION = { value: 0.3, weight: 20 };

/**
 * Fixes the baseline and starts to watch.
 *
 * @param baseline samples from just before the action, in the metric's unit, one each step; at least 8 and at best 30 or more
 * @param window samples (steps) to watch before judging
 * @param options `settle`: first steps that are passed over, while the action takes hold; they count towards the window. `levelSamples`: how
 *   many of the baseline's samples its mean rests on, when the rest only lends its noise; all unless told
 * @throws RangeError when the baseline is too short, not finite or zero on average, or the criterion makes no sense
 */
export function startVerification(
  baseline: readonly number[],
  criterion: EffectCriterion,
  window: number,
  options: { readonly settle?: number; readonly levelSamples?: number } = {},
): Verifier {
  const settle = options.settle ?? 0;
  if (baseline.length < SMALLEST_BASELINE) {
    throw new RangeError(
      `The baseline has ${baseline.length} samples; give ${SMALLEST_BASELINE} or more from before the action.`,
    );
  }
  if (!baseline.every(Number.isFinite)) throw new RangeError("The baseline holds a value that is not finite; leave gaps out.");
  if (!(criterion.minimumEffect > 0)) {
    throw new RangeError(`minimumEffect is ${criterion.minimumEffect}; give a share above 0, for instance 0.05.`);
  }
  if (!Number.isInteger(window) || window < settle + FEWEST_SAMPLES) {
    throw new RangeError(`The window is ${window} samples; give at least ${settle + FEWEST_SAMPLES}.`);
  }
  const clean = winsorise(baseline, 0);
  const mean = average(clean);
  if (!(mean > 0)) {
    throw new RangeError(`The baseline's mean is ${mean}: a relative change cannot be told; choose a signal that is above zero.`);
  }
  const relative = clean.map((value) => value / mean - 1);
  const variance = relative.reduce((sum, value) => sum + value * value, 0) / (relative.length - 1);
  const snapshot: VerifierSnapshot = {
    criterion,
    window,
    settle,
    baseline: {
      mean,
      // A series that never moves still deserves a little doubt.
      deviation: Math.max(Math.sqrt(variance), 0.001),
      autocorrelation: lagOne(relative),
      samples: relative.length,
      levelSamples: Math.min(options.levelSamples ?? relative.length, relative.length),
    },
    values: [],
    decided: null,
  };
  return new Verifier(snapshot);
}

/**
 * Decides sample by sample whether an action helped. Group-sequential comparison of means against a baseline fixed beforehand: the
 * O'Brien-Fleming boundary (O'Brien and Fleming 1979, continuous form by Lan and DeMets 1983) on the information scale, so that looking at
 * every sample costs no more false decisions than looking once; intervals are the repeated ones of Jennison and Turnbull (1989). Autocorrelation
 * enters through the exact variance of the mean of an AR(1) series; single outliers are pulled in (winsorised). Missing data is never success.
 */
export class Verifier {
  readonly #fixed: Omit<VerifierSnapshot, "values" | "decided">;
  readonly #values: (number | null)[];
  #decided: VerificationReading | null;

  constructor({ values, decided, ...fixed }: VerifierSnapshot) {
    this.#fixed = fixed;
    this.#values = [...values];
    this.#decided = decided;
  }

  static fromJSON(snapshot: VerifierSnapshot): Verifier {
    return new Verifier(snapshot);
  }

  toJSON(): VerifierSnapshot {
    return { ...this.#fixed, values: [...this.#values], decided: this.#decided };
  }

  /** Takes the next step's value, or null when the step had no data. After a decision the decision stays. */
  observe(value: number | null): VerificationReading {
    if (this.#decided) return this.#decided;
    this.#values.push(value !== null && Number.isFinite(value) ? value : null);
    const reading = this.#judge();
    if (reading.state !== "watching") this.#decided = reading;
    return reading;
  }

  #judge(): VerificationReading {
    const { baseline, criterion, window, settle } = this.#fixed;
    const watched = this.#values.slice(settle);
    const present = watched.filter((value) => value !== null);
    const remaining = window - this.#values.length;
    const samples = present.length;
    const missing = watched.length - samples;
    const nothing = { baseline: baseline.mean, observed: null, effect: null, interval: null, samples, missing, remaining };
    if (samples === 0) {
      if (remaining > 0) return { ...nothing, state: "watching", reason: "no data yet" };
      return { ...nothing, state: "inconclusive", reason: "no data arrived after the action" };
    }
    const observed = average(winsorise(present, baseline.deviation * baseline.mean));
    const effect = observed / baseline.mean - 1;
    const variance = (count: number) => (baseline.deviation ** 2 * inflation(count, baseline.autocorrelation)) / count;
    const before = variance(baseline.levelSamples ?? baseline.samples);
    const error = Math.sqrt(variance(samples) + before);
    const information = (variance(window - settle) + before) / error ** 2;
    const critical = studentised(CRITICAL, baseline.samples / inflation(baseline.samples, baseline.autocorrelation) - 1);
    const margin = (critical / Math.sqrt(Math.min(1, information))) * error;
    const numbers = { ...nothing, observed, effect, interval: [effect - margin, effect + margin] as const };
    const gain = criterion.direction === "down" ? -effect : effect;
    const enough = samples >= FEWEST_SAMPLES && this.#values.at(-1) !== null && samples * 2 >= watched.length;
    if (enough && gain >= margin && gain >= criterion.minimumEffect) {
      return { ...numbers, state: "success", reason: `moved ${percent(gain)} the wanted way, beyond chance` };
    }
    // A drift far below what would count as success is not worth an alarm; it ends as no evidence of help.
    if (enough && -gain >= margin && -gain >= criterion.minimumEffect / 2) {
      return { ...numbers, state: "failure", reason: `moved ${percent(-gain)} the wrong way, beyond chance` };
    }
    if (remaining > 0) return { ...numbers, state: "watching", reason: `${remaining} more samples to come` };
    const reason = !enough
      ? `${missing} of ${watched.length} samples are missing`
      : gain >= margin
        ? `moved ${percent(gain)} the wanted way, less than the ${percent(criterion.minimumEffect)} that counts`
        : `no evidence of help: a change of ${percent(margin)} could be chance`;
    return { ...numbers, state: "inconclusive", reason };
  }
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** Pulls values in to 3.5 robust deviations around the median (Hampel 1974); `deviation` is the least that counts as one. */
function winsorise(values: readonly number[], deviation: number): number[] {
  const centre = median(values);
  const spread = Math.max(deviation, 1.4826 * median(values.map((value) => Math.abs(value - centre))));
  if (spread === 0) return [...values];
  return values.map((value) => Math.min(centre + 3.5 * spread, Math.max(centre - 3.5 * spread, value)));
}

/** Lag-1 autocorrelation, corrected for small samples (Kendall 1954) and leaning on what is usual; 0 to 0.8. */
function lagOne(centred: readonly number[]): number {
  const n = centred.length;
  const power = centred.reduce((sum, value) => sum + value * value, 0);
  if (power === 0) return USUAL_AUTOCORRELATION.value;
  const product = centred.slice(1).reduce((sum, value, index) => sum + value * (centred[index] ?? 0), 0);
  const corrected = Math.min(0.95, ((product / power) * n + 1) / (n - 3));
  const { value, weight } = USUAL_AUTOCORRELATION;
  return Math.min(0.8, Math.max(0, (n * corrected + weight * value) / (n + weight)));
}

/** Variance of the mean of `n` samples of an AR(1) series, as a multiple of independent samples'. */
function inflation(n: number, rho: number): number {
  return (1 + rho) / (1 - rho) - (2 * rho * (1 - rho ** n)) / (n * (1 - rho) ** 2);
}

/** Student's t quantile from a normal one (Cornish and Fisher 1937); within 1 % from 4 degrees of freedom on. */
function studentised(z: number, degrees: number): number {
  const nu = Math.max(4, degrees);
  return z + (z ** 3 + z) / (4 * nu) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * nu ** 2);
}
