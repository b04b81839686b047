/** One judged claim: how sure Vigil was (0 to 1) and how right it turned out (0 to 1). */
export interface JudgedClaim {
  readonly confidence: number;
  readonly correctness: number;
}

const clamp = (value: number): number => Math.min(1, Math.max(0, value));

/** What raw confidence itself counts for, in judged claims: a single vote moves it by at most a ninth. */
const PRIOR_CLAIMS = 8;
/** How far apart two confidences may be and still tell of each other: standard deviation of the kernel. */
const BANDWIDTH = 0.12;
const GRID = 50;

/**
 * Maps raw confidence to one that matches how often such claims were confirmed.
 *
 * At each raw confidence, the correctness of judged claims with similar confidence (Gaussian kernel, Nadaraya 1964) is averaged with
 * the raw confidence itself as a prior of fixed weight (m-estimation: Zadrozny and Elkan 2001, "Obtaining calibrated probability
 * estimates"), so that few verdicts move it little. The curve is then made non-decreasing by pooling adjacent violators (Ayer et al.
 * 1955): a higher raw confidence never comes out lower. Assumes that confidence orders claims rightly on the whole.
 */
export function calibrator(claims: readonly JudgedClaim[]): (raw: number) => number {
  if (claims.length === 0) return clamp;
  const curve = Array.from({ length: GRID + 1 }, (_, index) => {
    const raw = index / GRID;
    let weight = PRIOR_CLAIMS;
    let sum = PRIOR_CLAIMS * raw;
    for (const claim of claims) {
      const near = Math.exp(-0.5 * ((claim.confidence - raw) / BANDWIDTH) ** 2);
      weight += near;
      sum += near * clamp(claim.correctness);
    }
    return { value: sum / weight, weight };
  });
  const monotone = poolAdjacentViolators(curve);
  return (raw) => {
    const at = clamp(raw) * GRID;
    const low = Math.floor(at);
    const from = monotone[low] ?? raw;
    return from + ((monotone[Math.min(low + 1, GRID)] ?? from) - from) * (at - low);
  };
}

function poolAdjacentViolators(points: readonly { readonly value: number; readonly weight: number }[]): number[] {
  const blocks: { value: number; weight: number; size: number }[] = [];
  for (const point of points) {
    let block = { ...point, size: 1 };
    for (let last = blocks.at(-1); last && last.value > block.value; last = blocks.at(-1)) {
      blocks.pop();
      const weight = last.weight + block.weight;
      block = { value: (last.value * last.weight + block.value * block.weight) / weight, weight, size: last.size + block.size };
    }
    blocks.push(block);
  }
  return blocks.flatMap(({ value, size }) => Array.from({ length: size }, () => value));
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
