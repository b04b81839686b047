import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ChangeEvent, LogRecord, RedSignal, Span } from "../../../src/domain/telemetry.ts";
import type { HistogramRecord, SumRecord } from "../../../src/domain/telemetry-sink.ts";
import { DAY, HOUR, MINUTE } from "../../../src/domain/time.ts";
import { openTelemetryStore, type TelemetryStore } from "../../../src/store/telemetry/index.ts";

const T0 = Date.UTC(2026, 10, 24, 2);
const RANGE = { from: T0, to: T0 + HOUR };
const minute = (count: number) => T0 + count * MINUTE;

let store: TelemetryStore;
beforeEach(async () => {
  store = await openTelemetryStore(":memory:");
});
afterEach(() => store.close());

const counter = (at: number, value: number, more: Partial<SumRecord> = {}): SumRecord => ({
  kind: "sum",
  metric: "jobs",
  service: "worker",
  unit: "1",
  labels: {},
  temporality: "cumulative",
  monotonic: true,
  start: T0,
  at,
  value,
  ...more,
});

/** Requests of one minute: `buckets` counts up to 0.1 s, up to 0.5 s, and longer. */
const requests = (at: number, buckets: number[], sum: number, more: Partial<HistogramRecord> = {}): HistogramRecord => ({
  kind: "histogram",
  metric: "http.server.request.duration",
  service: "shelf",
  unit: "s",
  labels: { "http.response.status_code": "200" },
  temporality: "delta",
  start: at - MINUTE,
  at,
  count: buckets.reduce((total, count) => total + count, 0),
  sum,
  bounds: [0.1, 0.5],
  buckets,
  ...more,
});

const values = async (statistic: "rate" | "sum" | "count" | "avg" | "max", metric = "jobs") =>
  (await store.query({ metric, statistic, step: MINUTE, ...RANGE })).flatMap(({ points }) => points.map(({ value }) => value));

const red = async (service: string, signal: RedSignal, labels?: Record<string, string>) =>
  (await store.red({ service, signal, step: MINUTE, ...RANGE, ...(labels ? { labels } : {}) })).points.map(({ value }) => value);

const span = (id: string, more: Partial<Span> = {}): Span => ({
  traceId: "t1",
  spanId: id,
  parentId: null,
  service: "front",
  operation: "GET /",
  kind: "server",
  start: minute(1),
  duration: 20,
  error: false,
  attributes: {},
  ...more,
});

const log = (at: number, body: string, more: Partial<LogRecord> = {}): LogRecord => ({
  at,
  service: "shelf",
  severity: "INFO",
  body,
  attributes: {},
  traceId: null,
  ...more,
});

