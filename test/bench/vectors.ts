import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VectorIndex } from "../../src/knowledge/vectors.ts";

/**
 * The graph of vectors at a size that no team's documents reach soon: recall against exact search, time to ask, time to load.
 * Vectors are random with 48 effective dimensions of 512, which is about what sentence vectors have; with themes they lie in clusters as
 * documents do, without (0, the default) they spread evenly, which is harder for a graph than any real text.
 * The graph is built once and asked with several breadths (candidates kept while asking); Vigil chooses one by trial when it saves.
 * Usage: vectors.ts [points] [themes]
 */
const POINTS = Number(process.argv[2] ?? 100_000);
const BREADTHS = [null, 200, 400, 800, 1_600];
const DIMENSIONS = 512;
const FACTORS = 48;
const THEMES = Number(process.argv[3] ?? 0);
const QUERIES = 300;

let state = 20_260_301;
const uniform = () => {
  // Mulberry32 (T. Ettinger, public domain).
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
};
const gauss = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
const gaussians = (length: number) => Float32Array.from({ length }, gauss);

const loadings = Array.from({ length: FACTORS }, () => gaussians(DIMENSIONS));
const themes = Array.from({ length: THEMES }, () => gaussians(FACTORS));
function draw(): Float32Array {
  const theme = themes[Math.floor(uniform() * THEMES)] ?? new Float32Array(FACTORS);
  const vector = new Float32Array(DIMENSIONS);
  for (let factor = 0; factor < FACTORS; factor++) {
    const weight = (theme[factor] ?? 0) + (THEMES === 0 ? 1 : 0.6) * gauss();
    const loading = loadings[factor] ?? vector;
    for (let index = 0; index < DIMENSIONS; index++) vector[index] = (vector[index] ?? 0) + weight * (loading[index] ?? 0);
  }
  const length = Math.sqrt(vector.reduce((sum, one) => sum + one * one, 0));
  return vector.map((one) => one / length);
}

const seconds = (since: number) => (performance.now() - since) / 1_000;
const folder = mkdtempSync(join(tmpdir(), "vigil-vectors-"));
try {
  const all = Array.from({ length: POINTS }, (_, index) => ({ hash: `p${index}`, vector: draw() }));
  const index = new VectorIndex("bench");
  let at = performance.now();
  await index.add(all);
  const build = seconds(at);
  const file = join(folder, "graph.hnsw");
  at = performance.now();
  await index.save(file);
  const save = seconds(at);

  const queries = Array.from({ length: QUERIES }, draw);
  const exact = queries.map(
    (vector) =>
      new Set(
        all
          .map(({ hash, vector: other }) => ({
            hash,
            dot: vector.reduce((sum, one, dimension) => sum + one * (other[dimension] ?? 0), 0),
          }))
          .sort((a, b) => b.dot - a.dot)
          .slice(0, 10)
          .map(({ hash }) => hash),
      ),
  );
  const rows: Record<string, object> = {};
  for (const breadth of BREADTHS) {
    const loaded = new VectorIndex("bench", breadth);
    at = performance.now();
    if (!(await loaded.load(file))) throw new Error("the saved graph did not load");
    const load = seconds(at);
    const times: number[] = [];
    let found = 0;
    queries.forEach((vector, query) => {
      at = performance.now();
      const near = loaded.nearest(vector, 10);
      times.push(performance.now() - at);
      found += near.filter(({ hash }) => exact[query]?.has(hash)).length;
    });
    times.sort((a, b) => a - b);
    rows[breadth === null ? `Vigil (chose ${loaded.breadth})` : `breadth ${breadth}`] = {
      "recall@10": (found / (QUERIES * 10)).toFixed(4),
      "p50, ms": times[QUERIES >> 1]?.toFixed(2),
      "p95, ms": times[Math.floor(QUERIES * 0.95)]?.toFixed(2),
      "load with checksum, s": load.toFixed(2),
    };
  }
  console.log(
    `${POINTS} points, ${THEMES || "no"} themes: built in ${build.toFixed(0)} s, saved in ${save.toFixed(1)} s, ${(readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0) / 1e6).toFixed(0)} MB`,
  );
  console.table(rows);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
