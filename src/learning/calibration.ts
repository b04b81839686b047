/** One judged claim, for learning: how sure Vigil was (0 to 1), and what people and outcomes said of it. */
export interface HeardClaim {
  readonly confidence: number;
  /** Logarithm of the odds that the voices give to its being right: 0 tells nothing, 2 is one good voice. */
  readonly odds: number;
  /** How much it counts, 0 to 1; what is older counts less. */
  readonly weight: number;
}

const clamp = (value: number, low = 0, high = 1): number => Math.min(high, Math.max(low, value));
const logistic = (odds: number): number => 1 / (1 + Math.exp(-odds));
/** No confidence is so high or low that its logarithm should rule the curve. */
const EDGE = 0.02;
/** How far the curve's three numbers stray from the identity before anything is known: standard deviations. */
const STRAY = [0.5, 0.5, 0.7];
const ROUNDS = 30;

type Triple = [number, number, number];

/**
 * Maps raw confidence to one that matches how often such claims turned out right: beta calibration (Kull, Silva Filho and Flach 2017), the
 * logistic curve in ln s and −ln(1 − s), which contains the identity. Made for few claims: the curve is shrunk to the identity by a Gaussian
 * prior on its three numbers (posterior mode, by Newton's method), never falls, and what voices say is taken as evidence of the truth and not
 * as the truth (expectation–maximisation, as Dawid and Skene 1979), so that careless votes do not pull it to the middle.
 */
export function calibrator(claims: readonly HeardClaim[]): (raw: number) => number {
  if (claims.length === 0) return clamp;
  const heard = claims.map(({ confidence, odds, weight }) => ({ x: features(confidence), odds, weight }));
  let curve: Triple = [1, 1, 0];
  for (let round = 0; round < ROUNDS; round++) {
    const before = curve;
    curve = newton(
      heard.map(({ x, odds, weight }) => ({ x, weight, right: logistic(dot(before, x) + odds) })),
      before,
    );
    if (curve.every((value, index) => Math.abs(value - (before[index] ?? 0)) < 1e-4)) break;
  }
  return (raw) => logistic(dot(curve, features(clamp(raw))));
}

function features(confidence: number): Triple {
  const inside = clamp(confidence, EDGE, 1 - EDGE);
  return [Math.log(inside), -Math.log(1 - inside), 1];
}

const dot = (a: Triple, b: Triple): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** One step towards the posterior mode; slopes that would turn the order of claims around are held at none. */
function newton(
  claims: readonly { readonly x: Triple; readonly right: number; readonly weight: number }[],
  from: Triple,
): Triple {
  const identity: Triple = [1, 1, 0];
  const precision = STRAY.map((deviation) => 1 / deviation ** 2);
  const slope = from.map((value, i) => (precision[i] ?? 0) * ((identity[i] ?? 0) - value));
  const bend = [0, 1, 2].map((i) => [0, 1, 2].map((j) => (i === j ? (precision[i] ?? 0) : 0)));
  for (const { x, right, weight } of claims) {
    const said = logistic(dot(from, x));
    for (const i of [0, 1, 2] as const) {
      slope[i] = (slope[i] ?? 0) + weight * (right - said) * x[i];
      for (const j of [0, 1, 2] as const) {
        const row = bend[i];
        if (row) row[j] = (row[j] ?? 0) + weight * Math.max(0.02, said * (1 - said)) * x[i] * x[j];
      }
    }
  }
  const step = solved(bend, slope);
  return [Math.max(0, from[0] + (step[0] ?? 0)), Math.max(0, from[1] + (step[1] ?? 0)), from[2] + (step[2] ?? 0)];
}

/** Gaussian elimination; the matrix is positive definite. */
function solved(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, index) => [...row, right[index] ?? 0]);
  for (const [pivot, row] of rows.entries()) {
    const head = row[pivot] ?? 1;
    for (const other of rows) {
      if (other === row) continue;
      const factor = (other[pivot] ?? 0) / head;
      for (let column = pivot; column < other.length; column++)
        other[column] = (other[column] ?? 0) - factor * (row[column] ?? 0);
    }
  }
  return rows.map((row, index) => (row.at(-1) ?? 0) / (row[index] ?? 1));
}
