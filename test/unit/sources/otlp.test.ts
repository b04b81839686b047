import { gzipSync } from "node:zlib";
import { SpanKind } from "@opentelemetry/api";
import { ProtobufLogsSerializer, ProtobufMetricsSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AggregationTemporality, DataPointType, InstrumentType } from "@opentelemetry/sdk-metrics";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startReceiver } from "../../support/otlp-server.ts";

const AT = Date.UTC(2026, 10, 24, 2, 47);
const RANGE = { from: AT - 600_000, to: AT + 600_000 };
const nanos = (ms: number) => `${ms}000000`;
const hr = (ms: number): [number, number] => [Math.floor(ms / 1_000), (ms % 1_000) * 1e6];
const resource = resourceFromAttributes({ "service.name": "shelf" });
const scope = { name: "test" };

let receiver: Awaited<ReturnType<typeof startReceiver>>;
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(() => receiver.close());

const post = (path: string, body: NonNullable<RequestInit["body"]>, headers: Record<string, string>) =>
  fetch(`${receiver.url}/v1/${path}`, { method: "POST", body, headers });
const json = (path: string, value: unknown) => post(path, JSON.stringify(value), { "content-type": "application/json" });

const gauge = (points: object[], name = "pool.in_use") => ({
  resourceMetrics: [
    {
      resource: { attributes: [{ key: "service.name", value: { stringValue: "shelf" } }] },
      scopeMetrics: [{ metrics: [{ name, unit: "1", gauge: { dataPoints: points } }] }],
    },
  ],
});

describe("protobuf from OpenTelemetry's own encoder", () => {
  it("stores a histogram, gzipped, and answers RED questions about it", async () => {
    const histogram = (status: number, count: number, sum: number) => ({
      startTime: hr(AT - 60_000),
      endTime: hr(AT),
      attributes: { "http.response.status_code": status },
      value: { buckets: { boundaries: [0.1, 0.5], counts: [count - 1, 1, 0] }, count, sum, min: 0, max: 1 },
    });
    const bytes = ProtobufMetricsSerializer.serializeRequest({
      resource,
      scopeMetrics: [
        {
          scope,
          metrics: [
            {
              descriptor: {
                name: "http.server.request.duration",
                unit: "s",
                description: "",
                type: InstrumentType.HISTOGRAM,
                valueType: 1,
                advice: {},
              },
              aggregationTemporality: AggregationTemporality.DELTA,
              dataPointType: DataPointType.HISTOGRAM,
              dataPoints: [histogram(200, 90, 9), histogram(503, 30, 6)],
            },
          ],
        },
      ],
    } as never);
    const response = await post("metrics", gzipSync(bytes as Uint8Array), {
      "content-type": "application/x-protobuf",
      "content-encoding": "gzip",
    });
    expect(response.status).toBe(200);
    const red = async (signal: "rate" | "errors" | "latency" | "latency_p95") =>
      (await receiver.store.red({ service: "shelf", signal, step: 60_000, ...RANGE })).points;
    expect(await red("rate")).toEqual([{ at: AT - 60_000, value: 2 }]);
    expect(await red("errors")).toEqual([{ at: AT - 60_000, value: 0.25 }]);
    expect(await red("latency")).toEqual([{ at: AT - 60_000, value: 0.125 }]);
    expect((await red("latency_p95"))[0]?.value).toBeLessThanOrEqual(0.5);
  });

  it("stores logs with severity, body and trace", async () => {
    const bytes = ProtobufLogsSerializer.serializeRequest([
      {
        resource,
        instrumentationScope: scope,
        hrTime: hr(AT),
        hrTimeObserved: hr(AT),
        severityNumber: 17,
        body: "pool exhausted",
        attributes: { pool: "main" },
        droppedAttributesCount: 0,
        spanContext: { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 },
      },
    ] as never);
    expect((await post("logs", bytes as Uint8Array<ArrayBuffer>, { "content-type": "application/x-protobuf" })).status).toBe(200);
    expect(await receiver.store.logs({ ...RANGE, text: "POOL", minSeverity: "ERROR", limit: 5 })).toMatchObject([
      {
        service: "shelf",
        severity: "ERROR",
        body: "pool exhausted",
        traceId: "0af7651916cd43dd8448eb211c80319c",
        attributes: { pool: "main" },
      },
    ]);
  });

  it("stores spans and learns who calls whom, whichever service reports first", async () => {
    const span = (service: string, spanId: string, parentSpanId: string | undefined, ms: number) =>
      ProtobufTraceSerializer.serializeRequest([
        {
          name: "GET /",
          kind: SpanKind.SERVER,
          spanContext: () => ({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId, traceFlags: 1 }),
          parentSpanContext: parentSpanId && { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: parentSpanId, traceFlags: 1 },
          startTime: hr(AT),
          endTime: hr(AT + ms),
          status: { code: 2 },
          attributes: {},
          links: [],
          events: [],
          duration: hr(ms),
          ended: true,
          resource: resourceFromAttributes({ "service.name": service }),
          instrumentationScope: scope,
          droppedAttributesCount: 0,
          droppedEventsCount: 0,
          droppedLinksCount: 0,
        },
      ] as never) as Uint8Array<ArrayBuffer>;
    const headers = { "content-type": "application/x-protobuf" };
    await post("traces", span("shelf", "b7ad6b7169203332", "b7ad6b7169203331", 40), headers);
    await post("traces", span("front", "b7ad6b7169203331", undefined, 90), headers);
    await post("traces", span("front", "b7ad6b7169203331", undefined, 90), headers);
    expect(await receiver.store.dependencies(RANGE)).toEqual([{ caller: "front", callee: "shelf", calls: 1 }]);
    expect(await receiver.store.spans({ ...RANGE, service: "front", limit: 5 })).toMatchObject([
      { duration: 90, error: true, kind: "server" },
    ]);
  });
});

