import { createHash } from "node:crypto";
import type { DocumentKind, KnowledgeBase, SearchHit, SearchQuery } from "../domain/knowledge.ts";
import { AUDIENCE_KEY } from "./audience.ts";
import { type Chunk, chunksOf, DocumentError, embeddedText, type KnowledgeDocument, parseMarkdown } from "./document.ts";
import { type Embedder, LocalEmbedder } from "./embedder.ts";
import { isBinary, textFiles } from "./folder.ts";
import type { Neighbour, PassageIndex } from "./passage-index.ts";
import { fuse, WordIndex } from "./rank.ts";
import { RemoteIndex } from "./remote-index.ts";
import type { DocumentSource } from "./source.ts";
import type { KnowledgeStore } from "./store.ts";
import { openVectorStore, type VectorStoreOptions } from "./vector-stores.ts";
import { VectorIndex } from "./vectors.ts";

export interface KnowledgeOptions {
  readonly store: KnowledgeStore;
  /** The sentence model that ships with Vigil when left out. */
  readonly embedder?: Embedder;
  /** File that keeps the graph of vectors between runs; worth it from some thousand passages. Without it the graph is built at start. */
  readonly indexFile?: string;
  /** Passages from which a graph is made, see `VectorIndex`. */
  readonly graphFrom?: number;
  /** Instead of the graph in memory: passages in a vector database. */
  readonly remote?: Omit<VectorStoreOptions, "model"> | undefined;
  /** How much a document that helped with such services before moves up, or one that misled moves down. */
  readonly boost?: (documentId: string, services: readonly string[]) => Boost;
}

/** A learned shift in the ranking: a share of the score, kept within ±0.3, and the investigations behind it. */
export interface Boost {
  readonly value: number;
  readonly because: readonly string[];
}

/** What an ingestion did. `problems` name files that were left out, with line and remedy. */
export interface Ingestion {
  readonly documents: number;
  readonly changed: number;
  readonly removed: number;
  readonly problems: readonly string[];
}

export interface IngestOptions {
  readonly onProgress?: (done: number, total: number) => void;
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
}

/** How well a document fits, by words of the question, by signs beside it, and by meaning. */
interface Match {
  readonly words: number;
  readonly signs: number;
  /** Null while meaning is not to be had, undefined when the document is far from the question. */
  readonly meaning: { readonly similarity: number; readonly hash: string } | null | undefined;
}

/** Part of every content hash: documents are read anew when the way of reading them changes. */
const FORMAT = "2";
/** The collection of documents that are no files. */
const OWN = "vigil";
const BATCH = 16;
/** Unsaved passages that are worth writing the graph for, beside one in 500: what a crash loses of it is built again from the database. */
const FEWEST_TO_SAVE = 64;
const NEAREST_PASSAGES = 100;
const MOST_SERVICE_BONUS = 0.1;
const MOST_BOOST = 0.3;
/** A score of half. */
const HALF = 30;

const sha = (text: string): string => createHash("sha256").update(text).digest("base64url");

/**
 * The context repository: documents by words and by meaning. Documents and vectors live in the database; both indexes are made from it, so
 * nothing is lost or embedded twice. While vectors are still being made, or cannot be had, search goes by words.
 */
export class Knowledge implements KnowledgeBase {
  readonly #store: KnowledgeStore;
  readonly #embedder: Embedder;
  readonly #indexFile: string | null;
  readonly #boost: (id: string, services: readonly string[]) => Boost;
  readonly #entries = new Map<string, Entry>();
  /** Passage to the documents in which it stands. */
  readonly #owners = new Map<string, Set<string>>();
  readonly #words = new WordIndex();
  readonly #vectors: PassageIndex;
  /** The index in memory, or null with a vector database. */
  readonly #graph: VectorIndex | null;
  readonly #remote: RemoteIndex | null;
  #embedding: Promise<void> = Promise.resolve();

  private constructor({ store, embedder, indexFile, graphFrom, remote, boost }: KnowledgeOptions) {
    this.#store = store;
    this.#embedder = embedder ?? new LocalEmbedder();
    this.#indexFile = indexFile ?? null;
    this.#boost = boost ?? (() => ({ value: 0, because: [] }));
    const { model } = this.#embedder;
    this.#remote = remote
      ? new RemoteIndex({
          open: (dimensions) => openVectorStore({ ...remote, model }, dimensions),
          vectorOf: async (hash) => (await store.vectors(model, [hash])).get(hash) ?? null,
        })
      : null;
    this.#graph = this.#remote ? null : new VectorIndex(model, graphFrom === undefined ? {} : { graphFrom });
    this.#vectors = this.#remote ?? this.#graph ?? new VectorIndex(model);
  }

