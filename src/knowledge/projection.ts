import { setImmediate as nextTurn } from "node:timers/promises";

const ITERATIONS = 4;
/** Rows between two breaths of the event loop: about 10 ms. */
const BREATH = 64;

/** A linear map to fewer dimensions; distances shrink by what is left out, and hardly where that is little. */
export class Projection {
  readonly from: number;
  readonly to: number;
  /** `to` orthonormal directions of length `from`, one after the other. */
  readonly directions: Float32Array;

  constructor(from: number, directions: Float32Array) {
    this.from = from;
    this.to = directions.length / from;
    this.directions = directions;
  }

  apply(vector: Float32Array): number[] {
    const result = new Array<number>(this.to);
    for (let at = 0; at < this.to; at++) {
      const start = at * this.from;
      let sum = 0;
      for (let index = 0; index < this.from; index++) sum += (vector[index] ?? 0) * (this.directions[start + index] ?? 0);
      result[at] = sum;
    }
    return result;
  }
}

/**
 * The directions in which a sample varies most (principal components, by subspace iteration from fixed random directions: Halko, Martinsson and
 * Tropp 2011). Distances between points keep what these directions hold of the variance.
 *
 * @param sample vectors of one length, some hundred at least
 */
export async function principalProjection(sample: readonly Float32Array[], to: number): Promise<Projection> {
  const from = sample[0]?.length ?? 0;
  const mean = new Float64Array(from);
  for (const row of sample) for (let index = 0; index < from; index++) mean[index] = (mean[index] ?? 0) + (row[index] ?? 0);
  const rows = sample.map((row) => Float64Array.from(row, (value, index) => value - (mean[index] ?? 0) / sample.length));
  let state = 1;
  let directions = Array.from({ length: Math.min(to, from) }, () =>
    Float64Array.from({ length: from }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 4_294_967_296 - 0.5;
    }),
  );
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const next = directions.map(() => new Float64Array(from));
    for (const [at, row] of rows.entries()) {
      for (const [which, direction] of directions.entries()) addScaled(next[which] ?? direction, row, dot(row, direction));
      if (at % BREATH === BREATH - 1) await nextTurn();
    }
    orthonormalise(next);
    directions = next;
  }
  const flat = new Float32Array(directions.length * from);
  for (const [which, direction] of directions.entries()) flat.set(direction, which * from);
  return new Projection(from, flat);
}

/** Gram and Schmidt, modified. */
function orthonormalise(directions: readonly Float64Array[]): void {
  for (const [which, direction] of directions.entries()) {
    for (const before of directions.slice(0, which)) addScaled(direction, before, -dot(direction, before));
    const length = Math.sqrt(dot(direction, direction)) || 1;
    for (let index = 0; index < direction.length; index++) direction[index] = (direction[index] ?? 0) / length;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index] ?? 0) * (b[index] ?? 0);
  return sum;
}

function addScaled(target: Float64Array, one: Float64Array, factor: number): void {
  for (let index = 0; index < target.length; index++) target[index] = (target[index] ?? 0) + factor * (one[index] ?? 0);
}
