import type { CausalTestResult } from "../domain/investigation.ts";
import { studentQuantile, twoSidedP } from "../domain/student-t.ts";

/** One cohort's metric, one value each step, oldest first. `before` may be empty: then nothing is differenced out. */
export interface CohortSamples {
  readonly before: readonly number[];
  readonly during: readonly number[];
}

export interface CausalTestInput {
  /** The cohort for which the suspect was switched off. */
  readonly test: CohortSamples;
  /** The rest, observed at the same steps. */
  readonly control: CohortSamples;
  /** Where the metric goes in the test cohort if the suspect is the cause. */
  readonly expectedDirection: "down" | "up";
}

export interface CausalTestOptions {
  /** Smallest relative effect that would matter; a tighter null result counts as `not_causal`. Default 0.05. */
  readonly smallestEffect?: number;
  /** Fewest steps of each cohort. Default 10. */
  readonly minimumSamples?: number;
}

/** The statistical part of a causal test's result. */
export interface CausalEffect
  extends Pick<CausalTestResult, "testMean" | "controlMean" | "effect" | "interval" | "pValue" | "samples" | "verdict"> {
  /** True when the cohorts' difference from before the test was taken out. */
  readonly adjusted: boolean;
  /** Steps of each cohort that would settle it at this noise; null when it is settled or cannot be told. */
  readonly neededSamples: number | null;
  /** Why the verdict, in a sentence. */
  readonly reason: string;
}

/** Fewer steps than this before the test tell nothing of how the cohorts differ anyway. */
const SMALLEST_BEFORE = 6;
const MOST_NEEDED = 10_000;

/**
 * Effect of switching the suspect off for the test cohort: ratio of means test / control, minus 1; with a pre-period, the ratio of that
 * ratio to the one before (difference-in-differences on the log scale), so that a cohort that always was slower is not mistaken for an effect.
 *
 * The variance is that of the linearised ratio (delta method) over the steps, which both cohorts share, and so cancels what hits both.
 * Robust to autocorrelation through the equally weighted cosine estimator with Student critical values (Lazarus, Lewis, Stock and Watson 2018,
 * "HAR Inference: Recommendations for Practice"): deterministic, no resampling. The two periods' variances add, with Welch-Satterthwaite degrees of freedom.
 *
 * Verdicts: `causal` when the 95 % interval lies wholly on the expected side of 0; `not_causal` when it excludes an effect of `smallestEffect` on
 * that side; else `inconclusive`, with the steps needed.
 *
 * @throws RangeError on a value that is not finite or is negative
 */
export function causalEffect(input: CausalTestInput, options: CausalTestOptions = {}): CausalEffect {
  const { test, control, expectedDirection } = input;
  const smallest = options.smallestEffect ?? 0.05;
  const fewest = options.minimumSamples ?? 10;
  for (const [key, values] of Object.entries({
    "test.before": test.before,
    "test.during": test.during,
    "control.before": control.before,
    "control.during": control.during,
  })) {
    const wrong = values.find((value) => !Number.isFinite(value) || value < 0);
    if (wrong !== undefined) throw new RangeError(`${key} holds ${wrong}; give finite values of 0 or more, and leave gaps out.`);
  }
  const samples = { test: test.during.length, control: control.during.length };
  const means = { testMean: mean(test.during), controlMean: mean(control.during) };
  const unknown = (reason: string, neededSamples: number | null): CausalEffect => ({
    ...means,
    effect: means.controlMean > 0 ? means.testMean / means.controlMean - 1 : 0,
    interval: [-1, Number.MAX_VALUE],
    pValue: 1,
    samples,
    verdict: "inconclusive",
    adjusted: false,
    neededSamples,
    reason,
  });
  const least = Math.min(samples.test, samples.control);
  if (least < fewest) return unknown(`${least} steps of a cohort are too few: ${fewest} are needed`, fewest);
  const during = logRatio(test.during, control.during);
  if (!during) return unknown("a cohort's mean is zero, so that no ratio can be told", null);
  if (samples.test === samples.control && test.during.every((value, step) => value === control.during[step])) {
    return unknown("both cohorts show exactly the same values, so they are not measured apart", null);
  }
  const comparable = Math.min(test.before.length, control.before.length) >= SMALLEST_BEFORE;
  const before = comparable ? logRatio(test.before, control.before) : null;

  const change = during.value - (before?.value ?? 0);
  const variance = during.variance + (before?.variance ?? 0);
  const error = Math.max(Math.sqrt(variance), 1e-9);
  const degrees =
    before && variance > 0
      ? variance ** 2 / (during.variance ** 2 / during.degrees + before.variance ** 2 / before.degrees)
      : during.degrees;
  const margin = studentQuantile(0.975, degrees) * error;
  const effect = Math.expm1(change);
  const interval = [Math.expm1(change - margin), Math.expm1(change + margin)] as const;
  const pValue = twoSidedP(change / error, degrees);
  const found = { ...means, effect, interval, pValue, samples, adjusted: before !== null };

  const [low, high] = interval;
  const expected = expectedDirection === "down" ? high < 0 : low > 0;
  const excluded = expectedDirection === "down" ? low > -smallest : high < smallest;
  const range = `${percent(low)} to ${percent(high)}`;
  if (expected) {
    return { ...found, verdict: "causal", neededSamples: null, reason: `the interval ${range} lies wholly on the expected side` };
  }
  if (excluded) {
    return {
      ...found,
      verdict: "not_causal",
      neededSamples: null,
      reason: `the interval ${range} leaves no room for an effect of ${percent(smallest)} ${expectedDirection}`,
    };
  }
  // The long-run noise of one step, as the standard error shows it.
  const noise = Math.sqrt(during.variance * least);
  const needed = Math.max(least + 1, requiredSamples({ noise, effect: smallest }));
  return {
    ...found,
    verdict: "inconclusive",
    neededSamples: needed,
    reason: `the interval ${range} holds both no effect and one that matters; about ${needed} steps are needed`,
  };
}

