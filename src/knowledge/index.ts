import { createHash } from "node:crypto";
import { lstat, readdir, readFile, realpath } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import hnswlib from "hnswlib-node";
import type { DocumentKind, KnowledgeBase, SearchHit, SearchQuery } from "../domain/knowledge.ts";
import { type Chunk, chunksOf, DocumentError, embeddedText, type KnowledgeDocument, parseMarkdown } from "./document.ts";
import { type Embedder, LocalEmbedder } from "./embedder.ts";
import { fuse, WordIndex } from "./rank.ts";
import type { KnowledgeStore } from "./store.ts";

export { readCatalog } from "./catalog.ts";
export { type Embedder, LocalEmbedder } from "./embedder.ts";
export type { KnowledgeStore } from "./store.ts";

export interface KnowledgeOptions {
  readonly store: KnowledgeStore;
  readonly embedder?: Embedder;
  /** How much a document that helped before moves up, or one that misled moves down: a share of its score. */
  readonly boost?: (documentId: string) => number;
}

/** What an ingestion did. `problems` name files that were left out, with line and remedy. */
export interface Ingestion {
  readonly documents: number;
  readonly changed: number;
  readonly removed: number;
  readonly problems: readonly string[];
}

export interface NewDocument {
  readonly id: string;
  readonly kind: DocumentKind;
  readonly title: string;
  readonly services: readonly string[];
  readonly text: string;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Entry {
  readonly collection: string;
  readonly hash: string;
  readonly document: KnowledgeDocument;
  readonly chunks: readonly { readonly chunk: Chunk; readonly hash: string }[];
  labels: number[];
}

const LARGEST_FILE = 1_000_000;
const READABLE = /\.(md|markdown|txt)$/i;
const SERVICE_BONUS = 0.08;
const MOST_BOOST = 0.3;
const DIMENSIONS = 512;
const OWN = "vigil";

const sha = (text: string): string => createHash("sha256").update(text).digest("base64url");

/**
 * The context repository: documents by words and by meaning. Vectors live in the database, the nearest-neighbour graph (HNSW: Malkov and
 * Yashunin 2018) is built from them at start, so nothing is lost or embedded twice. While vectors are still being made, search goes by words.
 */
export class Knowledge implements KnowledgeBase {
  readonly #store: KnowledgeStore;
  readonly #embedder: Embedder;
  readonly #boost: (id: string) => number;
  readonly #entries = new Map<string, Entry>();
  readonly #words = new WordIndex();
  #graph = newGraph(1_024);
  readonly #labels = new Map<number, { readonly key: string; readonly chunk: Chunk }>();
  #nextLabel = 0;
  #embedding: Promise<void> = Promise.resolve();

  private constructor(options: KnowledgeOptions) {
    this.#store = options.store;
    this.#embedder = options.embedder ?? new LocalEmbedder();
    this.#boost = options.boost ?? (() => 0);
  }

  static async open(options: KnowledgeOptions): Promise<Knowledge> {
    const knowledge = new Knowledge(options);
    for (const { key, collection, hash, body } of await options.store.documents()) {
      knowledge.#index(key, collection, hash, JSON.parse(body) as KnowledgeDocument);
    }
    await knowledge.#connect();
    return knowledge;
  }

