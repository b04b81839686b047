import type { StoredVector } from "./store.ts";

export interface Neighbour {
  readonly hash: string;
  /** Cosine, -1 to 1. */
  readonly similarity: number;
}

/**
 * Finds the passages nearest to a question. It is made from the vectors in the database and holds nothing else, so that it can be lost or
 * exchanged at any time. A passage is known by the hash of its text.
 */
export interface PassageIndex {
  readonly size: number;
  has(hash: string): boolean;
  add(vectors: readonly StoredVector[]): Promise<void>;
  remove(hash: string): void | Promise<void>;
  /** Best first; `accept` narrows the search to some of them. */
  nearest(
    vector: Float32Array,
    top: number,
    accept?: (hash: string) => boolean,
  ): readonly Neighbour[] | Promise<readonly Neighbour[]>;
  /** Cosine similarity of one passage, or null when it is not there. */
  similarity(vector: Float32Array, hash: string): number | null | Promise<number | null>;
}
