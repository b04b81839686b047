import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Knowledge } from "../../../src/knowledge/index.ts";
import { openDatabase } from "../../../src/store/database.ts";
import { KnowledgeRepository, type KnowledgeTables, knowledgeMigrations } from "../../../src/store/knowledge.ts";
import { WordEmbedder } from "../../support/word-embedder.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil-knowledge-store-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("documents and vectors in the database", () => {
  it("gives vectors back exactly, by model, and more of them than a statement has parameters", async () => {
    const db = await openDatabase<KnowledgeTables>(":memory:", knowledgeMigrations, "normal");
    const store = new KnowledgeRepository(db);
    const vectors = Array.from({ length: 1_200 }, (_, index) => ({
      hash: `h${index}`,
      vector: Float32Array.from([index, 0.1, -1e-7]),
    }));
    await store.saveVectors("one", vectors);
    await store.saveVectors("one", [{ hash: "h0", vector: Float32Array.from([9]) }]);
    const hashes = vectors.map(({ hash }) => hash);
    const back = await store.vectors("one", hashes);
    expect(back.size).toBe(1_200);
    expect(back.get("h0")).toEqual(vectors[0]?.vector);
    expect((await store.vectors("two", hashes)).size).toBe(0);
    await store.removeVectors(hashes.slice(1));
    expect([...(await store.vectors("one", hashes)).keys()]).toEqual(["h0"]);
    await db.destroy();
  });

  it("replaces a document of the same key and removes it", async () => {
    const db = await openDatabase<KnowledgeTables>(":memory:", knowledgeMigrations, "normal");
    const store = new KnowledgeRepository(db);
    await store.put({ key: "k", collection: "c", hash: "1", body: "{}" });
    await store.put({ key: "k", collection: "c", hash: "2", body: "[]" });
    expect(await store.documents()).toEqual([{ key: "k", collection: "c", hash: "2", body: "[]" }]);
    await store.remove("k");
    expect(await store.documents()).toEqual([]);
    await db.destroy();
  });
});

describe("kill -9 while documents come and go", () => {
  it.each([20, 130])("loses nothing that was acknowledged and brings nothing back (killed after %i)", async (after) => {
    const file = join(folder, "state.db");
    const indexFile = join(folder, "knowledge.hnsw");
    const writer = spawn(
      process.execPath,
      ["--import", "tsx", resolve(import.meta.dirname, "../../support/knowledge-writer.ts"), file, indexFile],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const ended = new Promise((done) => writer.once("exit", (_, signal) => done(signal)));
    const added = new Set<string>();
    const removed = new Set<string>();
    for await (const line of createInterface({ input: writer.stdout })) {
      const [what, id = ""] = line.split(" ");
      if (what === "added") added.add(id);
      // From here on until it is said to be removed, either is right.
      if (what === "removing") added.delete(id);
      if (what === "removed") removed.add(id);
      if (added.size >= after) writer.kill("SIGKILL");
    }
    expect(await ended).toBe("SIGKILL");

    const db = await openDatabase<KnowledgeTables>(file, knowledgeMigrations, "full");
    const embedder = new WordEmbedder();
    // More than the graph is made from, and more than it is kept for.
    expect(existsSync(`${indexFile}.json`)).toBe(after > 100);
    const knowledge = await Knowledge.open({ store: new KnowledgeRepository(db), embedder, indexFile, graphFrom: 40 });
    for (const id of added) expect(await knowledge.document(id), id).not.toBeNull();
    for (const id of removed) expect(await knowledge.document(id), id).toBeNull();
    const hits = await knowledge.search({ text: "the queue stopped", top: 500 });
    expect(hits.filter(({ documentId }) => removed.has(documentId))).toEqual([]);
    expect(hits.map(({ documentId }) => documentId)).toEqual(expect.arrayContaining([...added]));
    // Acknowledged documents have their vectors: only the one that was under way may want embedding.
    await knowledge.add({ id: "next", kind: "note", title: "Next", services: [], text: "after the crash", metadata: {} });
    expect(
      embedder.asked.filter((text) => !text.includes("queue stopped.") || text.includes("after the crash")).length,
    ).toBeGreaterThan(0);
    expect(embedder.asked.filter((text) => text.includes("Incident number")).length).toBeLessThanOrEqual(1);
    await knowledge.close();
    await db.destroy();
  });
});
