import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import hnswlib from "hnswlib-node";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import type { PassageIndex } from "./passage-index.ts";
import { Projection, principalProjection } from "./projection.ts";
import type { StoredVector } from "./store.ts";
import { readFully, unit, VectorRows } from "./vector-rows.ts";

/** Neighbours per point, and breadth of the search while building. */
const NEIGHBOURS = 16;
const BUILD_BREADTH = 200;
/** Dimensions of the graph; longer vectors are projected to them. */
const GRAPH_DIMENSIONS = 96;
/** Candidates that are measured exactly, from the quickest to the most thorough; how many are needed depends on how the points lie. */
const BREADTHS = [32, 48, 64, 96, 128, 160, 200, 250, 300, 400, 500, 600, 800];
/** Of the ten nearest, that must be found. */
const WANTED_RECALL = 0.995;
const TRIALS = 60;
/** Fewer points are compared one by one, which takes some milliseconds. */
const GRAPH_FROM = 5_000;
/** Points that the projection is made from. */
const SAMPLE = 2_000;
/** The breadth is chosen anew when the graph has grown by this share. */
const GROWN = 0.2;
/** Points between two breaths of the event loop while a graph is built, or gone through: about 20 ms. */
const BREATH = 64;
const SCAN_BREATH = 16_384;

const Manifest = z.object({
  model: z.string(),
  dimensions: z.number().int().positive(),
  /** Dimensions of the graph. */
  projected: z.number().int().positive(),
  /** Name of the graph's file beside this one, its SHA-256, and that of the vectors beside it. */
  graph: z.string(),
  checksum: z.string(),
  vectors: z.string(),
  /** Candidates that are measured, and the number of points for which that was chosen. */
  breadth: z.number().int().positive(),
  chosenFor: z.number().int().nonnegative(),
  /** Hash of the passage behind each label; null where it was deleted. */
  hashes: z.array(z.string().nullable()),
});

/** Labels are places in the rows. */
interface Graph {
  readonly index: hnswlib.HierarchicalNSW;
  readonly projection: Projection;
}

function insert({ index, projection }: Graph, rows: VectorRows, label: number): void {
  if (label >= index.getMaxElements()) index.resizeIndex(label * 2);
  index.addPoint(projection.apply(rows.at(label)), label);
}

export interface VectorIndexOptions {
  /** Candidates that are measured, instead of a number that suits the points. */
  readonly breadth?: number;
  /** Points from which a graph is made. */
  readonly graphFrom?: number;
}

/**
 * Nearest neighbours by cosine. A point is known by the hash of the text behind it. Some thousand points are compared one by one. More are
 * searched in two steps: a graph (HNSW: Malkov and Yashunin 2018) over the 96 directions in which the points vary most finds candidates, and their
 * whole vectors put them in order. Sentence vectors keep well over nine tenths of their variance in that many directions, and most of a graph's
 * time goes into comparing numbers: fewer numbers are what makes it quick to build and to ask.
 *
 * How many candidates are measured is chosen when the graph is saved: the fewest that find 99.5 % of the true ten nearest, on questions that lie
 * between stored points. Where the points have changed so that the directions fit them less, more are measured (`npm run bench:vectors`).
 *
 * The graph is kept in a file that a manifest names, with its checksum and that of the vectors. A new graph gets a new name and the manifest is replaced at
 * once, so that a crash leaves the old set or the new one. It is a cache: what was added since then, or does not fit, is built from the vectors in the database.
 */
export class VectorIndex implements PassageIndex {
  readonly #model: string;
  readonly #given: number | null;
  readonly #graphFrom: number;
  #breadth: number;
  #chosenFor = 0;
  #rows: VectorRows | null = null;
  #graph: Graph | null = null;
  #hashes: (string | null)[] = [];
  readonly #labels = new Map<string, number>();
  #unsaved = 0;
  #building: Promise<void> | null = null;

  constructor(model: string, { breadth, graphFrom = GRAPH_FROM }: VectorIndexOptions = {}) {
    this.#model = model;
    this.#given = breadth ?? null;
    this.#graphFrom = graphFrom;
    this.#breadth = breadth ?? BREADTHS.at(-1) ?? 1;
  }

  /** Points added or removed since the graph was read or saved. */
  get unsaved(): number {
    return this.#unsaved;
  }

  /** Candidates that are measured. */
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
      this.#rows ??= new VectorRows(vector.length);
      if (vector.length !== this.#rows.dimensions) continue;
      const label = this.#hashes.length;
      this.#rows.push(vector);
      this.#hashes.push(hash);
      this.#labels.set(hash, label);
      this.#unsaved++;
      if (!this.#graph) continue;
      insert(this.#graph, this.#rows, label);
      if (++sinceBreath % BREATH === 0) await nextTurn();
    }
    if (this.#graph || this.size < this.#graphFrom) return;
    this.#building ??= this.#makeGraph().finally(() => {
      this.#building = null;
    });
    await this.#building;
  }

