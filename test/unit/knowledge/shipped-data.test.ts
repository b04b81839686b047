import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_NAMES } from "../../../src/demo/shop.ts";
import { chunksOf, parseMarkdown } from "../../../src/knowledge/document.ts";
import { Knowledge, readCatalog } from "../../../src/knowledge/index.ts";
import { openDatabase } from "../../../src/store/database.ts";
import { KnowledgeRepository, type KnowledgeTables, knowledgeMigrations } from "../../../src/store/knowledge.ts";

const data = resolve(import.meta.dirname, "../../../data");
const documents = (folder: string) =>
  readdirSync(join(data, folder)).map((name) =>
    parseMarkdown(`${folder}/${name}`, readFileSync(join(data, folder, name), "utf8")),
  );
const incidents = documents("incidents");
const runbooks = documents("runbooks");
const architecture = documents("architecture");
const all = [...incidents, ...runbooks, ...architecture];

describe("what ships in data/", () => {
  it("has enough incidents and runbooks, each with an id of its own, and few enough passages to embed at a first start", () => {
    expect(incidents.length).toBeGreaterThanOrEqual(25);
    expect(runbooks.length).toBeGreaterThanOrEqual(12);
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    expect(all.flatMap(chunksOf).length).toBeLessThanOrEqual(150);
  });

  it.each(incidents.map((incident) => [incident.id, incident] as const))(
    "%s says when, how bad, why and what helped",
    (id, { metadata, kind, services }) => {
      expect(id).toMatch(/^INC-\d+$/);
      expect(kind).toBe("incident");
      expect(metadata.severity).toMatch(/^SEV[1-4]$/);
      const [started, detected, resolved] = ["started", "detected", "resolved"].map((key) => Date.parse(metadata[key] ?? "")) as [
        number,
        number,
        number,
      ];
      expect(started).toBeLessThanOrEqual(detected);
      expect(detected).toBeLessThan(resolved);
      expect(metadata.root_cause?.length).toBeGreaterThan(30);
      expect(metadata.resolution?.length).toBeGreaterThan(5);
      expect(services.length).toBeGreaterThan(0);
    },
  );

  it("knows the demo's services and no others", async () => {
    const names = new Set(Object.values(DEFAULT_NAMES.services));
    const catalog = await readCatalog(join(data, "catalog-info.yaml"));
    expect(new Set(catalog.map(({ name }) => name))).toEqual(names);
    expect(catalog.every(({ owner, tier, dependsOn }) => owner && tier && dependsOn.every((name) => names.has(name)))).toBe(true);
    expect(all.flatMap(({ services }) => services).filter((service) => !names.has(service))).toEqual([]);
  });

  it("does not give the demo's answer away", () => {
    for (const { text, title, metadata } of all) {
      expect(`${title} ${text} ${JSON.stringify(metadata)}`).not.toMatch(/cache[ -]key/i);
      expect(text).not.toContain(DEFAULT_NAMES.harmfulFlag);
    }
  });
});

describe("the past incident of the demo's story", () => {
  let knowledge: Knowledge;
  beforeAll(async () => {
    const db = await openDatabase<KnowledgeTables>(":memory:", knowledgeMigrations, "normal");
    knowledge = await Knowledge.open({ store: new KnowledgeRepository(db) });
    await knowledge.ingestFolder(data, { collection: "data" });
  });
  afterAll(() => knowledge.close());

  it.each([
    "api slow after a feature flag rollout, Next step of the new key layout; canary looked fine over the weekend",
    "api latency up, catalog latency up, cart latency up after a feature flag rollout, fewer cache hits, more database queries",
    "catalog slow after a feature flag rollout, Next step of the new key layout; canary looked fine over the weekend",
  ])("is found first: %s", async (text) => {
    const [first] = await knowledge.search({ text, kinds: ["incident", "post-mortem"], top: 4 });
    expect(first).toMatchObject({
      documentId: "INC-31",
      services: expect.arrayContaining(["catalog", "session-cache", "orders-db"]),
    });
  });
});
