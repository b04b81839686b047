import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { VectorRows } from "../../src/knowledge/vector-rows.ts";
import { VectorIndex } from "../../src/knowledge/vectors.ts";

/**
 * The index of vectors at a size that no team's documents reach soon: recall against exact search, time to ask, time to load.
 * Vectors are random with 48 factors in 512 dimensions and a tail in all of them, which holds a share of what varies: passages of real runbooks keep
 * 86 % of their variance in 48 directions and 98 % in 128. With themes they lie in clusters as documents do; without (the default) they spread evenly,
 * which is harder for a graph than any real text. The index is built once and asked with several breadths; Vigil chooses one by trial when it saves.
 * Usage: npm run bench:vectors -- [--count 100000] [--themes 0] [--tail 0.1]
 */
const { values: given } = parseArgs({
  options: {
    count: { type: "string", default: "100000" },
    themes: { type: "string", default: "0" },
    tail: { type: "string", default: "0.1" },
  },
});
const POINTS = Number(given.count);
const THEMES = Number(given.themes);
/** Share of the variance outside of the factors. */
const TAIL = Number(given.tail);
if (![POINTS, THEMES, TAIL].every(Number.isFinite) || POINTS < 10 || TAIL < 0 || TAIL >= 1)
  throw new Error("--count is at least 10, --themes a number of clusters, --tail a share below 1");
const BREADTHS = [null, 64, 128, 256, 512];
const DIMENSIONS = 512;
const FACTORS = 48;
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
  const spread = Math.sqrt((FACTORS * TAIL) / (1 - TAIL));
  let square = 0;
  for (let index = 0; index < DIMENSIONS; index++) {
    const value = (vector[index] ?? 0) + (spread === 0 ? 0 : spread * gauss());
    vector[index] = value;
    square += value * value;
  }
  const length = Math.sqrt(square);
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
  const rowsOfAll = new VectorRows(DIMENSIONS);
  for (const { vector } of all) rowsOfAll.push(vector);
  const exact = queries.map((vector) => {
    const similarities = Float32Array.from(all, (_, place) => rowsOfAll.similarity(vector, place));
    const tenth = similarities.slice().sort()[POINTS - 10] ?? -1;
    return new Set(all.filter((_, place) => (similarities[place] ?? -1) >= tenth).map(({ hash }) => hash));
  });
  const rows: Record<string, object> = {};
  for (const breadth of BREADTHS) {
    const loaded = new VectorIndex("bench", breadth === null ? {} : { breadth });
    at = performance.now();
    if (!(await loaded.load(file))) throw new Error("the saved graph did not load");
    const load = seconds(at);
    const times: number[] = [];
    const cpu: number[] = [];
    let found = 0;
    queries.forEach((vector, query) => {
      at = performance.now();
      const used = process.cpuUsage();
      const near = loaded.nearest(vector, 10);
      times.push(performance.now() - at);
      const { user, system } = process.cpuUsage(used);
      cpu.push((user + system) / 1_000);
      found += near.filter(({ hash }) => exact[query]?.has(hash)).length;
    });
    times.sort((a, b) => a - b);
    cpu.sort((a, b) => a - b);
    rows[breadth === null ? `Vigil (chose ${loaded.breadth})` : `breadth ${breadth}`] = {
      "recall@10": (found / (QUERIES * 10)).toFixed(4),
      "p50, ms": times[QUERIES >> 1]?.toFixed(2),
      "p95, ms": times[Math.floor(QUERIES * 0.95)]?.toFixed(2),
      // What the machine does beside it does not count here.
      "p95 of CPU, ms": cpu[Math.floor(QUERIES * 0.95)]?.toFixed(2),
      "load with checksum, s": load.toFixed(2),
    };
  }
  console.log(
    `${POINTS} points, ${THEMES || "no"} themes, tail ${TAIL}: built in ${build.toFixed(0)} s, saved in ${save.toFixed(1)} s, ${(readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0) / 1e6).toFixed(0)} MB`,
  );
  console.table(rows);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