  static async open(options: KnowledgeOptions): Promise<Knowledge> {
    const knowledge = new Knowledge(options);
    for (const { key, collection, hash, body } of await options.store.documents()) {
      knowledge.#index(key, collection, hash, { aliases: [], ...(JSON.parse(body) as Omit<KnowledgeDocument, "aliases">) });
    }
    if (options.indexFile) await knowledge.#graph?.load(options.indexFile);
    // A vector database that is down is told everything at the next ingestion; until then search goes by words.
    await knowledge.#connect().catch((error) => {
      if (!options.remote) throw error;
    });
    return knowledge;
  }

  /**
   * Reads a folder of Markdown and text. Only what changed is embedded again; what is gone is forgotten; a file that has become unreadable
   * keeps its last good version. Found by words as soon as it is read, by meaning when this resolves.
   *
   * @throws when the folder cannot be read, or the embedding fails (the documents are kept and found by words)
   */
  async ingestFolder(folder: string, options: { readonly collection: string } & IngestOptions): Promise<Ingestion> {
    const { collection } = options;
    const documents = async (onProblem: (problem: string) => void) =>
      (await textFiles(folder, onProblem)).map((file) => ({ ...file, version: null, metadata: {} }));
    return this.ingest({ collection, audience: null, documents }, options);
  }

  /** As `ingestFolder`, from any place where documents are kept. What has its version unchanged is not even read. */
  async ingest(source: DocumentSource, { onProgress }: IngestOptions = {}): Promise<Ingestion> {
    const { collection } = source;
    const problems: string[] = [];
    const seen = new Set<string>();
    let changed = 0;
    let documents = 0;
    for (const { file, version, metadata, read } of await source.documents((problem) => problems.push(problem))) {
      const key = `${collection}/${file}`;
      seen.add(key);
      const more = { ...metadata, ...(source.audience === null ? {} : { [AUDIENCE_KEY]: source.audience }) };
      const beside = Object.keys(more).length > 0 ? JSON.stringify(more) : "";
      try {
        const known = version === null ? null : sha(`${FORMAT}\n${beside}\n${version}`);
        if (known === null || this.#entries.get(key)?.hash !== known) {
          const raw = await read();
          if (isBinary(raw)) {
            problems.push(`${file}: is not text; left out.`);
            continue;
          }
          if (await this.#put(key, collection, known ?? sha(`${FORMAT}\n${raw}${beside}`), () => described(file, raw, more)))
            changed++;
        }
        documents++;
      } catch (error) {
        if (!(error instanceof DocumentError)) throw error;
        problems.push(error.message);
      }
    }
    const gone = [...this.#entries].filter(([key, entry]) => entry.collection === collection && !seen.has(key));
    for (const [key] of gone) await this.#drop(key);
    await this.#embedMissing(onProgress);
    return { documents, changed, removed: gone.length, problems };
  }

  /** Adds or replaces a document that is no file, for instance a confirmed investigation. Found by words at once, by meaning when this resolves, unless `embed` is false. */
  async add(given: NewDocument, { embed = true }: { readonly embed?: boolean } = {}): Promise<void> {
    const document: KnowledgeDocument = { ...given, aliases: [], file: `${given.kind}s/${given.id}` };
    await this.#put(`${OWN}/${given.id}`, OWN, sha(`${FORMAT}\n${JSON.stringify(given)}`), () => document);
    if (embed) await this.#embedMissing();
  }

  /** Embeds what was added without. */
  async catchUp(): Promise<void> {
    await this.#embedMissing();
  }

  /** Forgets a document that was added; files are removed from their folder instead. */
  async remove(id: string): Promise<void> {
    await this.#drop(`${OWN}/${id}`);
  }

  async search(query: SearchQuery): Promise<readonly SearchHit[]> {
    const wanted = ({ collection, document }: Entry): boolean =>
      (query.kinds?.includes(document.kind) ?? true) && (query.collection === undefined || query.collection === collection);
    const words = this.#words.search(query.text);
    const signs = this.#words.searchSigns(query.signs ?? []);
    const meaning = await this.#meaning(query, wanted, new Set([...signs.keys(), ...words.keys()]));
    const hits: SearchHit[] = [];
    for (const key of new Set([...words.keys(), ...signs.keys(), ...(meaning?.keys() ?? [])])) {
      const entry = this.#entries.get(key);
      const by = { words: words.get(key) ?? 0, signs: signs.get(key) ?? 0, meaning: meaning === null ? null : meaning.get(key) };
      if (entry && wanted(entry)) hits.push(this.#hit(entry, query, by));
    }
    return hits.sort((a, b) => b.score - a.score).slice(0, query.top);
  }

  async document(
    id: string,
  ): Promise<{ title: string; kind: DocumentKind; text: string; metadata: Readonly<Record<string, string>> } | null> {
    for (const { document } of this.#entries.values()) {
      if (document.id === id)
        return { title: document.title, kind: document.kind, text: document.text, metadata: document.metadata };
    }
    return null;
  }

  stats(): { readonly documents: number; readonly chunks: number; readonly embedded: number } {
    return { documents: this.#entries.size, chunks: this.#owners.size, embedded: this.#vectors.size };
  }

  async close(): Promise<void> {
    await this.#embedder.close();
    await this.#embedding.catch(() => undefined);
    await this.#saveGraph();
  }

  async #put(key: string, collection: string, hash: string, parse: () => KnowledgeDocument): Promise<boolean> {
    if (this.#entries.get(key)?.hash === hash) return false;
    const document = parse();
    await this.#store.put({ key, collection, hash, body: JSON.stringify(document) });
    const before = this.#entries.get(key);
    this.#index(key, collection, hash, document);
    if (before) await this.#forget(key, before);
    return true;
  }

  async #drop(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (!entry) return;
    await this.#store.remove(key);
    this.#words.remove(key);
    this.#entries.delete(key);
    await this.#forget(key, entry);
  }

  #index(key: string, collection: string, hash: string, document: KnowledgeDocument): void {
    const chunks = chunksOf(document).map((chunk) => ({ chunk, hash: sha(embeddedText(document, chunk)) }));
    this.#entries.set(key, { collection, hash, document, chunks });
    for (const { hash: passage } of chunks) {
      const owners = this.#owners.get(passage) ?? new Set();
      this.#owners.set(passage, owners.add(key));
    }
    this.#words.put(key, document);
  }

  /** Lets go of the passages that `before` had and that stand nowhere any more. */
  async #forget(key: string, before: Entry): Promise<void> {
    const kept = new Set(this.#entries.get(key)?.chunks.map(({ hash }) => hash));
    const orphans: string[] = [];
    for (const { hash } of before.chunks) {
      const owners = this.#owners.get(hash);
      if (!owners || kept.has(hash)) continue;
      owners.delete(key);
      if (owners.size > 0) continue;
      this.#owners.delete(hash);
      // What a vector database keeps for longer than the document is never asked for.
      await Promise.resolve(this.#vectors.remove(hash)).catch(() => undefined);
      orphans.push(hash);
    }
    await this.#store.removeVectors(orphans);
  }

  /** One embedding run at a time; a run takes in everything that is missing when it begins. */
  #embedMissing(onProgress?: (done: number, total: number) => void): Promise<void> {
    const run = async () => {
      await this.#connect();
      const missing = new Map<string, string>();
      for (const { document, chunks } of this.#entries.values()) {
        for (const { chunk, hash } of chunks) if (!this.#vectors.has(hash)) missing.set(hash, embeddedText(document, chunk));
      }
      const texts = [...missing];
      for (let from = 0; from < texts.length; from += BATCH) {
        const batch = texts.slice(from, from + BATCH);
        const vectors = await this.#embedder.embed(batch.map(([, text]) => text));
        // What was removed meanwhile is not brought back.
        const made = batch.flatMap(([hash], at) =>
          vectors[at] && this.#owners.has(hash) ? [{ hash, vector: vectors[at] }] : [],
        );
        await this.#store.saveVectors(this.#embedder.model, made);
        await this.#vectors.add(made);
        onProgress?.(Math.min(texts.length, from + BATCH), texts.length);
      }
      if ((this.#graph?.unsaved ?? 0) >= Math.max(FEWEST_TO_SAVE, this.#vectors.size / 500)) await this.#saveGraph();
    };
    this.#embedding = this.#embedding.catch(() => undefined).then(run);
    return this.#embedding;
  }

  /** A graph that cannot be kept is built again at the next start. */
  async #saveGraph(): Promise<void> {
    if (this.#indexFile) await this.#graph?.save(this.#indexFile).catch(() => undefined);
  }

  /** Brings the graph in line with the documents as far as vectors are stored. */
  async #connect(): Promise<void> {
    const loose = [...this.#owners.keys()].filter((hash) => !this.#vectors.has(hash));
    for (let from = 0; from < loose.length; from += 1_000) {
      const stored = await this.#store.vectors(this.#embedder.model, loose.slice(from, from + 1_000));
      await this.#vectors.add([...stored].map(([hash, vector]) => ({ hash, vector })));
    }
  }

  /** Best passage of each document by cosine similarity; null while meaning is not to be had. */
  async #meaning(
    query: SearchQuery,
    wanted: (entry: Entry) => boolean,
    byWords: Iterable<string>,
  ): Promise<Map<string, { similarity: number; hash: string }> | null> {
    if (this.#vectors.size === 0) return null;
    let vector: Float32Array | undefined;
    try {
      [vector] = await this.#embedder.embed([query.text.slice(0, 1_000)]);
    } catch {
      // Words alone still answer; each hit says that meaning was not there.
    }
    if (!vector) return null;
    const ownersOf = (hash: string) => [...(this.#owners.get(hash) ?? [])];
    const isWanted = (key: string) => {
      const entry = this.#entries.get(key);
      return entry !== undefined && wanted(entry);
    };
    const narrowed = query.kinds !== undefined || query.collection !== undefined;
    const accept = narrowed ? (hash: string) => ownersOf(hash).some(isWanted) : (hash: string) => this.#owners.has(hash);
    const best = new Map<string, { similarity: number; hash: string }>();
    const consider = (key: string, hash: string, similarity: number) => {
      if ((best.get(key)?.similarity ?? -1) < similarity) best.set(key, { similarity, hash });
    };
    let near: readonly Neighbour[];
    try {
      near = await this.#vectors.nearest(vector, NEAREST_PASSAGES, accept);
    } catch {
      // As above: a vector database that does not answer leaves the words.
      return null;
    }
    for (const { hash, similarity } of near) {
      for (const key of ownersOf(hash)) consider(key, hash, similarity);
    }
    // What words found is measured too, so that a long list of near passages does not hide it.
    let measured = 0;
    for (const key of byWords) {
      if (best.has(key) || !isWanted(key)) continue;
      if (++measured > NEAREST_PASSAGES) break;
      for (const { hash } of this.#entries.get(key)?.chunks ?? [])
        consider(key, hash, (await this.#vectors.similarity(vector, hash)) ?? 0);
    }
    return best;
  }

  #hit(entry: Entry, query: SearchQuery, { words, signs, meaning }: Match): SearchHit {
    const { document, chunks } = entry;
    const shared = query.services?.filter((service) => document.services.includes(service)) ?? [];
    const bonus = (MOST_SERVICE_BONUS * shared.length) / Math.max(1, query.services?.length ?? 0);
    const learned = this.#boost(document.id, query.services ?? []);
    const boost = Math.max(-MOST_BOOST, Math.min(MOST_BOOST, learned.value));
    const total = fuse(words + signs, meaning?.similarity ?? 0) * (1 + bonus) * (1 + boost);
    const passage = chunks.find(({ hash }) => hash === meaning?.hash) ?? chunks[0];
    const why = [
      `words ${words.toFixed(1)}`,
      ...(signs > 0 ? [`signs ${signs.toFixed(1)}`] : []),
      meaning === null ? "meaning not ready" : `meaning ${(meaning?.similarity ?? 0).toFixed(2)}`,
      ...(shared.length > 0 ? [`same services: ${shared.join(", ")}`] : []),
      ...(Math.abs(boost) < 0.005
        ? []
        : [`ranked ${boost > 0 ? "higher: helped" : "lower: misled"} in ${learned.because.slice(-3).join(", ")}`]),
    ];
    return {
      documentId: document.id,
      kind: document.kind,
      title: document.title,
      file: document.file,
      score: total / (total + HALF),
      excerpt: passage?.chunk.text.slice(0, 400) ?? "",
      services: document.services,
      metadata: document.metadata,
      why: why.join(", "),
    };
  }
}

/** A file with what its source says about it; what its own front matter says goes before, except for who may read it. */
function described(file: string, raw: string, metadata: Readonly<Record<string, string>>): KnowledgeDocument {
  const document = parseMarkdown(file, raw);
  const audience = metadata[AUDIENCE_KEY];
  return { ...document, metadata: { ...metadata, ...document.metadata, ...(audience ? { [AUDIENCE_KEY]: audience } : {}) } };
}

/** Opens what is known; nothing is embedded before `ingestFolder` or `add`. */
export const openKnowledge = (options: KnowledgeOptions): Promise<Knowledge> => Knowledge.open(options);
