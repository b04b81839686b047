import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { OpenMetrics } from "../../src/demo/openmetrics.ts";
import { MINUTE } from "../../src/domain/time.ts";
import { PrometheusMetrics } from "../../src/sources/prometheus/index.ts";
import { PRESETS, redTemplate } from "../../src/sources/prometheus/presets.ts";
import { openTelemetryStore, type TelemetryStore } from "../../src/store/telemetry/index.ts";
import { installed, type RunningServer, startPrometheus, startVictoriaMetrics } from "../support/servers.ts";
import { metricSourceContract, RANGE, recordedSamples, SAMPLE_EVERY, T0 } from "./metric-source.ts";

const folder = mkdtempSync(join(tmpdir(), "vigil-metrics-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The half hour as Prometheus scrapes it. */
function exposition(stamp: (at: number) => number): string {
  const totals = new OpenMetrics();
  let jobs = 0;
  return recordedSamples()
    .map(({ at, batches, jobs: more }, index) => {
      totals.add(batches);
      jobs += more;
      const counter = `jobs_processed_total{job="shelf"} ${jobs} ${stamp(at) / 1_000}\n`;
      const headers = index === 0;
      return `${totals.lines(stamp(at), { headers })}${headers ? "# TYPE jobs_processed counter\n" : ""}${counter}`;
    })
    .join("");
}

const adapter = (url: string) =>
  new PrometheusMetrics({
    url,
    templates: PRESETS.opentelemetry.map(redTemplate),
    scrapeInterval: SAMPLE_EVERY,
    timeout: 10_000,
    now: () => RANGE.to,
  });

const PROMETHEUS_NAMES = {
  duration: "http_server_request_duration_seconds",
  memory: "process_memory_usage_bytes",
  jobs: "jobs_processed_total",
};

describe("the embedded store", () => {
  let store: TelemetryStore;
  beforeAll(async () => {
    store = await openTelemetryStore(":memory:");
    for (const { at, batches, jobs } of recordedSamples()) {
      store.appendMetrics(
        batches.flatMap(({ service, name, unit, bounds = [], histogram = [], gauge = [] }) => [
          ...histogram.map((point) => ({
            kind: "histogram" as const,
            metric: name,
            service,
            unit,
            bounds,
            temporality: "delta" as const,
            start: at - SAMPLE_EVERY,
            ...point,
          })),
          ...gauge.map((point) => ({ kind: "gauge" as const, metric: name, service, unit, ...point })),
        ]),
      );
      const common = { kind: "sum", metric: "jobs.processed", service: "shelf", unit: "{job}", labels: {} } as const;
      store.appendMetrics([{ ...common, temporality: "delta", monotonic: true, start: at - SAMPLE_EVERY, at, value: jobs }]);
    }
  });
  afterAll(() => store.close());
  metricSourceContract(() => ({
    source: store,
    names: { duration: "http.server.request.duration", memory: "process.memory.usage", jobs: "jobs.processed" },
  }));
});

const prometheus = installed("prometheus");
describe.skipIf(prometheus === null)(`a real Prometheus ${prometheus ?? ""}`, () => {
  let server: RunningServer;
  let source: PrometheusMetrics;
  beforeAll(async () => {
    server = await startPrometheus(folder, { history: [exposition((at) => at), "# EOF\n"] });
    source = adapter(server.url);
  });
  afterAll(() => server?.stop());
  metricSourceContract(() => ({ source, names: PROMETHEUS_NAMES }));

  it("tells how new its newest sample is", async () => {
    expect(await source.latest()).toBe(RANGE.to);
    const ended = new PrometheusMetrics({
      url: server.url,
      templates: PRESETS.opentelemetry.map(redTemplate),
      scrapeInterval: SAMPLE_EVERY,
      timeout: 10_000,
      now: () => RANGE.to + 20 * MINUTE,
    });
    expect(await ended.latest()).toBeNull();
  });

  it("answers a question about many services in one query, and a long one by POST", async () => {
    const asked = async () => {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      return Number(/prometheus_http_requests_total\{code="200",handler="\/api\/v1\/query_range"\} (\d+)/.exec(text)?.[1] ?? 0);
    };
    const before = await asked();
    const many = ["shelf", "till"];
    await Promise.all(many.map((service) => source.red({ service, signal: "latency", step: MINUTE, ...RANGE })));
    expect(await asked()).toBe(before + 1);
    const long = await source.red({
      service: "shelf",
      signal: "rate",
      step: MINUTE,
      labels: Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`nothing_${at}_${"x".repeat(40)}`, ""])),
      ...RANGE,
    });
    expect(long.points).toHaveLength(30);
  });

  it("finds by another preset where the services are named otherwise", async () => {
    const other = new PrometheusMetrics({
      url: server.url,
      templates: [
        redTemplate({
          service: "traffic_cohort",
          requests: "http_server_request_duration_seconds_count",
          failures: 'http_server_request_duration_seconds_count{http_response_status_code="500"}',
          duration: "http_server_request_duration_seconds",
        }),
      ],
      matchers: [{ label: "job", op: "=", value: "shelf" }],
      scrapeInterval: SAMPLE_EVERY,
      timeout: 10_000,
      now: () => RANGE.to,
    });
    expect(await other.services()).toEqual(["live", "test"]);
    const { points } = await other.red({ service: "live", signal: "errors", step: MINUTE, ...RANGE });
    expect(points[25]).toEqual({ at: T0 + 25 * MINUTE, value: expect.closeTo(12 / 52, 6) });
  });
});

const victoria = installed("victoria-metrics", "-version");
describe.skipIf(victoria === null)(`a real VictoriaMetrics ${victoria ?? ""}`, () => {
  let server: RunningServer;
  let source: PrometheusMetrics;
  beforeAll(async () => {
    server = await startVictoriaMetrics(folder);
    // Its import takes milliseconds.
    const text = exposition((at) => at * 1_000);
    const answer = await fetch(`${server.url}/api/v1/import/prometheus`, { method: "POST", body: text });
    if (!answer.ok) throw new Error(await answer.text());
    await fetch(`${server.url}/internal/force_flush`);
    source = adapter(server.url);
    await vi.waitUntil(async () => (await adapter(server.url).services()).length === 2, { timeout: 15_000, interval: 200 });
  });
  afterAll(() => server?.stop());
  metricSourceContract(() => ({ source, names: PROMETHEUS_NAMES }));

  it("tells how new its newest sample is", async () => {
    expect(await source.latest()).toBe(RANGE.to);
  });
});