export interface SampleSizeInput {
  /** Standard deviation of one step's log ratio test / control, for instance 0.05. */
  readonly noise: number;
  /** Lag-1 autocorrelation of it, below 1. Default 0. */
  readonly autocorrelation?: number;
  /** Relative effect to be found, for instance 0.1. */
  readonly effect: number;
  /** Chance of finding it. Default 0.8. */
  readonly power?: number;
}

/** Steps of each cohort after which an effect of that size is found at 5 % significance; at most 10 000. */
export function requiredSamples({ noise, autocorrelation = 0, effect, power = 0.8 }: SampleSizeInput): number {
  if (!(effect > 0) || !(noise >= 0) || !(power > 0.5 && power < 1) || !(Math.abs(autocorrelation) < 1)) {
    throw new RangeError(
      `Cannot size a test for effect ${effect}, noise ${noise}, power ${power}, autocorrelation ${autocorrelation}: give a positive effect, noise of 0 or more, power between 0.5 and 1, autocorrelation within ±1.`,
    );
  }
  const longRun = noise * Math.sqrt((1 + autocorrelation) / (1 - autocorrelation));
  for (let n = 10; n < MOST_NEEDED; n = Math.ceil(n * 1.05)) {
    const degrees = cosines(n);
    const reach = studentQuantile(0.975, degrees) + studentQuantile(power, degrees);
    if ((reach * longRun) / Math.sqrt(n) <= Math.log1p(effect)) return n;
  }
  return MOST_NEEDED;
}

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

interface Estimate {
  readonly value: number;
  readonly variance: number;
  readonly degrees: number;
}

/** Log of the ratio of means with its variance; null when a mean is zero. */
function logRatio(test: readonly number[], control: readonly number[]): Estimate | null {
  const top = mean(test);
  const bottom = mean(control);
  if (!(top > 0 && bottom > 0)) return null;
  const value = Math.log(top / bottom);
  if (test.length === control.length) {
    const influence = test.map((one, step) => one / top - (control[step] ?? bottom) / bottom);
    return { value, ...longRunVariance(influence) };
  }
  const one = longRunVariance(test.map((x) => x / top - 1));
  const other = longRunVariance(control.map((x) => x / bottom - 1));
  return { value, variance: one.variance + other.variance, degrees: Math.min(one.degrees, other.degrees) };
}

/** How many cosines to average: 0.4 n^(2/3), the authors' rule. */
const cosines = (n: number): number => Math.max(2, Math.round(0.4 * n ** (2 / 3)));

/** Variance of the mean of a centred, autocorrelated series, and its degrees of freedom. */
function longRunVariance(centred: readonly number[]): { variance: number; degrees: number } {
  const n = centred.length;
  const degrees = cosines(n);
  let power = 0;
  for (let j = 1; j <= degrees; j++) {
    const projection = centred.reduce((sum, value, index) => sum + value * Math.cos((Math.PI * j * (index + 0.5)) / n), 0);
    power += (2 / n) * projection ** 2;
  }
  return { variance: power / degrees / n, degrees };
}
