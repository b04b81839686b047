import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { findAnomalies, readSeries } from "../../src/commands/detect.ts";
import type { RecordedPoint } from "../../src/detection/index.ts";

/**
 * The Numenta Anomaly Benchmark, standard profile, scored as Lavin and Ahmad 2015 ("Evaluating Real-time Anomaly Detection Algorithms")
 * describe: the first detection in a window earns up to 1 the earlier it is, a missed window costs 1, each detection outside costs up to 0.11
 * the further it is behind the last window; the first 15 % (of at most 5000 rows) are probation. One threshold for all series is chosen on the whole set, here the
 * false-alarm budget. The sum is normalised: 0 is a detector that says nothing, 100 a perfect one.
 */
const folder = resolve(import.meta.dirname, "../../../shared/data/detection/nab");
const FALSE_POSITIVE = 0.11;

interface Labelled {
  readonly name: string;
  readonly points: readonly RecordedPoint[];
  readonly windows: readonly (readonly [number, number])[];
}

const sigmoid = (position: number): number => 2 / (1 + Math.exp(5 * position)) - 1;

/** Score of one series and what it is made of. */
function score({ points, windows }: Labelled, detections: ReadonlySet<number>) {
  const probation = Math.min(Math.floor(0.15 * points.length), 750);
  const indexed = windows.map(([from, to]) => ({
    left: points.findIndex(({ at }) => at >= from),
    right: points.findLastIndex(({ at }) => at <= to),
    hit: false,
  }));
  let total = 0;
  let falsePositives = 0;
  points.forEach(({ at }, index) => {
    if (index < probation || !detections.has(at)) return;
    const inside = indexed.find(({ left, right }) => index >= left && index <= right);
    if (inside) {
      if (inside.hit) return;
      inside.hit = true;
      const position = -(inside.right - index + 1) / (inside.right - inside.left + 1);
      total += sigmoid(position) / sigmoid(-1);
      return;
    }
    falsePositives++;
    const before = indexed.findLast(({ right }) => right < index);
    const position = before ? (index - before.right) / Math.max(1, before.right - before.left) : 1;
    total += FALSE_POSITIVE * (position > 3 || !before ? -1 : sigmoid(position));
  });
  const hits = indexed.filter(({ hit }) => hit).length;
  return { total: total - (windows.length - hits), hits, falsePositives };
}

async function load(): Promise<Labelled[]> {
  const labels = JSON.parse(readFileSync(resolve(folder, "labels.json"), "utf8")) as Record<string, [string, string][]>;
  return Promise.all(
    Object.entries(labels).map(async ([name, windows]) => ({
      name,
      points: await readSeries(resolve(folder, `${name}.gz`)),
      windows: windows.map(
        (window) => window.map((text) => Date.parse(`${text.replace(" ", "T").slice(0, 19)}Z`)) as [number, number],
      ),
    })),
  );
}

if (!existsSync(folder)) {
  console.log("NAB: ../shared/data/detection/nab is absent; skipped.");
} else {
  const series = await load();
  const windows = series.reduce((sum, one) => sum + one.windows.length, 0);
  const budgets = [0.03, 0.1, 0.3, 0.5, 1, 2, 4, 8, 16, 32];
  const rows = budgets.map((budget) => {
    const results = series.map((one) => {
      const detections = new Set(findAnomalies(one.points, budget).map(({ detectedAt }) => detectedAt));
      return { name: one.name, windows: one.windows.length, ...score(one, detections) };
    });
    const raw = results.reduce((sum, { total }) => sum + total, 0);
    return { budget, score: (100 * (raw + windows)) / (2 * windows), results };
  });
  const best = rows.reduce((a, b) => (b.score > a.score ? b : a));
  console.log(`NAB, standard profile, ${series.length} series, ${windows} windows`);
  console.log("false alarms/week   score   windows found   false positives");
  for (const { budget, score: points, results } of rows)
    console.log(
      [
        String(budget).padStart(17),
        points.toFixed(1).padStart(7),
        `${results.reduce((sum, { hits }) => sum + hits, 0)}`.padStart(15),
        `${results.reduce((sum, { falsePositives }) => sum + falsePositives, 0)}`.padStart(17),
        budget === best.budget ? "  <- best single setting" : "",
      ].join(" "),
    );
  if (process.argv.includes("--series"))
    for (const { name, windows: n, hits, falsePositives, total } of best.results)
      console.log(`${name.padEnd(60)} ${hits}/${n} windows, ${falsePositives} false, ${total.toFixed(2)}`);
  console.log(
    "Published, on the whole benchmark: Numenta HTM 70.5, KNN-CAD 58.0, Random Cut Forest 51.7, Windowed Gaussian 39.6",
  );
}
