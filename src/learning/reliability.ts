/** One judged claim, for measuring: how sure Vigil was when it told it (0 to 1) and how right it turned out (0 to 1). */
export interface JudgedClaim {
  readonly confidence: number;
  readonly correctness: number;
}

/** A point of the reliability diagram: claims of similar confidence, and how many of them were right. */
export interface ReliabilityBin {
  readonly from: number;
  readonly to: number;
  readonly claims: number;
  readonly meanConfidence: number;
  readonly meanCorrectness: number;
}

/** How well stated confidence matches what turned out right. Errors are 0 to 1, 0 is perfect. */
export interface Reliability {
  readonly claims: number;
  readonly bins: readonly ReliabilityBin[];
  /** Expected calibration error (Naeini et al. 2015) over bins of equally many claims. Few claims make it large by themselves; see `floor`. */
  readonly error: number | null;
  /** What `error` would be on average if every confidence were exactly right: chance alone. An error near it tells of no fault. */
  readonly floor: number | null;
  /** Root of the mean squared error less what chance brings (Kumar, Liang and Ma 2019). */
  readonly debiased: number | null;
  /** Mean squared error of stated confidence (Brier 1950). */
  readonly brierScore: number | null;
}

const MOST_BINS = 10;
/** Fewer claims in a bin tell nothing. */
const SMALLEST_BIN = 5;

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

export function reliability(claims: readonly JudgedClaim[]): Reliability {
  const { length } = claims;
  if (length === 0) return { claims: 0, bins: [], error: null, floor: null, debiased: null, brierScore: null };
  const bands = equalBands(claims, Math.max(1, Math.min(MOST_BINS, Math.floor(length / SMALLEST_BIN))));
  let [error, floor, squared] = [0, 0, 0];
  for (const band of bands) {
    const share = band.length / length;
    const said = mean(band.map(({ confidence }) => confidence));
    const was = mean(band.map(({ correctness }) => correctness));
    error += share * Math.abs(said - was);
    floor += share * meanDeviation(band.map(({ confidence }) => confidence));
    if (band.length > 1)
      squared += share * ((said - was) ** 2 - mean(band.map((one) => (one.correctness - was) ** 2)) / (band.length - 1));
  }
  return {
    claims: length,
    bins: bands.map((band) => ({
      from: band[0]?.confidence ?? 0,
      to: band.at(-1)?.confidence ?? 0,
      claims: band.length,
      meanConfidence: mean(band.map(({ confidence }) => confidence)),
      meanCorrectness: mean(band.map(({ correctness }) => correctness)),
    })),
    error,
    floor,
    debiased: Math.sqrt(Math.max(0, squared)),
    brierScore: mean(claims.map(({ confidence, correctness }) => (confidence - correctness) ** 2)),
  };
}

function equalBands(claims: readonly JudgedClaim[], count: number): JudgedClaim[][] {
  const sorted = claims.toSorted((a, b) => a.confidence - b.confidence);
  return Array.from({ length: count }, (_, band) =>
    sorted.slice(Math.floor((band * sorted.length) / count), Math.floor(((band + 1) * sorted.length) / count)),
  );
}

/** Mean distance between the mean of these chances and the share of them that come true: exact, by adding one coin after the other. */
function meanDeviation(chances: readonly number[]): number {
  let counts = [1];
  for (const chance of chances) {
    const next = Array.from({ length: counts.length + 1 }, () => 0);
    for (const [count, probability] of counts.entries()) {
      next[count] = (next[count] ?? 0) + probability * (1 - chance);
      next[count + 1] = (next[count + 1] ?? 0) + probability * chance;
    }
    counts = next;
  }
  const expected = chances.reduce((sum, chance) => sum + chance, 0);
  return counts.reduce((sum, probability, count) => sum + probability * Math.abs(count - expected), 0) / chances.length;
}