describe("counters", () => {
  it("give rates across a restart, and count nothing twice when a batch is sent again", async () => {
    const batch = [counter(minute(1), 60), counter(minute(2), 180), counter(minute(3), 30, { start: minute(2) + 1 })];
    store.appendMetrics(batch);
    store.appendMetrics(batch);
    expect(await values("rate")).toEqual([1, 2, 0.5]);
  });

  it("notice a restart that says no new start", async () => {
    store.appendMetrics([
      counter(minute(1), 60, { start: 0 }),
      counter(minute(2), 90, { start: 0 }),
      counter(minute(3), 12, { start: 0 }),
    ]);
    expect(await values("sum")).toEqual([30, 12]);
  });

  it("add up deltas as they are", async () => {
    store.appendMetrics([5, 7, 0].map((value, index) => counter(minute(index + 1), value, { temporality: "delta" })));
    expect(await values("sum")).toEqual([5, 7, 0]);
  });

  it("go on from the last total after the store was closed and opened again", async () => {
    const folder = mkdtempSync(join(tmpdir(), "vigil-telemetry-"));
    try {
      const file = join(folder, "telemetry.db");
      const before = await openTelemetryStore(file);
      before.appendMetrics([counter(minute(1), 60)]);
      before.close();
      const after = await openTelemetryStore(file);
      after.appendMetrics([counter(minute(1), 60), counter(minute(2), 100)]);
      const [series] = await after.query({ metric: "jobs", statistic: "sum", step: MINUTE, ...RANGE });
      after.close();
      expect(series?.points.map(({ value }) => value)).toEqual([60, 40]);
      expect(statSync(file).mode & 0o077).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("that may fall are levels", async () => {
    store.appendMetrics([10, 4].map((value, index) => counter(minute(index + 1), value, { monotonic: false, metric: "queue" })));
    expect(await values("avg", "queue")).toEqual([10, 4]);
    await expect(values("rate", "queue")).rejects.toThrow("queue is a gauge, which has no rate");
  });
});

describe("the RED signals", () => {
  it("come from the server's duration histogram, failures by status 5xx or error.type, and can be narrowed to a cohort", async () => {
    const cohort = (name: string) => ({ "traffic.cohort": name });
    store.appendMetrics([
      requests(minute(1), [90, 0, 0], 4.5, { labels: { "http.response.status_code": "200", ...cohort("live") } }),
      requests(minute(1), [0, 10, 0], 3, { labels: { "http.response.status_code": "503", ...cohort("live") } }),
      requests(minute(1), [0, 10, 0], 3, { labels: { "http.response.status_code": "404", ...cohort("test") } }),
      requests(minute(1), [0, 0, 10], 9, { labels: { "error.type": "timeout", ...cohort("test") } }),
    ]);
    expect(await red("shelf", "rate")).toEqual([2]);
    expect((await red("shelf", "errors"))[0]).toBeCloseTo(20 / 120, 9);
    expect((await red("shelf", "latency"))[0]).toBeCloseTo(19.5 / 120, 9);
    expect(await red("shelf", "errors", cohort("test"))).toEqual([0.5]);
    expect(await red("shelf", "errors", cohort("live"))).toEqual([0.1]);
    expect(await red("shelf", "rate", cohort("nobody"))).toEqual([]);
  });

  it("give percentiles of running totals, across a restart, and of series with different buckets", async () => {
    const cumulative = { temporality: "cumulative", start: T0 } as const;
    store.appendMetrics([
      requests(minute(1), [100, 0, 0], 5, cumulative),
      requests(minute(2), [100, 100, 0], 35, cumulative),
      requests(minute(3), [10, 0, 0], 0.5, { ...cumulative, start: minute(2) + 1 }),
    ]);
    const [first, second, third] = await red("shelf", "latency_p95");
    expect(first).toBeCloseTo(0.095, 9);
    expect(second).toBeCloseTo(0.48, 9);
    expect(third).toBeCloseTo(0.095, 9);
    store.appendMetrics([
      requests(minute(3), [990, 0, 0, 0], 1, { bounds: [0.05, 0.1, 0.5], labels: { "http.response.status_code": "201" } }),
    ]);
    expect((await red("shelf", "latency_p95"))[2]).toBeCloseTo(0.095, 9);
  });

  it("read milliseconds of older conventions as seconds", async () => {
    store.appendMetrics([requests(minute(1), [10, 0, 0], 500, { metric: "rpc.server.duration", unit: "ms", labels: {} })]);
    expect(await red("shelf", "latency")).toEqual([0.05]);
  });

  it("fall back to server spans, narrowed by label too", async () => {
    const durations = Array.from({ length: 100 }, (_, index) => index + 1);
    store.appendSpans(
      durations.map((duration) =>
        span(`s${duration}`, {
          duration,
          error: duration > 90,
          attributes: { "traffic.cohort": duration > 50 ? "test" : "live" },
        }),
      ),
    );
    expect(await red("front", "rate")).toEqual([100 / 60]);
    expect(await red("front", "errors")).toEqual([0.1]);
    expect(await red("front", "latency")).toEqual([0.0505]);
    expect(await red("front", "latency_p95")).toEqual([0.095]);
    expect(await red("front", "errors", { "traffic.cohort": "test" })).toEqual([0.2]);
  });

  it("see a database that sends nothing through its clients", async () => {
    store.appendMetrics([
      requests(minute(1), [10, 0, 0], 0.2, {
        metric: "db.client.operation.duration",
        labels: { "server.address": "ledger-db" },
      }),
    ]);
    expect(await red("ledger-db", "latency")).toEqual([0.02]);
  });

  it("leave steps without data out, and have no latency where there were no requests", async () => {
    store.appendMetrics([requests(minute(1), [6, 0, 0], 0.3), requests(minute(5), [0, 0, 0], 0)]);
    expect(await red("shelf", "rate")).toEqual([0.1, 0]);
    expect(await red("shelf", "latency")).toHaveLength(1);
  });
});

describe("logs", () => {
  it("are found by service, severity, text and trace, newest first", async () => {
    store.appendLogs([
      log(minute(1), "cache miss for k1"),
      log(minute(2), "Pool EXHAUSTED 100%", { severity: "ERROR", traceId: "t1" }),
      log(minute(3), "pool exhausted", { service: "front", severity: "FATAL" }),
    ]);
    const bodies = async (query: object) => (await store.logs({ ...RANGE, limit: 10, ...query })).map(({ body }) => body);
    expect(await bodies({})).toEqual(["pool exhausted", "Pool EXHAUSTED 100%", "cache miss for k1"]);
    expect(await bodies({ text: "exhausted", service: "shelf" })).toEqual(["Pool EXHAUSTED 100%"]);
    expect(await bodies({ text: "0%" })).toEqual(["Pool EXHAUSTED 100%"]);
    expect(await bodies({ minSeverity: "FATAL" })).toEqual(["pool exhausted"]);
    expect(await bodies({ traceId: "t1" })).toHaveLength(1);
    expect(await bodies({ limit: 1 })).toHaveLength(1);
  });

  it("that are equal within a batch are all kept, and a batch sent again adds none", async () => {
    const batch = [log(minute(1), "retrying"), log(minute(1), "retrying")];
    store.appendLogs(batch);
    store.appendLogs(batch);
    expect(store.stats().logs).toBe(2);
  });
});

describe("who calls whom", () => {
  const calls = async () =>
    (await store.dependencies(RANGE)).map(({ caller, callee, calls: count }) => `${caller}>${callee} ${count}`);
  const client = span("c1", { kind: "client", attributes: { "server.address": "shelf.internal:8080" } });
  const server = span("s1", { parentId: "c1", service: "shelf" });

  it("is learnt from spans in one batch, in two, in either order, and sent twice", async () => {
    store.appendSpans([client, server]);
    expect(await calls()).toEqual(["front>shelf 1"]);
    const again = (one: Span) => ({ ...one, traceId: "t2" });
    store.appendSpans([again(server)]);
    store.appendSpans([again(client)]);
    store.appendSpans([again(client), again(server)]);
    expect(await calls()).toEqual(["front>shelf 2"]);
  });

  it("takes back a guessed name when the callee's own span comes later", async () => {
    store.appendSpans([client]);
    expect(await calls()).toEqual(["front>shelf.internal 1"]);
    store.appendSpans([server]);
    expect(await calls()).toEqual(["front>shelf 1"]);
  });

  it("names a silent database by its client's span, and keeps to the time asked for", async () => {
    store.appendSpans([span("c1", { kind: "client", attributes: { "peer.service": "orders-db" } })]);
    expect(await calls()).toEqual(["front>orders-db 1"]);
    expect(await store.dependencies({ from: T0 + DAY, to: T0 + 2 * DAY })).toEqual([]);
  });
});

describe("change events", () => {
  const change = (id: string, at: number, more: Partial<ChangeEvent> = {}): ChangeEvent => ({
    id,
    at,
    kind: "deploy",
    subject: "shelf",
    services: ["shelf"],
    environment: "production",
    actor: "maya",
    before: "1.0.0",
    after: "1.1.0",
    summary: "",
    reference: "abc",
    source: "test",
    ...more,
  });

  it("are found by service and kind, newest first, once each", async () => {
    store.appendChanges([change("a", minute(1)), change("b", minute(2), { kind: "flag", services: ["front"] })]);
    store.appendChanges([change("a", minute(1))]);
    const ids = async (query: object) => (await store.changes({ ...RANGE, ...query })).map(({ id }) => id);
    expect(await ids({})).toEqual(["b", "a"]);
    expect(await ids({ services: ["shelf"] })).toEqual(["a"]);
    expect(await ids({ kinds: ["flag"] })).toEqual(["b"]);
    expect(await ids({ limit: 1 })).toEqual(["b"]);
  });
});

describe("the store as a whole", () => {
  it("knows its services, its metrics and how new it is", async () => {
    expect(await store.latest()).toBeNull();
    store.appendMetrics([requests(minute(1), [1, 0, 0], 0.1), counter(minute(2), 3)]);
    store.appendSpans([span("s1")]);
    store.appendLogs([log(minute(9), "hello", { service: "logger" })]);
    expect(await store.services()).toEqual(["front", "logger", "shelf", "worker"]);
    expect(await store.metrics("shelf")).toEqual([
      {
        metric: "http.server.request.duration",
        kind: "histogram",
        unit: "s",
        services: ["shelf"],
        labelKeys: ["http.response.status_code"],
      },
    ]);
    expect(await store.latest()).toBe(minute(9));
  });

  it("forgets what is old, in small slices, and nothing else", async () => {
    for (const at of [T0 - 3 * DAY, minute(1)]) {
      store.appendMetrics([
        requests(at, [1, 0, 0], 0.1),
        ...Array.from({ length: 30 }, (_, index) => counter(at + index, index, { temporality: "delta" })),
      ]);
      store.appendLogs(Array.from({ length: 20 }, (_, index) => log(at + index, `line ${index}`)));
      store.appendSpans([span(`s${at}`, { start: at, traceId: `t${at}` })]);
    }
    store.appendMetrics([counter(T0 - 3 * DAY, 1, { service: "gone", temporality: "delta" })]);
    expect(await store.retain(T0 - DAY, 7)).toBe(31 + 20 + 1 + 1);
    expect(store.stats()).toMatchObject({ points: 31, logs: 20, spans: 1, series: 2 });
    expect(await store.services()).not.toContain("gone");
    store.appendMetrics([counter(minute(2), 5, { service: "gone", temporality: "delta" })]);
    expect(await store.services()).toContain("gone");
  });

  it("splits a metric by label, and refuses questions that have no answer", async () => {
    store.appendMetrics(
      ["a", "b"].map((zone, index) => counter(minute(1), index + 1, { labels: { zone }, temporality: "delta" })),
    );
    const split = await store.query({ metric: "jobs", statistic: "sum", step: MINUTE, groupBy: ["zone"], ...RANGE });
    expect(split.map(({ labels, points }) => [labels.zone, points[0]?.value])).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
    const ask = (more: object) => store.query({ metric: "jobs", statistic: "sum", step: MINUTE, ...RANGE, ...more });
    await expect(ask({ statistic: "p95" })).rejects.toThrow("p95 needs a histogram");
    await expect(ask({ step: 0 })).rejects.toThrow("The step is 0 ms");
    await expect(ask({ from: minute(9), to: minute(1) })).rejects.toThrow("time range");
    expect(await ask({ metric: "nothing" })).toEqual([]);
  });
});
