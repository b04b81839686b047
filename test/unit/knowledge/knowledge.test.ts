import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openKnowledge } from "../../../src/knowledge/index.ts";
import { openDatabase } from "../../../src/store/database.ts";
import { KnowledgeRepository, type KnowledgeTables, knowledgeMigrations } from "../../../src/store/knowledge.ts";

/** Hashes words into 512 buckets, remembers what it was asked, and fails once its allowance is used up. */
class CountingEmbedder {
  readonly model = "counting";
  readonly texts: string[] = [];
  allowance = Number.POSITIVE_INFINITY;

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    if (this.texts.length >= this.allowance) throw new Error("the process was killed");
    this.texts.push(...texts);
    return texts.map((text) => {
      const vector = new Float32Array(512).fill(0.001);
      for (const word of text.toLowerCase().split(/\W+/)) {
        let bucket = 0;
        for (const letter of word) bucket = (bucket * 31 + letter.charCodeAt(0)) % 512;
        vector[bucket] = (vector[bucket] ?? 0) + 1;
      }
      return vector;
    });
  }

  async close(): Promise<void> {}
}

let folder: string;
let docs: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "vigil-knowledge-"));
  docs = join(folder, "docs");
  await mkdir(join(docs, "runbooks"), { recursive: true });
  await writeFile(join(docs, "runbooks/disk.md"), "# Disk fills up\n\nOld logs eat the volume. Delete them.\n");
  await writeFile(join(docs, "runbooks/dns.md"), "# Names do not resolve\n\nThe resolver keeps a stale answer. Flush it.\n");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function open(embedder = new CountingEmbedder()) {
  const db = await openDatabase<KnowledgeTables>(join(folder, "state.db"), knowledgeMigrations, "normal");
  const knowledge = await openKnowledge({ store: new KnowledgeRepository(db), embedder });
  const close = async () => {
    await knowledge.close();
    await db.destroy();
  };
  return { knowledge, embedder, close };
}

describe("what Vigil knows", () => {
  it("embeds again only what changed, and forgets what is gone", async () => {
    const { knowledge, embedder, close } = await open();
    expect(await knowledge.ingestFolder(docs, { collection: "docs" })).toMatchObject({ documents: 2, changed: 2, removed: 0 });
    const first = embedder.texts.length;

    expect(await knowledge.ingestFolder(docs, { collection: "docs" })).toMatchObject({ changed: 0, removed: 0 });
    expect(embedder.texts).toHaveLength(first);

    await writeFile(join(docs, "runbooks/disk.md"), "# Disk fills up\n\nCore dumps eat the volume. Move them.\n");
    await rm(join(docs, "runbooks/dns.md"));
    expect(await knowledge.ingestFolder(docs, { collection: "docs" })).toMatchObject({ documents: 1, changed: 1, removed: 1 });
    expect(embedder.texts.slice(first).join()).toContain("Core dumps");
    expect(embedder.texts.slice(first).join()).not.toContain("resolver");
    expect((await knowledge.search({ text: "stale resolver names", top: 5 })).map(({ file }) => file)).not.toContain(
      "runbooks/dns.md",
    );
    await close();
  });

  it("names file and line of front matter that is no YAML, and takes in the rest", async () => {
    await writeFile(join(docs, "broken.md"), "---\nid: A\nservices: [cart\ntitle: x\n---\n# Broken\n");
    const { knowledge, close } = await open();
    const { documents, problems } = await knowledge.ingestFolder(docs, { collection: "docs" });
    expect(documents).toBe(2);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^broken\.md:\d+: the front matter is not valid YAML/);
    await close();
  });

  it("finds a document that was added at once, also after a restart, and no more once it is removed", async () => {
    const before = await open();
    const added = {
      id: "inv-1",
      kind: "incident",
      title: "Voucher storm",
      services: ["cart"],
      text: "Vouchers piled up.",
      metadata: {},
    } as const;
    await before.knowledge.add(added);
    await before.close();

    const { knowledge, close } = await open();
    expect((await knowledge.search({ text: "vouchers", services: ["cart"], top: 1 }))[0]).toMatchObject({
      documentId: "inv-1",
      why: expect.stringContaining("same services: cart"),
    });
    await knowledge.remove("inv-1");
    expect(await knowledge.document("inv-1")).toBeNull();
    expect(await knowledge.search({ text: "vouchers", top: 5 })).toEqual([]);
    await close();
  });

  it("keeps the vectors that were made before it was killed, answers by words meanwhile, and makes only the missing ones", async () => {
    for (let page = 0; page < 30; page++)
      await writeFile(join(docs, `page-${page}.md`), `# Page ${page}\n\nSubject number ${page}.\n`);
    const dying = new CountingEmbedder();
    dying.allowance = 16;
    const killed = await open(dying);
    await expect(killed.knowledge.ingestFolder(docs, { collection: "docs" })).rejects.toThrow("killed");
    expect((await killed.knowledge.search({ text: "stale resolver", top: 1 }))[0]).toMatchObject({ file: "runbooks/dns.md" });
    await killed.close();

    const { knowledge, embedder, close } = await open();
    await knowledge.ingestFolder(docs, { collection: "docs" });
    const { chunks, embedded } = knowledge.stats();
    expect(embedded).toBe(chunks);
    expect(embedder.texts).toHaveLength(chunks - 16);
    expect(embedder.texts.filter((text) => dying.texts.includes(text))).toEqual([]);
    await close();
  });
});
