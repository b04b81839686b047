import { createHash } from "node:crypto";
import { Document } from "@langchain/core/documents";
import type { VectorStore } from "@langchain/core/vectorstores";
import type { Neighbour, PassageIndex } from "./passage-index.ts";
import type { StoredVector } from "./store.ts";

/** A vector store of LangChain's, opened for vectors of one length. */
export interface OpenedStore {
  readonly store: Pick<VectorStore, "addVectors" | "delete" | "similaritySearchVectorWithScore">;
  /** What the store calls a score, as cosine similarity. */
  readonly similarity: (score: number) => number;
  /** Adding an id that is there already replaces it; otherwise it must be deleted first. */
  readonly replaces: boolean;
  readonly close?: () => Promise<void>;
}

export interface RemoteIndexOptions {
  /** Called once, with the length of the first vector. */
  readonly open: (dimensions: number) => Promise<OpenedStore>;
  /** The vector behind a passage, from the database. */
  readonly vectorOf: (hash: string) => Promise<Float32Array | null>;
}

/** Vectors in one call. */
const BATCH = 200;
/** A narrowed question asks for more and picks; beyond this it makes do with what it got. */
const MOST_ASKED = 1_000;

/**
 * Passages in a vector database (pgvector, Qdrant, Weaviate, Pinecone) through LangChain's VectorStore. It is given hashes and vectors only:
 * texts stay in Vigil's own database. At every start it is told all passages again, which mends what was lost over there.
 */
export class RemoteIndex implements PassageIndex {
  readonly #options: RemoteIndexOptions;
  readonly #known = new Set<string>();
  #opened: { readonly dimensions: number; readonly store: Promise<OpenedStore> } | null = null;

  constructor(options: RemoteIndexOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#known.size;
  }

  has(hash: string): boolean {
    return this.#known.has(hash);
  }

  async add(vectors: readonly StoredVector[]): Promise<void> {
    const fresh = vectors.filter(({ hash, vector }) => vector.length > 0 && !this.#known.has(hash));
    for (let from = 0; from < fresh.length; from += BATCH) {
      const batch = fresh.slice(from, from + BATCH);
      const { store, replaces } = await this.#store(batch[0]?.vector.length ?? 0);
      const ids = batch.map(({ hash }) => idOf(hash));
      if (!replaces) await store.delete({ ids });
      const documents = batch.map(({ hash }, at) => new Document({ id: ids[at] ?? "", pageContent: hash, metadata: { hash } }));
      await store.addVectors(
        batch.map(({ vector }) => Array.from(vector)),
        documents,
        { ids },
      );
      for (const { hash } of batch) this.#known.add(hash);
    }
  }

  async remove(hash: string): Promise<void> {
    if (!this.#known.delete(hash) || !this.#opened) return;
    const { store } = await this.#opened.store;
    await store.delete({ ids: [idOf(hash)] });
  }

  async nearest(vector: Float32Array, top: number, accept?: (hash: string) => boolean): Promise<readonly Neighbour[]> {
    if (this.size === 0) return [];
    const { store, similarity } = await this.#store(vector.length);
    for (let ask = top; ; ask *= 4) {
      const found = await store.similaritySearchVectorWithScore(Array.from(vector), Math.min(ask, MOST_ASKED));
      const neighbours = found
        .map(([{ metadata, pageContent }, score]) => ({
          hash: String(metadata.hash ?? pageContent),
          similarity: similarity(score),
        }))
        // Others may keep passages there as well, and what was removed while it was away is still there.
        .filter(({ hash }) => this.#known.has(hash) && (accept?.(hash) ?? true));
      if (neighbours.length >= top || found.length < ask || ask >= MOST_ASKED) return neighbours.slice(0, top);
    }
  }

  async similarity(vector: Float32Array, hash: string): Promise<number | null> {
    if (!this.#known.has(hash)) return null;
    const stored = await this.#options.vectorOf(hash);
    if (!stored || stored.length !== vector.length) return null;
    let [dot, one, other] = [0, 0, 0];
    for (let at = 0; at < vector.length; at++) {
      const [a, b] = [vector[at] ?? 0, stored[at] ?? 0];
      dot += a * b;
      one += a * a;
      other += b * b;
    }
    return dot / Math.sqrt(one * other || 1);
  }

  async close(): Promise<void> {
    const opened = await this.#opened?.store.catch(() => null);
    await opened?.close?.();
  }

  #store(dimensions: number): Promise<OpenedStore> {
    if (this.#opened && this.#opened.dimensions !== dimensions) {
      return Promise.reject(
        new Error(`A vector of ${dimensions} numbers does not fit those of ${this.#opened.dimensions} before it.`),
      );
    }
    if (!this.#opened) {
      const store = this.#options.open(dimensions);
      this.#opened = { dimensions, store };
      store.catch(() => {
        this.#opened = null;
      });
    }
    return this.#opened.store;
  }
}

/** A UUID that is always the same for a hash; all four stores take UUIDs as ids. */
export function idOf(hash: string): string {
  const hex = createHash("sha256").update(hash).digest("hex");
  // Version 8: made by a rule of one's own (RFC 9562).
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