  /** Reads a folder of Markdown and text. Only what changed is embedded again; what is gone is forgotten. */
  async ingestFolder(
    folder: string,
    options: { readonly collection: string; readonly onProgress?: (done: number, total: number) => void },
  ): Promise<Ingestion> {
    const problems: string[] = [];
    const files = await readableFiles(folder, problems);
    const seen = new Set<string>();
    let changed = 0;
    for (const file of files) {
      const raw = await readFile(join(folder, file), "utf8");
      try {
        const document = parseMarkdown(file, raw);
        const key = `${options.collection}/${file}`;
        seen.add(key);
        if (await this.#put(key, options.collection, sha(raw), document)) changed++;
      } catch (error) {
        if (!(error instanceof DocumentError)) throw error;
        problems.push(error.message);
      }
    }
    const gone = [...this.#entries].filter(([key, entry]) => entry.collection === options.collection && !seen.has(key));
    for (const [key] of gone) await this.#drop(key);
    await this.#embedMissing(options.onProgress);
    return { documents: seen.size, changed, removed: gone.length, problems };
  }

  /** Adds a document that is no file, for instance a confirmed investigation. It is found by words at once and by meaning when this resolves. */
  async add(given: NewDocument): Promise<void> {
    const document: KnowledgeDocument = { ...given, file: `${given.kind}s/${given.id}` };
    await this.#put(`${OWN}/${given.id}`, OWN, sha(JSON.stringify(given)), document);
    await this.#embedMissing();
  }

  async remove(id: string): Promise<void> {
    await this.#drop(`${OWN}/${id}`);
  }

  async search(query: SearchQuery): Promise<readonly SearchHit[]> {
    const words = this.#words.search(query.text);
    const near = await this.#nearest(query.text);
    const fused = fuse(words, near && new Map([...near].map(([key, { similarity }]) => [key, similarity])));
    const hits: SearchHit[] = [];
    for (const [key, { score, words: byWords, meaning }] of fused) {
      const entry = this.#entries.get(key);
      if (!entry || (query.kinds && !query.kinds.includes(entry.document.kind))) continue;
      if (query.collection !== undefined && query.collection !== entry.collection) continue;
      const { document } = entry;
      const shared = query.services?.filter((service) => document.services.includes(service)) ?? [];
      const bonus = shared.length > 0 ? SERVICE_BONUS : 0;
      const boost = Math.max(-MOST_BOOST, Math.min(MOST_BOOST, this.#boost(document.id)));
      const why = [
        `words ${byWords.toFixed(1)}`,
        ...(near ? [`meaning ${meaning.toFixed(2)}`] : ["meaning not ready"]),
        ...(shared.length > 0 ? [`same services: ${shared.join(", ")}`] : []),
        ...(boost === 0 ? [] : [`${boost > 0 ? "helped" : "misled"} before: ${(boost * 100).toFixed(0)} %`]),
      ];
      hits.push({
        documentId: document.id,
        kind: document.kind,
        title: document.title,
        file: document.file,
        score: (score + bonus) * (1 + boost),
        excerpt: (near?.get(key)?.chunk ?? entry.chunks[0]?.chunk)?.text.slice(0, 400) ?? "",
        services: document.services,
        metadata: document.metadata,
        why: why.join(", "),
      });
    }
    return hits.sort((a, b) => b.score - a.score).slice(0, query.top);
  }

  async document(id: string): Promise<{ title: string; kind: DocumentKind; text: string } | null> {
    for (const { document } of this.#entries.values()) {
      if (document.id === id) return { title: document.title, kind: document.kind, text: document.text };
    }
    return null;
  }

  stats(): { readonly documents: number; readonly chunks: number; readonly embedded: number } {
    const chunks = [...this.#entries.values()].reduce((sum, { chunks: own }) => sum + own.length, 0);
    return { documents: this.#entries.size, chunks, embedded: this.#labels.size };
  }

  async close(): Promise<void> {
    await this.#embedder.close();
    await this.#embedding.catch(() => undefined);
  }

  async #put(key: string, collection: string, hash: string, document: KnowledgeDocument): Promise<boolean> {
    if (this.#entries.get(key)?.hash === hash) return false;
    await this.#store.put({ key, collection, hash, body: JSON.stringify(document) });
    this.#unlink(key);
    this.#index(key, collection, hash, document);
    return true;
  }

  async #drop(key: string): Promise<void> {
    if (!this.#entries.has(key)) return;
    await this.#store.remove(key);
    this.#unlink(key);
    this.#words.remove(key);
    this.#entries.delete(key);
  }

  #index(key: string, collection: string, hash: string, document: KnowledgeDocument): void {
    const chunks = chunksOf(document).map((chunk) => ({ chunk, hash: sha(embeddedText(document, chunk)) }));
    this.#entries.set(key, { collection, hash, document, chunks, labels: [] });
    this.#words.put(key, document);
  }

  /** One embedding run at a time; a run takes in everything that is missing when it begins. */
  #embedMissing(onProgress?: (done: number, total: number) => void): Promise<void> {
    const run = async () => {
      const texts = new Map<string, string>();
      for (const { document, chunks } of this.#entries.values()) {
        for (const { chunk, hash } of chunks) texts.set(hash, embeddedText(document, chunk));
      }
      const known = await this.#store.vectors(this.#embedder.model, [...texts.keys()]);
      const missing = [...texts].filter(([hash]) => !known.has(hash));
      for (let from = 0; from < missing.length; from += 16) {
        const batch = missing.slice(from, from + 16);
        const vectors = await this.#embedder.embed(batch.map(([, text]) => text));
        const rows = batch.flatMap(([hash], index) => (vectors[index] ? [{ hash, vector: vectors[index] }] : []));
        await this.#store.saveVectors(this.#embedder.model, rows);
        onProgress?.(Math.min(missing.length, from + 16), missing.length);
      }
      await this.#connect();
    };
    this.#embedding = this.#embedding.catch(() => undefined).then(run);
    return this.#embedding;
  }

  /** Puts the stored vectors of entries that are not in the graph yet into it. */
  async #connect(): Promise<void> {
    const loose = [...this.#entries].filter(([, entry]) => entry.labels.length < entry.chunks.length);
    const vectors = await this.#store.vectors(
      this.#embedder.model,
      loose.flatMap(([, { chunks }]) => chunks.map(({ hash }) => hash)),
    );
    for (const [key, entry] of loose) {
      this.#unlink(key);
      for (const { chunk, hash } of entry.chunks) {
        const vector = vectors.get(hash);
        if (vector?.length !== DIMENSIONS) continue;
        if (this.#nextLabel >= this.#graph.getMaxElements()) this.#graph.resizeIndex(this.#graph.getMaxElements() * 2);
        const label = this.#nextLabel++;
        this.#graph.addPoint([...vector], label);
        this.#labels.set(label, { key, chunk });
        entry.labels.push(label);
      }
    }
  }

  #unlink(key: string): void {
    const entry = this.#entries.get(key);
    for (const label of entry?.labels ?? []) {
      this.#graph.markDelete(label);
      this.#labels.delete(label);
    }
    if (entry) entry.labels = [];
  }

  /** Best chunk of each document by cosine similarity; null while meaning is not to be had. */
  async #nearest(text: string): Promise<Map<string, { similarity: number; chunk: Chunk }> | null> {
    if (this.#labels.size === 0) return null;
    try {
      const [vector] = await this.#embedder.embed([text.slice(0, 1_000)]);
      if (!vector) return null;
      const { neighbors, distances } = this.#graph.searchKnn([...vector], Math.min(this.#labels.size, 200));
      const best = new Map<string, { similarity: number; chunk: Chunk }>();
      neighbors.forEach((label, index) => {
        const found = this.#labels.get(label);
        if (!found || best.has(found.key)) return;
        best.set(found.key, { similarity: 1 - (distances[index] ?? 1), chunk: found.chunk });
      });
      return best;
    } catch {
      // Words alone still answer; the hit says that meaning was not ready.
      return null;
    }
  }
}

export const openKnowledge = (options: KnowledgeOptions): Promise<Knowledge> => Knowledge.open(options);

function newGraph(capacity: number): hnswlib.HierarchicalNSW {
  const graph = new hnswlib.HierarchicalNSW("cosine", DIMENSIONS);
  graph.initIndex(capacity, 16, 200, 100);
  graph.setEf(200);
  return graph;
}

/** Files below a folder that are text and lie inside it; links that lead out are named and left. */
async function readableFiles(folder: string, problems: string[]): Promise<string[]> {
  const root = await realpath(folder);
  const found: string[] = [];
  for (const name of (await readdir(root, { recursive: true, encoding: "utf8" })).sort()) {
    if (!READABLE.test(name)) continue;
    const path = join(root, name);
    const inside = (await realpath(path).catch(() => "")).startsWith(root + sep);
    const { size } = await lstat(path);
    if (!inside) problems.push(`${name}: leads out of the folder; left out.`);
    else if (size > LARGEST_FILE) problems.push(`${name}: ${size} bytes, more than ${LARGEST_FILE}; left out.`);
    else found.push(relative(root, path).split(sep).join("/"));
  }
  return found;
}
