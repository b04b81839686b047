import { PGlite } from "@electric-sql/pglite";
import { vector } from "@electric-sql/pglite/vector";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Knowledge } from "../../src/knowledge/knowledge.ts";
import type { PassageIndex } from "../../src/knowledge/passage-index.ts";
import { RemoteIndex } from "../../src/knowledge/remote-index.ts";
import { openVectorStore, type VectorStoreOptions } from "../../src/knowledge/vector-stores.ts";
import { VectorIndex } from "../../src/knowledge/vectors.ts";
import { KnowledgeRepository } from "../../src/store/knowledge.ts";
import { openStateDatabase } from "../../src/store/state.ts";
import { vectorsProbe } from "../../src/wiring/knowledge-embedder.ts";
import { freePort } from "../e2e/app.ts";
import type { StubServer } from "../support/stub-server.ts";
import { stubPinecone, stubQdrant } from "../support/stub-vector-databases.ts";
import { type StubWeaviate, stubWeaviate } from "../support/stub-weaviate.ts";
import { WordEmbedder } from "../support/word-embedder.ts";
import { DIMENSIONS, PASSAGES, passageIndexContract } from "./passage-index.ts";

const vectorOf = async (hash: string) => PASSAGES.find((one) => one.hash === hash)?.vector ?? null;

const remote = (options: Omit<VectorStoreOptions, "collection" | "model">) =>
  new RemoteIndex({
    open: (dimensions) => openVectorStore({ collection: "passages", model: "test", ...options }, dimensions),
    vectorOf,
  });

describe("the graph in memory", () => {
  const index = new VectorIndex("test");
  passageIndexContract(() => index);
});

/** PostgreSQL compiled to WebAssembly, with the real pgvector, behind PostgreSQL's own wire protocol. */
describe("a real pgvector (PGlite)", () => {
  let db: PGlite;
  let server: PGLiteSocketServer;
  let url = "";
  let index: RemoteIndex;
  beforeAll(async () => {
    db = await PGlite.create({ extensions: { vector } });
    const port = await freePort();
    server = new PGLiteSocketServer({ db, port, host: "127.0.0.1" });
    await server.start();
    url = `postgres://postgres:postgres@127.0.0.1:${port}/postgres?sslmode=disable`;
    index = remote({ kind: "pgvector", url, connections: 1 });
  });
  afterAll(async () => {
    await index?.close();
    await server?.stop();
    await db?.close();
  });
  passageIndexContract(() => index as PassageIndex);

  it("keeps no text, an index for cosine, and is brought in line by the next start", async () => {
    // PGlite serves one at a time.
    await index.close();
    const tables = await db.query<{ tablename: string }>("SELECT tablename FROM pg_tables WHERE tablename LIKE 'passages_%'");
    const table = tables.rows[0]?.tablename ?? "";
    const rows = await db.query<{ content: string }>(`SELECT content FROM ${table}`);
    expect(rows.rows).toHaveLength(64);
    expect(rows.rows.every(({ content }) => content.startsWith("passage-"))).toBe(true);
    const indexes = await db.query<{ indexdef: string }>(`SELECT indexdef FROM pg_indexes WHERE tablename = '${table}'`);
    expect(indexes.rows.map(({ indexdef }) => indexdef).join()).toContain("hnsw");
    await db.query(`DELETE FROM ${table}`);
    index = remote({ kind: "pgvector", url, connections: 1 });
    await index.add(PASSAGES);
    expect((await index.nearest(PASSAGES[40]?.vector ?? new Float32Array(), 1))[0]?.hash).toBe(PASSAGES[40]?.hash);
  });
});

describe("Qdrant (stub)", () => {
  let stub: StubServer;
  let index: PassageIndex;
  beforeAll(async () => {
    stub = await stubQdrant({ apiKey: "key", dimensions: DIMENSIONS });
    index = remote({ kind: "qdrant", url: stub.url, apiKey: "key" });
  });
  afterAll(() => stub.close());
  passageIndexContract(() => index);
});

