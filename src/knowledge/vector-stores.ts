import { createHash } from "node:crypto";
import type { EmbeddingsInterface } from "@langchain/core/embeddings";
import type { OpenedStore } from "./remote-index.ts";

export interface VectorStoreOptions {
  readonly kind: "pgvector" | "qdrant" | "weaviate" | "pinecone";
  /** pgvector: `postgres://…`; the others: address over HTTP, for Pinecone that of the index. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** Weaviate searches over gRPC. */
  readonly grpcUrl?: string | undefined;
  /** Table, collection, class or namespace; the embedding model is part of its real name, so that models never mix. */
  readonly collection: string;
  /** Of the embedding model. */
  readonly model: string;
  /** pgvector: at a time; 4 unless told. */
  readonly connections?: number;
}

/** Pgvector's index takes no longer vectors; without it search is exact, and slower. */
const LONGEST_INDEXED = 2_000;

/** Vectors are made elsewhere; a store that asks for one has been misconfigured. */
const embeddings: EmbeddingsInterface = {
  embedDocuments: () => Promise.reject(new Error("Vigil makes the vectors itself.")),
  embedQuery: () => Promise.reject(new Error("Vigil makes the vectors itself.")),
};

const nearness = (distance: number): number => 1 - distance;
const itself = (score: number): number => score;

/** Opens what is configured; only the store that is named is loaded. @throws when it cannot be reached */
export async function openVectorStore(options: VectorStoreOptions, dimensions: number): Promise<OpenedStore> {
  const { kind, url, apiKey, model } = options;
  const suffix = createHash("sha256").update(model).digest("hex").slice(0, 8);
  const name = `${options.collection}_${suffix}`;
  switch (kind) {
    case "pgvector": {
      const [{ PGVectorStore }, { default: pg }] = await Promise.all([
        import("@langchain/community/vectorstores/pgvector"),
        import("pg"),
      ]);
      const pool = new pg.Pool({
        connectionString: url,
        max: options.connections ?? 4,
        connectionTimeoutMillis: 10_000,
        query_timeout: 10_000,
        // By default the index gives 40 at most.
        options: "-c hnsw.ef_search=400",
      });
      // A connection that breaks while it rests is replaced by the pool; without a listener it would end the process.
      pool.on("error", () => undefined);
      // Not by `initialize`, which would keep one connection to itself for ever.
      const store = new PGVectorStore(embeddings, {
        pool,
        tableName: name,
        columns: { idColumnName: "id", vectorColumnName: "vector", contentColumnName: "content", metadataColumnName: "metadata" },
        distanceStrategy: "cosine",
      });
      try {
        await store.ensureTableInDatabase(dimensions);
        if (dimensions <= LONGEST_INDEXED) await store.createHnswIndex({ dimensions, namespace: name });
      } catch (error) {
        await pool.end();
        throw error;
      }
      return { store, similarity: nearness, replaces: false, close: () => pool.end() };
    }
    case "qdrant": {
      const { QdrantVectorStore } = await import("@langchain/qdrant");
      const store = new QdrantVectorStore(embeddings, {
        url,
        ...(apiKey ? { apiKey } : {}),
        collectionName: name,
        collectionConfig: { vectors: { size: dimensions, distance: "Cosine" } },
      });
      await store.ensureCollection();
      return { store, similarity: itself, replaces: true };
    }
    case "weaviate": {
      const [{ WeaviateStore }, { default: weaviate }] = await Promise.all([
        import("@langchain/weaviate"),
        import("weaviate-client"),
      ]);
      const [http, grpc] = [new URL(url), new URL(options.grpcUrl ?? url)];
      const secure = (address: URL) => address.protocol === "https:";
      const client = await weaviate.connectToCustom({
        httpHost: http.hostname,
        httpPort: Number(http.port || (secure(http) ? 443 : 80)),
        httpSecure: secure(http),
        grpcHost: grpc.hostname,
        grpcPort: Number(grpc.port || 50_051),
        grpcSecure: secure(grpc),
        ...(apiKey ? { authCredentials: new weaviate.ApiKey(apiKey) } : {}),
      });
      // A class begins with a capital letter.
      const indexName = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
      // Declared, so that it also works where Weaviate may not guess a schema; searched by vector only.
      const property = (name: string) => ({ name, dataType: "text" as const, indexFilterable: false, indexSearchable: false });
      const store = await WeaviateStore.initialize(embeddings, {
        client,
        indexName,
        schema: { name: indexName, properties: [property("text"), property("hash")] },
        textKey: "text",
        metadataKeys: ["hash"],
      });
      return { store, similarity: nearness, replaces: false, close: () => client.close() };
    }
    case "pinecone": {
      const { PineconeStore } = await import("@langchain/pinecone");
      const store = new PineconeStore(embeddings, {
        pineconeConfig: { indexName: options.collection, indexHostUrl: url, config: { apiKey: apiKey ?? "" } },
        namespace: name,
        maxRetries: 1,
      });
      return { store, similarity: itself, replaces: true };
    }
  }
}