  remove(hash: string): void {
    const label = this.#labels.get(hash);
    if (label === undefined) return;
    this.#graph?.index.markDelete(label);
    this.#labels.delete(hash);
    this.#hashes[label] = null;
    this.#unsaved++;
  }

  /** Nearest points with their cosine similarity, best first; `accept` narrows the search to some of them. */
  nearest(vector: Float32Array, top: number, accept?: (hash: string) => boolean): { hash: string; similarity: number }[] {
    if (!this.#rows || this.size === 0 || vector.length !== this.#rows.dimensions) return [];
    const question = unit(vector);
    const found = this.#candidates(question, Math.max(top, this.#breadth), accept).flatMap((label) => {
      const hash = this.#hashes[label];
      return typeof hash === "string" && (accept?.(hash) ?? true)
        ? [{ hash, similarity: this.#rows?.similarity(question, label) ?? 0 }]
        : [];
    });
    return found.sort((a, b) => b.similarity - a.similarity).slice(0, top);
  }

  /** Cosine similarity of one point, exactly; null when it is not there. */
  similarity(vector: Float32Array, hash: string): number | null {
    const label = this.#labels.get(hash);
    if (label === undefined || vector.length !== this.#rows?.dimensions) return null;
    return this.#rows.similarity(unit(vector), label);
  }

  /** Reads the graph from its file. False, and an empty index, when there is none or it does not fit. */
  async load(file: string): Promise<boolean> {
    try {
      const manifest = Manifest.parse(JSON.parse(await readFile(manifestOf(file), "utf8")));
      const path = join(dirname(file), basename(manifest.graph));
      if (manifest.model !== this.#model || manifest.checksum !== (await checksumOf(path))) return false;
      const { rows, projection } = await readVectors(vectorsOf(path), manifest);
      const index = new hnswlib.HierarchicalNSW("l2", manifest.projected);
      await index.readIndex(path);
      if (index.getCurrentCount() !== manifest.hashes.length) return false;
      if (this.#given === null) this.#breadth = manifest.breadth;
      this.#chosenFor = manifest.chosenFor;
      this.#graph = { index, projection };
      this.#rows = rows;
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

  /** Writes the graph when there is one and it has changed. */
  async save(file: string): Promise<void> {
    if (!this.#graph || !this.#rows || this.#unsaved === 0) return;
    await this.#chooseBreadth();
    this.#unsaved = 0;
    const [breadth, chosenFor, { dimensions }, { index, projection }] = [this.#breadth, this.#chosenFor, this.#rows, this.#graph];
    const hashes = [...this.#hashes];
    const fresh = `${file}.${process.pid}.new`;
    try {
      await index.writeIndex(fresh);
      await chmod(fresh, 0o600);
      const vectors = await writeVectors(vectorsOf(fresh), projection, this.#rows, hashes.length);
      const checksum = await checksumOf(fresh);
      const graph = `${basename(file)}.${checksum.slice(0, 12)}`;
      await rename(fresh, join(dirname(file), graph));
      await rename(vectorsOf(fresh), vectorsOf(join(dirname(file), graph)));
      const about = { model: this.#model, dimensions, projected: projection.to, graph, checksum, vectors };
      await writeFileAtomic(manifestOf(file), JSON.stringify({ ...about, breadth, chosenFor, hashes }), { mode: 0o600 });
      await forgetOthers(file, graph);
    } catch (error) {
      await rm(fresh, { force: true });
      await rm(vectorsOf(fresh), { force: true });
      throw error;
    }
  }

  /** Labels worth measuring, in no order: all that are wanted, or what the graph finds. */
  #candidates(question: Float32Array, breadth: number, accept?: (hash: string) => boolean): readonly number[] {
    if (!this.#graph) return [...this.#labels.values()];
    const wanted = (label: number) => {
      const hash = this.#hashes[label];
      return typeof hash === "string" && (accept?.(hash) ?? true);
    };
    const { index, projection } = this.#graph;
    const most = Math.min(breadth, this.size);
    return index.searchKnn(projection.apply(question), most, accept ? wanted : undefined).neighbors;
  }

  /** Points may come and go meanwhile; until it is done all are compared. */
  async #makeGraph(): Promise<void> {
    const rows = this.#rows;
    if (!rows) return;
    const stride = Math.max(1, Math.floor(rows.length / SAMPLE));
    const sample = Array.from({ length: Math.min(SAMPLE, rows.length) }, (_, at) => rows.at(at * stride));
    const projection = await principalProjection(sample, GRAPH_DIMENSIONS);
    const index = new hnswlib.HierarchicalNSW("l2", projection.to);
    index.initIndex(2 * rows.length, NEIGHBOURS, BUILD_BREADTH, 100);
    const graph = { index, projection };
    for (let label = 0; label < rows.length; label++) {
      insert(graph, rows, label);
      if (label % BREATH === BREATH - 1) await nextTurn();
    }
    this.#hashes.forEach((hash, label) => {
      if (hash === null) index.markDelete(label);
    });
    this.#graph = graph;
  }

  /** Asks between stored points, so that no question is a point of the graph; the event loop breathes between questions. */
  async #chooseBreadth(): Promise<void> {
    const rows = this.#rows;
    const labels = [...this.#labels.values()];
    if (!rows || this.#given !== null || labels.length < (1 + GROWN) * this.#chosenFor) return;
    const stride = Math.max(1, Math.floor(labels.length / TRIALS));
    const questions = Array.from({ length: TRIALS }, (_, trial) => {
      const one = rows.at(labels[(trial * stride) % labels.length] ?? 0);
      const other = rows.at(labels[(trial * stride + (labels.length >> 1)) % labels.length] ?? 0);
      return unit(one.map((value, index) => 0.6 * value + 0.4 * (other[index] ?? 0)));
    });
    const truth: Set<number>[] = [];
    for (const question of questions) truth.push(await nearestOf(rows, labels, question, 10));
    const all = truth.reduce((sum, { size }) => sum + size, 0);
    for (const breadth of BREADTHS) {
      let found = 0;
      for (const [index, question] of questions.entries()) {
        await nextTurn();
        found += this.#candidates(question, breadth).filter((label) => truth[index]?.has(label)).length;
      }
      if (found < WANTED_RECALL * all && breadth !== BREADTHS.at(-1)) continue;
      this.#breadth = breadth;
      this.#chosenFor = labels.length;
      return;
    }
  }
}

/** The true nearest, by going through all. */
async function nearestOf(rows: VectorRows, labels: readonly number[], question: Float32Array, top: number): Promise<Set<number>> {
  let best: { readonly label: number; readonly similarity: number }[] = [];
  let least = Number.NEGATIVE_INFINITY;
  for (const [at, label] of labels.entries()) {
    if (at % SCAN_BREATH === SCAN_BREATH - 1) await nextTurn();
    const similarity = rows.similarity(question, label);
    if (similarity <= least) continue;
    best = [...best, { label, similarity }].sort((a, b) => b.similarity - a.similarity).slice(0, top);
    if (best.length === top) least = best.at(-1)?.similarity ?? least;
  }
  return new Set(best.map(({ label }) => label));
}

const manifestOf = (file: string): string => `${file}.json`;
const vectorsOf = (graph: string): string => `${graph}.vectors`;

/** Directions of the projection, then the vectors, as 32-bit floats. Returns their SHA-256. */
async function writeVectors(path: string, { directions }: Projection, rows: VectorRows, count: number): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path, "w", 0o600);
  try {
    let left = count * rows.dimensions * Float32Array.BYTES_PER_ELEMENT;
    const head = new Uint8Array(directions.buffer, directions.byteOffset, directions.byteLength);
    await file.writeFile(head);
    hash.update(head);
    for (const piece of rows.pieces()) {
      // What was added while this was written is not in the manifest.
      const bytes = piece.subarray(0, left);
      await file.writeFile(bytes);
      hash.update(bytes);
      left -= bytes.length;
    }
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}

/** @throws when the file is not there, too short, or not what was written */
async function readVectors(
  path: string,
  manifest: z.infer<typeof Manifest>,
): Promise<{ rows: VectorRows; projection: Projection }> {
  const hash = createHash("sha256");
  const file = await open(path, "r");
  try {
    const directions = new Float32Array(manifest.projected * manifest.dimensions);
    const head = new Uint8Array(directions.buffer);
    await readFully(file, head);
    hash.update(head);
    const rows = new VectorRows(manifest.dimensions);
    await rows.read(file, manifest.hashes.length, (bytes) => hash.update(bytes));
    if (hash.digest("hex") !== manifest.vectors) throw new Error("the vectors are not those that were written");
    return { rows, projection: new Projection(manifest.dimensions, directions) };
  } finally {
    await file.close();
  }
}

/** Graphs of former manifests, and their vectors. */
async function forgetOthers(file: string, kept: string): Promise<void> {
  const [folder, stem] = [dirname(file), `${basename(file)}.`];
  for (const name of await readdir(folder)) {
    const graph = name.replace(/\.vectors$/, "");
    if (name.startsWith(stem) && /\.[0-9a-f]{12}$/.test(graph) && graph !== kept) await rm(join(folder, name), { force: true });
  }
}

async function checksumOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  return hash.digest("hex");
}
