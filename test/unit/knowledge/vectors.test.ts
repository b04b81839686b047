import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seeded } from "../../../src/demo/random.ts";
import { VectorIndex } from "../../../src/knowledge/vectors.ts";

const point = (angle: number) => Float32Array.from([Math.cos(angle), Math.sin(angle), 0]);
const points = Array.from({ length: 2_000 }, (_, index) => ({ hash: `p${index}`, vector: point((index / 2_000) * Math.PI) }));

/** The graph's files that a manifest may name. */
const graphOf = (file: string): string[] =>
  readdirSync(dirname(file))
    .filter((name) => name.startsWith(`${basename(file)}.`) && !/\.(?:json|vectors)$/.test(name))
    .map((name) => join(dirname(file), name));

const GRAPH = { graphFrom: 50 };

describe("the index of vectors", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "vigil-vectors-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ["one by one", 10_000],
    ["through a graph", 300],
  ])("finds the nearest %s with their cosine similarity, grows, and forgets what is removed", async (_, graphFrom) => {
    const index = new VectorIndex("m", { graphFrom });
    await index.add(points.slice(0, 200));
    index.remove("p150");
    await index.add(points.slice(200, 500));
    await index.add(points);
    expect(index.size).toBe(2_000);
    const [first] = index.nearest(points[700]?.vector as Float32Array, 3);
    expect(first).toMatchObject({ hash: "p700" });
    expect(first?.similarity).toBeCloseTo(1, 4);
    expect(index.similarity(point(0), "p1000")).toBeCloseTo(0, 4);

    index.remove("p700");
    expect(index.nearest(points[700]?.vector as Float32Array, 2).map(({ hash }) => hash)).not.toContain("p700");
    expect(index.has("p700")).toBe(false);
  });

  it("searches among some only", async () => {
    const index = new VectorIndex("m", GRAPH);
    await index.add(points);
    expect(index.nearest(point(0), 2, (hash) => hash === "p1500" || hash === "p1900").map(({ hash }) => hash)).toEqual([
      "p1500",
      "p1900",
    ]);
  });

  it("leaves vectors of another length alone and answers nothing while empty", async () => {
    const index = new VectorIndex("m");
    expect(index.nearest(point(0), 3)).toEqual([]);
    await index.add([{ hash: "a", vector: point(0) }]);
    await index.add([{ hash: "b", vector: new Float32Array(7) }]);
    expect(index.size).toBe(1);
    expect(index.nearest(new Float32Array(7), 1)).toEqual([]);
  });

  it("is read back from its file, deletions included, which only the owner can read", async () => {
    const file = join(folder, "kept.hnsw");
    const index = new VectorIndex("m", GRAPH);
    await index.add(points);
    index.remove("p3");
    await index.save(file);
    expect(graphOf(file)).toHaveLength(1);
    const kept = [...graphOf(file), `${file}.json`, ...graphOf(file).map((name) => `${name}.vectors`)];
    for (const name of kept) expect(statSync(name).mode & 0o077).toBe(0);

    const again = new VectorIndex("m", GRAPH);
    expect(await again.load(file)).toBe(true);
    expect([again.size, again.has("p3"), again.has("p4")]).toEqual([1_999, false, true]);
    expect(again.nearest(points[3]?.vector as Float32Array, 1)[0]?.hash).not.toBe("p3");
  });

  it("throws a file away that is damaged, torn, of another model, or not there", async () => {
    const file = join(folder, "damaged.hnsw");
    const index = new VectorIndex("m", GRAPH);
    await index.add(points);
    await index.save(file);
    expect(await new VectorIndex("other", GRAPH).load(file)).toBe(false);
    for (const name of graphOf(file)) appendFileSync(name, "x");
    const damaged = new VectorIndex("m", GRAPH);
    expect(await damaged.load(file)).toBe(false);
    expect(damaged.size).toBe(0);
    await index.add([{ hash: "more", vector: point(2) }]);
    await index.save(file);
    for (const name of graphOf(file)) truncateSync(`${name}.vectors`, 4_000);
    expect(await new VectorIndex("m", GRAPH).load(file)).toBe(false);
    writeFileSync(`${file}.json`, '{"model":"m","dimen');
    expect(await new VectorIndex("m", GRAPH).load(file)).toBe(false);
    expect(await new VectorIndex("m", GRAPH).load(join(folder, "none"))).toBe(false);
    expect(existsSync(join(folder, "none"))).toBe(false);
  });

  it("chooses how thoroughly to ask by trial, keeps that with the graph, and leaves one graph behind", async () => {
    const file = join(folder, "chosen.hnsw");
    const index = new VectorIndex("m", GRAPH);
    const before = index.breadth;
    await index.add(points);
    await index.save(file);
    expect(index.breadth).toBeLessThan(before);
    index.remove("p1");
    expect(index.unsaved).toBe(1);
    await index.save(file);
    expect(graphOf(file)).toHaveLength(1);
    const again = new VectorIndex("m", GRAPH);
    await again.load(file);
    expect([again.breadth, again.unsaved, again.size]).toEqual([index.breadth, 0, 1_999]);
  });

  it("reads the former graph when a crash came before the manifest was replaced", async () => {
    const file = join(folder, "torn.hnsw");
    const index = new VectorIndex("m", GRAPH);
    await index.add(points.slice(0, 100));
    await index.save(file);
    writeFileSync(`${file}.${"0".repeat(12)}`, "half a gra");
    const again = new VectorIndex("m", GRAPH);
    expect(await again.load(file)).toBe(true);
    expect(again.size).toBe(100);
  });

  it("searches long vectors by the directions in which they vary, and puts what it finds in the right order", async () => {
    const random = seeded(4);
    const factors = Array.from({ length: 24 }, () => Float32Array.from({ length: 300 }, () => random() - 0.5));
    const draw = () => {
      const vector = Float32Array.from({ length: 300 }, () => 0.15 * (random() - 0.5));
      for (const factor of factors) {
        const weight = random() + random() - 1;
        factor.forEach((value, index) => {
          vector[index] = (vector[index] ?? 0) + weight * value;
        });
      }
      return vector;
    };
    const all = Array.from({ length: 3_000 }, (_, place) => ({ hash: `v${place}`, vector: draw() }));
    const exact = new VectorIndex("m", { graphFrom: 10_000 });
    const graph = new VectorIndex("m", { graphFrom: 2_000, breadth: 200 });
    for (const index of [exact, graph]) await index.add(all);
    let found = 0;
    for (let trial = 0; trial < 30; trial++) {
      const question = draw();
      const [wanted, near] = [exact, graph].map((index) => index.nearest(question, 10));
      found += (near ?? []).filter(({ hash }) => wanted?.some((one) => one.hash === hash)).length;
      expect(near?.[0]?.similarity).toBeCloseTo(exact.similarity(question, near?.[0]?.hash ?? "") ?? 0, 5);
    }
    expect(found).toBeGreaterThanOrEqual(297);
  });

  it("makes one graph while points come and go", async () => {
    const index = new VectorIndex("m", { graphFrom: 500 });
    const adding = [index.add(points.slice(0, 600)), index.add(points.slice(600, 1_500))];
    index.remove("p20");
    await Promise.all(adding);
    expect(index.size).toBe(1_499);
    const near = index.nearest(points[20]?.vector as Float32Array, 2).map(({ hash }) => hash);
    expect(new Set(near)).toEqual(new Set(["p19", "p21"]));
    expect(index.nearest(points[1_400]?.vector as Float32Array, 1)[0]?.hash).toBe("p1400");
  });
});
