import type { FileHandle } from "node:fs/promises";

/** Rows in one piece of memory. */
const BLOCK = 4_096;

/** Unit vectors of one length, by their place; grows without copying. */
export class VectorRows {
  readonly dimensions: number;
  readonly #blocks: Float32Array[] = [];
  #length = 0;

  constructor(dimensions: number) {
    this.dimensions = dimensions;
  }

  get length(): number {
    return this.#length;
  }

  /** Adds a vector, scaled to length one. */
  push(vector: Float32Array): void {
    if (this.#length === this.#blocks.length * BLOCK) this.#blocks.push(new Float32Array(BLOCK * this.dimensions));
    const row = this.at(this.#length++);
    row.set(unit(vector));
  }

  at(place: number): Float32Array {
    const start = (place % BLOCK) * this.dimensions;
    return (this.#blocks[Math.floor(place / BLOCK)] ?? new Float32Array()).subarray(start, start + this.dimensions);
  }

  /** Cosine similarity, given a question of length one. */
  similarity(question: Float32Array, place: number): number {
    const block = this.#blocks[Math.floor(place / BLOCK)];
    if (!block) return 0;
    const start = (place % BLOCK) * this.dimensions;
    // Four sums at once: additions that wait for each other take most of the time.
    let [a, b, c, d] = [0, 0, 0, 0];
    let index = 0;
    for (; index + 3 < this.dimensions; index += 4) {
      a += (question[index] ?? 0) * (block[start + index] ?? 0);
      b += (question[index + 1] ?? 0) * (block[start + index + 1] ?? 0);
      c += (question[index + 2] ?? 0) * (block[start + index + 2] ?? 0);
      d += (question[index + 3] ?? 0) * (block[start + index + 3] ?? 0);
    }
    for (; index < this.dimensions; index++) a += (question[index] ?? 0) * (block[start + index] ?? 0);
    return a + b + c + d;
  }

  /** The rows as they lie in memory, piece by piece, for a file. */
  *pieces(): Generator<Uint8Array> {
    for (const [which, block] of this.#blocks.entries()) {
      const rows = Math.min(BLOCK, this.#length - which * BLOCK);
      yield new Uint8Array(block.buffer, 0, rows * this.dimensions * Float32Array.BYTES_PER_ELEMENT);
    }
  }

  /** Reads `count` rows from where the file stands; `seen` is handed every byte. @throws when there are fewer */
  async read(file: FileHandle, count: number, seen: (bytes: Uint8Array) => void): Promise<void> {
    for (; this.#length < count; this.#length = Math.min(count, this.#blocks.length * BLOCK)) {
      const block = new Float32Array(BLOCK * this.dimensions);
      this.#blocks.push(block);
      const rows = Math.min(BLOCK, count - this.#length);
      const bytes = new Uint8Array(block.buffer, 0, rows * this.dimensions * Float32Array.BYTES_PER_ELEMENT);
      await readFully(file, bytes);
      seen(bytes);
    }
  }
}

/** A vector scaled to length one; zeros stay zeros. */
export function unit(vector: Float32Array): Float32Array {
  let square = 0;
  for (const value of vector) square += value * value;
  const length = Math.sqrt(square) || 1;
  return Math.abs(length - 1) < 1e-6 ? vector : vector.map((value) => value / length);
}

/** @throws when the file ends before */
export async function readFully(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at);
    if (bytesRead === 0) throw new Error("the file ends too early");
    at += bytesRead;
  }
}
