/**
 * The few distribution functions that detection needs, without a dependency.
 * Normal quantile: Acklam's rational approximation (relative error under 1.2e-9). Tails of counts are summed exactly for small
 * expectations and taken from the square-root transform of Anscombe (1948) for large ones.
 */

const A = [-39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239];
const B = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572];
const C = [
  -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968, 2.938163982698783,
];
const D = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416];

const polynomial = (coefficients: readonly number[], x: number): number =>
  coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);

/** z such that a standard normal lies below it with probability `p` (0 < p < 1; clamped to what doubles can tell). */
export function normalQuantile(p: number): number {
  const bounded = Math.min(1 - 1e-15, Math.max(1e-300, p));
  if (bounded < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(bounded));
    return polynomial(C, q) / polynomial([...D, 1], q);
  }
  if (bounded > 1 - 0.02425) return -normalQuantile(1 - bounded);
  const q = bounded - 0.5;
  return (polynomial(A, q * q) * q) / polynomial([...B, 1], q * q);
}

/**
 * Standard-normal score of seeing `observed` events where `expected` were due: the normal quantile of the mid-P value
 * (Lancaster 1961) of a Poisson count. Fair for counts of 0, 1, 2 where a z-score is not.
 */
export function poissonScore(observed: number, expected: number): number {
  if (expected <= 0) return observed > 0 ? 8 : 0;
  if (expected > 50) return 2 * (Math.sqrt(observed + 0.375) - Math.sqrt(expected + 0.125));
  const whole = Math.round(observed);
  let probability = Math.exp(-expected);
  if (whole > expected) {
    for (let k = 1; k <= whole; k++) probability *= expected / k;
    let upper = probability / 2;
    for (let k = whole + 1; probability > 1e-18 && k < whole + 200; k++) {
      probability *= expected / k;
      upper += probability;
    }
    return -normalQuantile(upper);
  }
  let lower = 0;
  for (let k = 0; k < whole; k++) {
    lower += probability;
    probability *= expected / (k + 1);
  }
  return normalQuantile(lower + probability / 2);
}

/** The same for `observed` failures among `trials` when a share of `expected` (0 to 1) is due: binomial mid-P, large samples by arcsine. */
export function binomialScore(observed: number, trials: number, expected: number): number {
  if (trials <= 0) return 0;
  const share = Math.min(1 - 1e-9, Math.max(1e-9, expected));
  if (share > 0.5) return -binomialScore(trials - observed, trials, 1 - share);
  if (trials * share > 50) {
    const angle = (p: number) => Math.asin(Math.sqrt(Math.min(1, Math.max(0, p))));
    return 2 * Math.sqrt(trials) * (angle(observed / trials) - angle(share));
  }
  const n = Math.round(trials);
  const whole = Math.min(n, Math.round(observed));
  const odds = share / (1 - share);
  let probability = Math.exp(n * Math.log1p(-share));
  let below = 0;
  for (let k = 0; k < whole; k++) {
    below += probability;
    probability *= (odds * (n - k)) / (k + 1);
  }
  if (whole < n * share) return normalQuantile(below + probability / 2);
  let above = probability / 2;
  for (let k = whole; k < n && probability > 1e-18; k++) {
    probability *= (odds * (n - k)) / (k + 1);
    above += probability;
  }
  return -normalQuantile(above);
}