describe("Pinecone (stub)", () => {
  let stub: StubServer;
  let index: PassageIndex;
  beforeAll(async () => {
    stub = await stubPinecone({ apiKey: "key" });
    index = remote({ kind: "pinecone", url: stub.url, apiKey: "key" });
  });
  afterAll(() => stub.close());
  passageIndexContract(() => index);
});

describe("Weaviate (stub)", () => {
  let stub: StubWeaviate;
  let index: RemoteIndex;
  const open = (apiKey: string) => remote({ kind: "weaviate", url: stub.url, grpcUrl: stub.grpcUrl, apiKey });
  beforeAll(async () => {
    stub = await stubWeaviate({ apiKey: "key" });
    index = open("key");
  });
  afterAll(async () => {
    await index?.close();
    await stub?.close();
  });
  passageIndexContract(() => index);

  it("finds its class again at the next start, and is told of a wrong key", async () => {
    const again = open("key");
    await again.add(PASSAGES);
    expect((await again.nearest(PASSAGES[40]?.vector ?? new Float32Array(), 1))[0]?.hash).toBe(PASSAGES[40]?.hash);
    await again.close();
    expect(stub.requests.filter(({ method, path }) => method === "POST" && path === "/v1/schema")).toHaveLength(1);
    await expect(open("wrong").add(PASSAGES)).rejects.toThrow(/invalid api key/);
    const vectors = { kind: "weaviate", url: stub.url, apiKey: "key" };
    const doctor = vectorsProbe({ knowledge: { vectors } } as Parameters<typeof vectorsProbe>[0]);
    expect(await doctor?.check()).toMatch(/^weaviate at 127\.0\.0\.1:\d+: answers$/);
  });
});

describe("doctor's look at a vector database (stub)", () => {
  const check = (vectors: object) => vectorsProbe({ knowledge: { vectors } } as Parameters<typeof vectorsProbe>[0])?.check();

  it("says that it answers, or which key to look at", async () => {
    const stub = await stubQdrant({ apiKey: "key", dimensions: DIMENSIONS });
    expect(await check({ kind: "qdrant", url: stub.url, apiKey: "key" })).toMatch(/^qdrant at 127\.0\.0\.1:\d+: answers$/);
    await expect(check({ kind: "qdrant", url: stub.url, apiKey: "wrong" })).rejects.toThrow(/403/);
    await stub.close();
    await expect(check({ kind: "pgvector", url: stub.url.replace("http", "postgres") })).rejects.toThrow(
      /knowledge\.vectors\.url/,
    );
    expect(check({ kind: "hnswlib" })).toBeUndefined();
  });
});

describe("knowledge whose vector database is gone (stub)", () => {
  it("still answers by words, and by meaning when the database is back", async () => {
    const stub = await stubQdrant({ apiKey: "key", dimensions: 64 });
    const state = await openStateDatabase(":memory:");
    const options = {
      store: new KnowledgeRepository(state),
      embedder: new WordEmbedder(),
      remote: { kind: "qdrant", url: stub.url, apiKey: "key", collection: "passages" },
    } as const;
    const knowledge = await Knowledge.open(options);
    const document = { kind: "incident", services: [], metadata: {} } as const;
    await knowledge.add({ ...document, id: "INC-1", title: "Cache", text: "the cache missed after a flag was raised" });
    const search = async (of: Knowledge) => (await of.search({ text: "flag raised and cache missed", top: 1 }))[0];
    expect((await search(knowledge))?.why).toMatch(/meaning 0\.\d+/);
    await stub.close();
    expect(await search(knowledge)).toMatchObject({ documentId: "INC-1", why: expect.stringContaining("meaning not ready") });
    await knowledge.close();
    const again = await Knowledge.open(options);
    expect(await search(again)).toMatchObject({ documentId: "INC-1" });
    await again.close();
    await state.destroy();
  });
});
