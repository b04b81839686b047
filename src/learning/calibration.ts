import { DAY, type Milliseconds } from "../domain/time.ts";

/** One judged claim, for learning: how sure Vigil was (0 to 1), and what people and outcomes said of it. */
export interface HeardClaim {
  readonly confidence: number;
  /** What kind of claim it is, from coarse to fine: some kinds are right more often than others. */
  readonly kinds?: readonly string[] | undefined;
  /** Logarithm of the odds that the voices give to its being right: 0 tells nothing, 2 is one good voice. */
  readonly odds: number;
  /** How much it counts, 0 to 1; what is older counts less. */
  readonly weight: number;
}

const HALF_LIFE = 120 * DAY;

/** Vigil changes as it learns, so what its confidence was worth long ago tells less: half after four months. */
export const calibrationWeight = (age: Milliseconds): number => 0.5 ** (age / HALF_LIFE);

const clamp = (value: number, low = 0, high = 1): number => Math.min(high, Math.max(low, value));
const logistic = (odds: number): number => 1 / (1 + Math.exp(-odds));
/** No confidence is so high or low that its logarithm should rule the curve. */
const EDGE = 0.02;
/** How far the curve's three numbers stray from the identity before anything is known: standard deviations. */
const STRAY = [0.5, 0.5, 0.7];
/**
 * How far a kind of claims strays from the coarser one around it, the coarsest from the curve: standard deviation, as logarithm of the odds. Two such
 * steps have the variance of the logistic distribution, π²/3: how often a kind is right may be anything, each share about as likely as any other.
 */
const APART = Math.PI / Math.sqrt(6);
const ROUNDS = 30;

/**
 * Maps raw confidence to one that matches how often such claims turned out right: beta calibration (Kull, Silva Filho and Flach 2017), the
 * logistic curve in ln s and −ln(1 − s), which contains the identity, and beside it an intercept of its own for each kind of claim, because what is
 * right on the whole may be wrong of every kind (multicalibration: Hébert-Johnson et al. 2018). Made for few claims: the curve is shrunk to the
 * identity and the kinds to the curve by Gaussian priors (posterior mode, by Newton's method), it never falls, and what voices say is taken as
 * evidence of the truth and not as the truth (expectation–maximisation, as Dawid and Skene 1979), so that careless votes do not pull it to the middle.
 */
export function calibrator(claims: readonly HeardClaim[]): (raw: number, kinds?: HeardClaim["kinds"]) => number {
  if (claims.length === 0) return (raw) => clamp(raw);
  const depth = Math.max(...claims.map(({ kinds }) => kinds?.length ?? 0));
  const levels = Array.from({ length: depth }, (_, level) => claims.flatMap(({ kinds }) => placeName(kinds, level) ?? []));
  const places = new Map([...new Set(levels.flat())].map((name, index) => [name, STRAY.length + index]));
  const features = (confidence: number, kinds: HeardClaim["kinds"] = []): Features => {
    const inside = clamp(confidence, EDGE, 1 - EDGE);
    const own = kinds.flatMap((_, level) => places.get(placeName(kinds, level) ?? "") ?? []);
    return [[0, Math.log(inside)], [1, -Math.log(1 - inside)], [2, 1], ...own.map((place) => [place, 1] as const)];
  };
  const deviations = [...STRAY, ...Array.from(places, () => APART)];
  const prior = deviations.map((deviation, index) => ({ mean: index < 2 ? 1 : 0, precision: 1 / deviation ** 2 }));
  const heard = claims.map(({ confidence, kinds, odds, weight }) => ({ x: features(confidence, kinds), odds, weight }));
  let curve = prior.map(({ mean }) => mean);
  for (let round = 0; round < ROUNDS; round++) {
    const before = curve;
    curve = newton(
      heard.map(({ x, odds, weight }) => ({ x, weight, right: logistic(dot(before, x) + odds) })),
      before,
      prior,
    );
    if (curve.every((value, index) => Math.abs(value - (before[index] ?? 0)) < 1e-4)) break;
  }
  return (raw, kinds) => logistic(dot(curve, features(clamp(raw), kinds)));
}

/** The curve's three numbers and one for each kind, without those that are 0. */
type Features = readonly (readonly [place: number, value: number])[];

const placeName = (kinds: HeardClaim["kinds"], level: number): string | undefined =>
  kinds?.[level] === undefined ? undefined : `${level} ${kinds[level]}`;

const dot = (curve: readonly number[], x: Features): number => x.reduce((sum, [i, value]) => sum + value * (curve[i] ?? 0), 0);

/** One step towards the posterior mode; slopes that would turn the order of claims around are held at none. */
function newton(
  claims: readonly { readonly x: Features; readonly right: number; readonly weight: number }[],
  from: readonly number[],
  prior: readonly { readonly mean: number; readonly precision: number }[],
): number[] {
  const slope = prior.map(({ mean, precision }, i) => precision * (mean - (from[i] ?? 0)));
  const bend = prior.map(({ precision }, i) => prior.map((_, j) => (i === j ? precision : 0)));
  for (const { x, right, weight } of claims) {
    const said = logistic(dot(from, x));
    const curvature = weight * Math.max(0.02, said * (1 - said));
    for (const [i, own] of x) {
      const row = bend[i] ?? [];
      slope[i] = (slope[i] ?? 0) + weight * (right - said) * own;
      for (const [j, other] of x) row[j] = (row[j] ?? 0) + curvature * own * other;
    }
  }
  const step = solved(bend, slope);
  return from.map((value, i) => Math.max(i < 2 ? 0 : Number.NEGATIVE_INFINITY, value + (step[i] ?? 0)));
}

/**
 * Gaussian elimination; the matrix is positive definite. From the end: the finest kinds stand there, are many, and meet only their claims' coarser
 * ones, so that nearly every factor is 0 and hundreds of them cost little.
 */
function solved(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, index) => [right[index] ?? 0, ...row]);
  for (let pivot = rows.length; pivot > 0; pivot--) {
    const row = rows[pivot - 1] ?? [];
    for (const other of rows) {
      const factor = other === row ? 0 : (other[pivot] ?? 0) / (row[pivot] ?? 1);
      if (factor === 0) continue;
      for (let column = 0; column <= pivot; column++) other[column] = (other[column] ?? 0) - factor * (row[column] ?? 0);
    }
  }
  return rows.map((row, index) => (row[0] ?? 0) / (row[index + 1] ?? 1));
}
