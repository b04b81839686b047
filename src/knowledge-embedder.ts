import type { Config } from "./config.ts";
import { SECOND } from "./domain/time.ts";
import { type Embedder, LocalEmbedder, OpenAiEmbedder } from "./knowledge/index.ts";

/** The configured endpoint's embeddings, or the sentence model that ships with Vigil. Only the first sends texts away. */
export function embedderOf({ knowledge, model }: Pick<Config, "knowledge" | "model">): Embedder {
  const { embeddings } = knowledge;
  if (!embeddings) return new LocalEmbedder();
  const baseUrl = embeddings.baseUrl ?? model.baseUrl;
  return new OpenAiEmbedder({
    model: embeddings.model,
    // Servers on one's own machine want none, the client wants something.
    apiKey: embeddings.apiKey ?? model.apiKey ?? "none",
    timeout: embeddings.timeoutSeconds * SECOND,
    ...(baseUrl === undefined ? {} : { baseUrl }),
    ...(embeddings.dimensions === undefined ? {} : { dimensions: embeddings.dimensions }),
  });
}
