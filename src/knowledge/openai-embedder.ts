import type { OpenAIEmbeddings } from "@langchain/openai";
import type { Embedder } from "./embedder.ts";

export interface OpenAiEmbedderOptions {
  /** For instance `text-embedding-3-large`. */
  readonly model: string;
  readonly apiKey: string;
  /** Any OpenAI-compatible endpoint, for instance `http://127.0.0.1:11434/v1`; OpenAI's own when left out. */
  readonly baseUrl?: string;
  /** Shortens the vectors, where the model can. */
  readonly dimensions?: number;
  /** Milliseconds. A search waits no longer for the meaning of its query. */
  readonly timeout?: number;
}

/** Embeddings of any endpoint that speaks OpenAI's API. Document text is sent to that endpoint. */
export class OpenAiEmbedder implements Embedder {
  readonly model: string;
  readonly #options: OpenAiEmbedderOptions;
  #client: Promise<OpenAIEmbeddings> | null = null;

  constructor(options: OpenAiEmbedderOptions) {
    this.model = options.dimensions === undefined ? options.model : `${options.model}@${options.dimensions}`;
    this.#options = options;
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    this.#client ??= connect(this.#options);
    const vectors = await (await this.#client).embedDocuments([...texts]);
    return vectors.map((vector) => Float32Array.from(vector));
  }

  async close(): Promise<void> {}
}

/** Loaded when it is first needed: the library costs memory that the shipped model's users need not pay. */
async function connect({
  model,
  apiKey,
  baseUrl,
  dimensions,
  timeout = 10_000,
}: OpenAiEmbedderOptions): Promise<OpenAIEmbeddings> {
  const { OpenAIEmbeddings } = await import("@langchain/openai");
  return new OpenAIEmbeddings({
    model,
    apiKey,
    timeout,
    maxRetries: 1,
    // Base64 by default in the client, which several compatible servers do not speak.
    encodingFormat: "float",
    ...(dimensions === undefined ? {} : { dimensions }),
    ...(baseUrl === undefined ? {} : { configuration: { baseURL: baseUrl } }),
  });
}