describe("what can be wrong with a request", () => {
  it("counts a bad point, says why, and keeps the rest", async () => {
    const response = await json(
      "metrics",
      gauge([
        { timeUnixNano: nanos(AT), asDouble: 3 },
        { timeUnixNano: nanos(AT), asDouble: "NaN" },
        { timeUnixNano: "12", asDouble: 1 },
        { timeUnixNano: nanos(AT), asInt: "7", attributes: [{ key: "", value: { stringValue: "x" } }] },
        { timeUnixNano: nanos(AT) },
      ]),
    );
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      partialSuccess: { rejectedDataPoints: 4, errorMessage: expect.stringContaining("shelf pool.in_use: the value is NaN") },
    });
    const [series] = await receiver.store.query({ metric: "pool.in_use", statistic: "avg", step: 60_000, ...RANGE });
    expect(series?.points).toEqual([{ at: AT - 60_000, value: 3 }]);
  });

  it.each([
    ["broken JSON", "application/json", "{", 400],
    ["a list", "application/json", "[]", 400],
    ["broken protobuf", "application/x-protobuf", "\u000a\u00ff", 400],
    ["another type", "text/plain", "hello", 415],
    ["too large", "application/json", JSON.stringify({ pad: "x".repeat(1_100_000) }), 413],
  ])("refuses %s", async (_what, type, body, status) => {
    const response = await post("metrics", body, { "content-type": type });
    expect(response.status).toBe(status);
    expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(0);
  });

  it("refuses what inflates beyond the limit, a cut gzip body, and other methods", async () => {
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    expect((await post("metrics", gzipSync("x".repeat(5_000_000)), headers)).status).toBe(413);
    const cut = await post("metrics", gzipSync(JSON.stringify(gauge([]))).subarray(0, 30), headers);
    expect(cut.status).toBe(400);
    expect(await cut.json()).toMatchObject({ message: expect.stringContaining("cannot be read") });
    expect((await fetch(`${receiver.url}/v1/logs`)).status).toBe(405);
  });

  it("takes fifty requests at once, and the same one again, without counting anything twice", async () => {
    const one = gauge([{ timeUnixNano: nanos(AT), asDouble: 1 }]);
    const responses = await Promise.all(Array.from({ length: 50 }, () => json("metrics", one)));
    expect(responses.every(({ status }) => status === 200)).toBe(true);
    expect(receiver.store.stats()).toMatchObject({ series: 1, points: 1 });
  });
});

describe("running totals", () => {
  const sum = (value: number, start: number, at: number) => ({
    resourceMetrics: [
      {
        resource: { attributes: [{ key: "service.name", value: { stringValue: "shelf" } }] },
        scopeMetrics: [
          {
            metrics: [
              {
                name: "jobs",
                sum: {
                  aggregationTemporality: 2,
                  isMonotonic: true,
                  dataPoints: [{ startTimeUnixNano: nanos(start), timeUnixNano: nanos(at), asInt: String(value) }],
                },
              },
            ],
          },
        ],
      },
    ],
  });

  it("become increments, across a restart of the counter", async () => {
    const start = AT - 600_000;
    await json("metrics", sum(100, start, AT));
    await json("metrics", sum(160, start, AT + 60_000));
    await json("metrics", sum(160, start, AT + 60_000));
    await json("metrics", sum(30, AT + 90_000, AT + 120_000));
    const [series] = await receiver.store.query({ metric: "jobs", statistic: "sum", step: 60_000, ...RANGE });
    expect(series?.points.map(({ value }) => value)).toEqual([100, 60, 30]);
  });
});
