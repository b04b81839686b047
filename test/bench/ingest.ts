import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RedSignal } from "../../src/domain/telemetry.ts";
import type { HistogramRecord } from "../../src/domain/telemetry-sink.ts";
import { DAY, MINUTE } from "../../src/domain/time.ts";
import { openTelemetryStore } from "../../src/store/telemetry/index.ts";
import { seededRandom } from "../support/synthetic-metrics.ts";

/**
 * How fast the embedded store takes a million cumulative histogram points (fourteen days, a point a minute, fifty series of nine services),
 * and how fast it answers RED questions about all of them afterwards.
 */
const SERIES = 50;
const DAYS = 14;
const FROM = Date.UTC(2026, 10, 10);
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const TARGET = { ingestSeconds: 20, queryMilliseconds: 300 };

const folder = mkdtempSync(join(tmpdir(), "vigil-ingest-"));
try {
  const file = join(folder, "telemetry.db");
  const store = await openTelemetryStore(file);
  const random = seededRandom(7);
  const totals = Array.from({ length: SERIES }, () => ({
    count: 0,
    sum: 0,
    buckets: new Array<number>(BOUNDS.length + 1).fill(0),
  }));
  let appending = 0;
  let points = 0;
  for (let minute = 1; minute <= (DAYS * DAY) / MINUTE; minute += 20) {
    const batch: HistogramRecord[] = [];
    for (let at = minute; at < minute + 20; at++) {
      totals.forEach((total, index) => {
        for (let request = 0; request < 20; request++) {
          const bucket = Math.floor(random() ** 2 * BOUNDS.length);
          total.buckets[bucket] = (total.buckets[bucket] ?? 0) + 1;
          total.count++;
          total.sum += BOUNDS[bucket] ?? 10;
        }
        batch.push({
          kind: "histogram",
          temporality: "cumulative",
          metric: "http.server.request.duration",
          unit: "s",
          service: `service-${index % 9}`,
          labels: {
            "http.route": `/r${Math.floor(index / 18)}`,
            "http.response.status_code": index % 5 === 4 ? "503" : "200",
            "traffic.cohort": index % 2 === 0 ? "test" : "live",
          },
          start: FROM,
          at: FROM + at * MINUTE,
          bounds: BOUNDS,
          ...total,
          buckets: [...total.buckets],
        });
      });
    }
    const started = performance.now();
    store.appendMetrics(batch);
    appending += performance.now() - started;
    points += batch.length;
  }
  const rows = [
    { what: `ingest ${points} points`, took: `${(appending / 1_000).toFixed(1)} s`, target: `${TARGET.ingestSeconds} s` },
    { what: "ingest rate", took: `${Math.round(points / (appending / 1_000))} points/s`, target: "" },
    { what: "file size", took: `${Math.round(statSync(file).size / 1e6)} MB`, target: "" },
  ];
  for (const signal of ["rate", "errors", "latency", "latency_p95"] satisfies RedSignal[]) {
    const started = performance.now();
    const { points: answer } = await store.red({ service: "service-1", signal, from: FROM, to: FROM + DAYS * DAY, step: MINUTE });
    const took = performance.now() - started;
    rows.push({
      what: `RED ${signal}, 14 days by minute (${answer.length} steps)`,
      took: `${took.toFixed(0)} ms`,
      target: `${TARGET.queryMilliseconds} ms`,
    });
  }
  const started = performance.now();
  const deleted = await store.retain(FROM + DAY);
  rows.push({
    what: `retention of one day (${deleted} rows)`,
    took: `${(performance.now() - started).toFixed(0)} ms`,
    target: "",
  });
  rows.push({ what: "memory (resident)", took: `${Math.round(process.memoryUsage().rss / 1e6)} MB`, target: "" });
  console.table(rows);
  await store.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
