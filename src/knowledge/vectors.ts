import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, readFile, rename, rm } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import hnswlib from "hnswlib-node";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import type { StoredVector } from "./store.ts";

/** Neighbours per point, and breadth of the search while building and while asking. */
const NEIGHBOURS = 16;
const BUILD_BREADTH = 200;
/** Enough for 0.99 of the exact ten nearest among 100,000 points that lie in no clusters (`npm run bench:vectors`). */
export const DEFAULT_BREADTH = 800;
const FIRST_CAPACITY = 1_024;
/** Points between two breaths of the event loop while a graph is built: about 30 ms. */
const BREATH = 32;

const Manifest = z.object({
  model: z.string(),
  dimensions: z.number().int().positive(),
  /** SHA-256 of the graph's file. */
  checksum: z.string(),
  /** Hash of the passage behind each label; null where it was deleted. */
  hashes: z.array(z.string().nullable()),
});

/**
 * Nearest neighbours by cosine over unit vectors (HNSW: Malkov and Yashunin 2018). A point is known by the hash of the text behind it.
 * The graph may be kept in a file beside a manifest with its checksum. That is a cache: whatever does not fit is thrown away and built again
 * from the vectors, which live in the database.
 */
export class VectorIndex {
  readonly #model: string;
  readonly #breadth: number;
  #graph: hnswlib.HierarchicalNSW | null = null;
  #dimensions = 0;
  #hashes: (string | null)[] = [];
  readonly #labels = new Map<string, number>();
  #dirty = false;

  /** @param breadth candidates kept while asking: more finds more and takes longer */
  constructor(model: string, breadth = DEFAULT_BREADTH) {
    this.#model = model;
    this.#breadth = breadth;
  }

  get size(): number {
    return this.#labels.size;
  }

  has(hash: string): boolean {
    return this.#labels.has(hash);
  }

  /** Adds points; one that is there already, or has another length than the first had, is left alone. */
  async add(vectors: readonly StoredVector[]): Promise<void> {
    let sinceBreath = 0;
    for (const { hash, vector } of vectors) {
      if (this.#labels.has(hash) || vector.length === 0) continue;
      if (!this.#graph) this.#begin(vector.length);
      if (!this.#graph || vector.length !== this.#dimensions) continue;
      const label = this.#hashes.length;
      if (label >= this.#graph.getMaxElements()) this.#graph.resizeIndex(label * 2);
      this.#graph.addPoint(Array.from(vector), label);
      this.#hashes.push(hash);
      this.#labels.set(hash, label);
      this.#dirty = true;
      if (++sinceBreath % BREATH === 0) await nextTurn();
    }
  }

  remove(hash: string): void {
    const label = this.#labels.get(hash);
    if (label === undefined) return;
    this.#graph?.markDelete(label);
    this.#labels.delete(hash);
    this.#hashes[label] = null;
    this.#dirty = true;
  }

  /** Nearest points with their cosine similarity, best first; `accept` narrows the search to some of them. */
  nearest(vector: Float32Array, top: number, accept?: (hash: string) => boolean): { hash: string; similarity: number }[] {
    if (!this.#graph || this.size === 0 || vector.length !== this.#dimensions) return [];
    const wanted = (label: number) => {
      const hash = this.#hashes[label];
      return typeof hash === "string" && (accept?.(hash) ?? true);
    };
    const { neighbors, distances } = this.#graph.searchKnn(
      Array.from(vector),
      Math.min(top, this.size),
      accept ? wanted : undefined,
    );
    return neighbors.flatMap((label, index) => {
      const hash = this.#hashes[label];
      return typeof hash === "string" ? [{ hash, similarity: 1 - (distances[index] ?? 1) }] : [];
    });
  }

  /** Cosine similarity of one point, exactly; null when it is not there. */
  similarity(vector: Float32Array, hash: string): number | null {
    const label = this.#labels.get(hash);
    if (label === undefined || !this.#graph || vector.length !== this.#dimensions) return null;
    const point = this.#graph.getPoint(label);
    let dot = 0;
    let square = 0;
    for (let index = 0; index < vector.length; index++) {
      const one = vector[index] ?? 0;
      dot += one * (point[index] ?? 0);
      square += one * one;
    }
    return dot / Math.sqrt(square || 1);
  }

  /** Reads the graph from its file. False, and an empty index, when there is none or it does not fit. */
  async load(file: string): Promise<boolean> {
    try {
      const manifest = Manifest.parse(JSON.parse(await readFile(manifestOf(file), "utf8")));
      if (manifest.model !== this.#model || manifest.checksum !== (await checksumOf(file))) return false;
      const graph = new hnswlib.HierarchicalNSW("cosine", manifest.dimensions);
      await graph.readIndex(file);
      if (graph.getCurrentCount() !== manifest.hashes.length) return false;
      graph.setEf(this.#breadth);
      this.#graph = graph;
      this.#dimensions = manifest.dimensions;
      this.#hashes = manifest.hashes;
      this.#labels.clear();
      manifest.hashes.forEach((hash, label) => {
        if (hash !== null) this.#labels.set(hash, label);
      });
      this.#dirty = false;
      return true;
    } catch {
      return false;
    }
  }

  /** Writes the graph to its file when it has changed. A crash in between leaves a checksum that does not fit, never a wrong answer. */
  async save(file: string): Promise<void> {
    if (!this.#graph || !this.#dirty) return;
    this.#dirty = false;
    const hashes = [...this.#hashes];
    const fresh = `${file}.${process.pid}.new`;
    try {
      await this.#graph.writeIndex(fresh);
      await chmod(fresh, 0o600);
      const checksum = await checksumOf(fresh);
      await rename(fresh, file);
      const manifest = { model: this.#model, dimensions: this.#dimensions, checksum, hashes };
      await writeFileAtomic(manifestOf(file), JSON.stringify(manifest), { mode: 0o600 });
    } catch (error) {
      await rm(fresh, { force: true });
      throw error;
    }
  }

  #begin(dimensions: number): void {
    this.#dimensions = dimensions;
    this.#graph = new hnswlib.HierarchicalNSW("cosine", dimensions);
    this.#graph.initIndex(FIRST_CAPACITY, NEIGHBOURS, BUILD_BREADTH, 100);
    this.#graph.setEf(this.#breadth);
  }
}

const manifestOf = (file: string): string => `${file}.json`;

async function checksumOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  return hash.digest("hex");
}
