/** One judged claim: how sure Vigil was (0 to 1) and how right it turned out (0 to 1). */
export interface JudgedClaim {
  readonly confidence: number;
  readonly correctness: number;
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
const logit = (p: number): number => Math.log(p / (1 - p));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Weight of the prior, in judged claims: with fewer verdicts than this, raw confidence mostly stands. */
const PRIOR_WEIGHT = 8;

/**
 * Maps raw confidence to one that matches how often such claims were confirmed.
 *
 * Platt scaling (Platt 1999, "Probabilistic outputs for support vector machines"): a logistic curve over the logit of the raw
 * confidence, fitted by Newton's method to the maximum a posteriori, with a Gaussian prior centred on the identity (slope 1,
 * shift 0) so that few or odd verdicts cannot turn it. Assumes that confidence orders claims rightly; the slope is kept at 0.2 or
 * more, so a higher raw confidence never comes out lower.
 */
export function calibrator(claims: readonly JudgedClaim[]): (raw: number) => number {
  let slope = 1;
  let shift = 0;
  const samples = claims.map((claim) => ({ x: logit(clamp(claim.confidence, 0.02, 0.98)), y: clamp(claim.correctness, 0, 1) }));
  for (let round = 0; round < 25 && samples.length > 0; round++) {
    // The prior's precision: a shift of one logit, or a slope off by one, costs as much as PRIOR_WEIGHT quarter-claims.
    const precision = PRIOR_WEIGHT / 4;
    let gradientSlope = precision * (slope - 1);
    let gradientShift = precision * shift;
    let ss = precision;
    let sh = 0;
    let hh = precision;
    for (const { x, y } of samples) {
      const p = sigmoid(slope * x + shift);
      const w = Math.max(p * (1 - p), 1e-6);
      gradientSlope += (p - y) * x;
      gradientShift += p - y;
      ss += w * x * x;
      sh += w * x;
      hh += w;
    }
    const determinant = ss * hh - sh * sh;
    const stepSlope = (hh * gradientSlope - sh * gradientShift) / determinant;
    const stepShift = (ss * gradientShift - sh * gradientSlope) / determinant;
    slope = clamp(slope - clamp(stepSlope, -1, 1), 0.2, 5);
    shift = clamp(shift - clamp(stepShift, -1, 1), -4, 4);
    if (Math.abs(stepSlope) + Math.abs(stepShift) < 1e-6) break;
  }
  return (raw) => (samples.length === 0 ? clamp(raw, 0, 1) : sigmoid(slope * logit(clamp(raw, 0.02, 0.98)) + shift));
}

/** Mean squared error of stated confidence (Brier 1950), 0 is perfect; null without claims. */
export function brierScore(claims: readonly JudgedClaim[]): number | null {
  if (claims.length === 0) return null;
  return claims.reduce((sum, claim) => sum + (claim.confidence - claim.correctness) ** 2, 0) / claims.length;
}

/** A row of the reliability diagram: claims within a band of confidence, and how many of them were right. */
export interface ReliabilityBin {
  readonly from: number;
  readonly to: number;
  readonly claims: number;
  readonly meanConfidence: number;
  readonly meanCorrectness: number;
}

/** Reliability diagram in ten equal bands; empty bands are left out. */
export function reliability(claims: readonly JudgedClaim[]): ReliabilityBin[] {
  const bins: ReliabilityBin[] = [];
  for (let index = 0; index < 10; index++) {
    const inside = claims.filter((claim) => Math.min(9, Math.floor(claim.confidence * 10)) === index);
    if (inside.length === 0) continue;
    const mean = (pick: (claim: JudgedClaim) => number) => inside.reduce((sum, claim) => sum + pick(claim), 0) / inside.length;
    bins.push({
      from: index / 10,
      to: (index + 1) / 10,
      claims: inside.length,
      meanConfidence: mean((claim) => claim.confidence),
      meanCorrectness: mean((claim) => claim.correctness),
    });
  }
  return bins;
}
