import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import hnswlib from "hnswlib-node";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import type { PassageIndex } from "./passage-index.ts";
import type { StoredVector } from "./store.ts";

/** Neighbours per point, and breadth of the search while building and while asking. */
const NEIGHBOURS = 16;
const BUILD_BREADTH = 200;
/** Candidates kept while asking, from the quickest to the most thorough; how many a graph needs depends on how its points lie. */
const BREADTHS = [128, 200, 300, 400, 500, 600, 800];
/** Stands for exact search when the breadth is chosen. */
const THOROUGH = 1_600;
/** Of the ten nearest, that must be found. */
const WANTED_RECALL = 0.995;
const TRIALS = 60;
/** Fewer points are quick to ask thoroughly. */
const FEW = 2_000;
/** Chosen anew when the graph has grown by this share. */
const GROWN = 0.2;
const FIRST_CAPACITY = 1_024;
/** Points between two breaths of the event loop while a graph is built: about 30 ms. */
const BREATH = 32;

const Manifest = z.object({
  model: z.string(),
  dimensions: z.number().int().positive(),
  /** Name of the graph's file beside this one, and its SHA-256. */
  graph: z.string(),
  checksum: z.string(),
  /** Candidates kept while asking, and the number of points for which that was chosen. */
  breadth: z.number().int().positive(),
  chosenFor: z.number().int().nonnegative(),
  /** Hash of the passage behind each label; null where it was deleted. */
  hashes: z.array(z.string().nullable()),
});

/**
 * Nearest neighbours by cosine over unit vectors (HNSW: Malkov and Yashunin 2018). A point is known by the hash of the text behind it.
 *
 * How many candidates a question keeps is chosen when the graph is saved: the fewest that find 99.5 % of what a thorough search finds, on questions
 * that lie between stored points. Sentence vectors lie in clusters and need few; evenly spread ones need many (`npm run bench:vectors`).
 *
 * The graph may be kept in a file that a manifest names, with its checksum. A new graph gets a new name and the manifest is replaced at once, so
 * that a crash leaves the old pair or the new one. It is a cache: what was added since then, or does not fit, is built from the vectors in the database.
 */
export class VectorIndex implements PassageIndex {
  readonly #model: string;
  readonly #given: number | null;
  #breadth: number;
  #chosenFor = 0;
  #graph: hnswlib.HierarchicalNSW | null = null;
  #dimensions = 0;
  #hashes: (string | null)[] = [];
  readonly #labels = new Map<string, number>();
  #unsaved = 0;

  /** @param breadth candidates kept while asking, instead of a number that suits the points */
  constructor(model: string, breadth: number | null = null) {
    this.#model = model;
    this.#given = breadth;
    this.#breadth = breadth ?? BREADTHS.at(-1) ?? THOROUGH;
  }

  /** Points added or removed since the graph was read or saved. */
  get unsaved(): number {
    return this.#unsaved;
  }

  /** Candidates kept while asking. */
  get breadth(): number {
    return this.#breadth;
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
      this.#unsaved++;
      if (++sinceBreath % BREATH === 0) await nextTurn();
    }
  }

  remove(hash: string): void {
    const label = this.#labels.get(hash);
    if (label === undefined) return;
    this.#graph?.markDelete(label);
    this.#labels.delete(hash);
    this.#hashes[label] = null;
    this.#unsaved++;
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
      const path = join(dirname(file), basename(manifest.graph));
      if (manifest.model !== this.#model || manifest.checksum !== (await checksumOf(path))) return false;
      const graph = new hnswlib.HierarchicalNSW("cosine", manifest.dimensions);
      await graph.readIndex(path);
      if (graph.getCurrentCount() !== manifest.hashes.length) return false;
      if (this.#given === null) this.#breadth = manifest.breadth;
      this.#chosenFor = manifest.chosenFor;
      graph.setEf(this.#breadth);
      this.#graph = graph;
      this.#dimensions = manifest.dimensions;
      this.#hashes = manifest.hashes;
      this.#labels.clear();
      manifest.hashes.forEach((hash, label) => {
        if (hash !== null) this.#labels.set(hash, label);
      });
      this.#unsaved = 0;
      return true;
    } catch {
      return false;
    }
  }

  /** Writes the graph when it has changed. */
  async save(file: string): Promise<void> {
    if (!this.#graph || this.#unsaved === 0) return;
    await this.#chooseBreadth(this.#graph);
    this.#unsaved = 0;
    const hashes = [...this.#hashes];
    const fresh = `${file}.${process.pid}.new`;
    try {
      await this.#graph.writeIndex(fresh);
      await chmod(fresh, 0o600);
      const checksum = await checksumOf(fresh);
      const graph = `${basename(file)}.${checksum.slice(0, 12)}`;
      await rename(fresh, join(dirname(file), graph));
      const [breadth, chosenFor] = [this.#breadth, this.#chosenFor];
      const manifest = { model: this.#model, dimensions: this.#dimensions, graph, checksum, breadth, chosenFor, hashes };
      await writeFileAtomic(manifestOf(file), JSON.stringify(manifest), { mode: 0o600 });
      await forgetOthers(file, graph);
    } catch (error) {
      await rm(fresh, { force: true });
      throw error;
    }
  }

  /** Asks between stored points, so that no question is a point of the graph; the event loop breathes between questions. */
  async #chooseBreadth(graph: hnswlib.HierarchicalNSW): Promise<void> {
    const labels = [...this.#labels.values()];
    if (this.#given !== null || labels.length < FEW || labels.length < (1 + GROWN) * this.#chosenFor) return;
    const stride = Math.max(1, Math.floor(labels.length / TRIALS));
    const questions = Array.from({ length: TRIALS }, (_, trial) => {
      const one = graph.getPoint(labels[(trial * stride) % labels.length] ?? 0);
      const other = graph.getPoint(labels[(trial * stride + (labels.length >> 1)) % labels.length] ?? 0);
      return one.map((value, index) => 0.6 * value + 0.4 * (other[index] ?? 0));
    });
    const nearest = async (breadth: number, question: number[]): Promise<number[]> => {
      await nextTurn();
      graph.setEf(breadth);
      const found = graph.searchKnn(question, 10).neighbors;
      graph.setEf(this.#breadth);
      return found;
    };
    const best: Set<number>[] = [];
    for (const question of questions) best.push(new Set(await nearest(THOROUGH, question)));
    const all = best.reduce((sum, { size }) => sum + size, 0);
    for (const breadth of BREADTHS) {
      let found = 0;
      for (const [index, question] of questions.entries())
        found += (await nearest(breadth, question)).filter((label) => best[index]?.has(label)).length;
      if (found < WANTED_RECALL * all && breadth !== BREADTHS.at(-1)) continue;
      this.#breadth = breadth;
      this.#chosenFor = labels.length;
      graph.setEf(breadth);
      return;
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

/** Graphs of former manifests. */
async function forgetOthers(file: string, kept: string): Promise<void> {
  const [folder, stem] = [dirname(file), `${basename(file)}.`];
  for (const name of await readdir(folder)) {
    if (name.startsWith(stem) && /\.[0-9a-f]{12}$/.test(name) && name !== kept) await rm(join(folder, name), { force: true });
  }
}

async function checksumOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  return hash.digest("hex");
}
