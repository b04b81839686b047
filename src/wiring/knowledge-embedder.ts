import type { Config } from "../config.ts";
import type { Probe } from "../domain/probe.ts";
import { SECOND } from "../domain/time.ts";
import { type Embedder, type KnowledgeOptions, LocalEmbedder, OpenAiEmbedder } from "../knowledge/index.ts";
import { JsonApi, type Path } from "../targets/json-api.ts";

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

/** The vector database that is configured; undefined for the graph in memory. */
export function remoteVectors({ knowledge }: Pick<Config, "knowledge">): KnowledgeOptions["remote"] {
  const { kind, url, apiKey, grpcUrl, collection } = knowledge.vectors;
  return kind === "hnswlib" || url === undefined ? undefined : { kind, url, apiKey, grpcUrl, collection };
}

/** A read-only call to the configured vector database; null for the graph in memory. */
export function vectorsProbe(config: Pick<Config, "knowledge">): Probe | null {
  const remote = remoteVectors(config);
  if (!remote) return null;
  const { kind, url, apiKey } = remote;
  return {
    concern: "vectors",
    check: async () => {
      const where = `${kind} at ${new URL(url).host}`;
      if (kind === "pgvector") return `${where}: pgvector ${await pgvectorVersion(url)}`;
      const headers: Record<string, string> = {};
      if (apiKey && kind === "weaviate") headers.authorization = `Bearer ${apiKey}`;
      else if (apiKey) headers["api-key"] = apiKey;
      const api = new JsonApi({
        name: kind,
        url,
        headers,
        keys: { url: "knowledge.vectors.url", token: "knowledge.vectors.apiKey" },
      });
      const path: Readonly<Record<typeof kind, Path>> = {
        qdrant: ["collections"],
        weaviate: ["v1", "meta"],
        pinecone: ["describe_index_stats"],
      };
      await (kind === "pinecone" ? api.ask(path[kind], { body: {} }) : api.get(path[kind]));
      return `${where}: answers`;
    },
  };
}

/** @throws naming the remedy when the extension is not there */
async function pgvectorVersion(url: string): Promise<string> {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 5_000 });
  try {
    await client.connect();
    const { rows } = await client.query("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'");
    const [row] = rows as { default_version: string }[];
    if (!row) throw new Error("the server has no extension named vector; install pgvector there");
    return row.default_version;
  } catch (error) {
    throw new Error(`PostgreSQL: ${error instanceof Error ? error.message : String(error)}; check knowledge.vectors.url.`);
  } finally {
    await client.end().catch(() => undefined);
  }
}
