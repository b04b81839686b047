import { SpanKind } from "@opentelemetry/api";
import { ProtobufMetricsSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AggregationTemporality, DataPointType, InstrumentType } from "@opentelemetry/sdk-metrics";
import express from "express";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DAY, MINUTE } from "../../../src/domain/time.ts";
import { otlpRouter } from "../../../src/sources/otlp/index.ts";
import { startReceiver } from "../../support/otlp-server.ts";

const AT = Date.UTC(2026, 10, 24, 2, 47);
const RANGE = { from: AT - 10 * MINUTE, to: AT + 10 * MINUTE };
const nanos = (ms: number) => `${ms}000000`;
const hr = (ms: number): [number, number] => [Math.floor(ms / 1_000), (ms % 1_000) * 1e6];
const scope = { name: "test" };

let receiver: Awaited<ReturnType<typeof startReceiver>>;
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(() => receiver.close());

const send = (signal: string, body: unknown, url = receiver.url) =>
  body instanceof Uint8Array
    ? fetch(`${url}/v1/${signal}`, {
        method: "POST",
        body: body as Uint8Array<ArrayBuffer>,
        headers: { "content-type": "application/x-protobuf" },
      })
    : fetch(`${url}/v1/${signal}`, {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      });

const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } });
const metrics = (metric: object, attributes: object[] = [attribute("service.name", "shelf")]) => ({
  resourceMetrics: [{ resource: { attributes }, scopeMetrics: [{ metrics: [metric] }] }],
});
const query = async (metric: string, statistic: "avg" | "rate" | "p50" | "p95" | "sum", labels = {}) => {
  const [series] = await receiver.store.query({ metric, statistic, labels, step: MINUTE, ...RANGE });
  return series?.points.map(({ value }) => value);
};

/** One metric in OpenTelemetry's own protobuf encoding. */
const encoded = (name: string, type: InstrumentType, dataPointType: DataPointType, value: unknown, more: object = {}) =>
  ProtobufMetricsSerializer.serializeRequest({
    resource: resourceFromAttributes({ "service.name": "shelf" }),
    scopeMetrics: [
      {
        scope,
        metrics: [
          {
            descriptor: { name, unit: "s", description: "", type, valueType: 1, advice: {} },
            aggregationTemporality: AggregationTemporality.DELTA,
            dataPointType,
            dataPoints: [{ startTime: hr(AT - MINUTE), endTime: hr(AT), attributes: { zone: "a" }, value }],
            ...more,
          },
        ],
      },
    ],
  } as never);

describe("every kind of metric, from OpenTelemetry's encoder", () => {
  it("stores gauges and sums", async () => {
    await send("metrics", encoded("load", InstrumentType.GAUGE, DataPointType.GAUGE, 0.7));
    await send("metrics", encoded("jobs", InstrumentType.COUNTER, DataPointType.SUM, 120, { isMonotonic: true }));
    expect(await query("load", "avg", { zone: "a" })).toEqual([0.7]);
    expect(await query("jobs", "rate")).toEqual([2]);
  });

  it("turns an exponential histogram into explicit buckets, with percentiles at most 9 % off", async () => {
    // At scale 3 bucket i holds 2^(i/8) to 2^((i+1)/8): 0.2 s lies in bucket -19, 0.8 s in bucket -3.
    const value = {
      count: 100,
      sum: 26,
      scale: 3,
      zeroCount: 0,
      positive: { offset: -19, bucketCounts: [90, ...new Array(15).fill(0), 10] },
      negative: { offset: 0, bucketCounts: [] },
    };
    const response = await send("metrics", encoded("wait", InstrumentType.HISTOGRAM, DataPointType.EXPONENTIAL_HISTOGRAM, value));
    expect(response.status).toBe(200);
    expect(await query("wait", "avg")).toEqual([0.26]);
    const [median] = (await query("wait", "p50")) as [number];
    const [tail] = (await query("wait", "p95")) as [number];
    expect(Math.abs(median / 0.2 - 1)).toBeLessThan(0.1);
    expect(Math.abs(tail / 0.8 - 1)).toBeLessThan(0.1);
  });

  it("keeps what a failed span says of its exception", async () => {
    const bytes = ProtobufTraceSerializer.serializeRequest([
      {
        name: "charge",
        kind: SpanKind.CLIENT,
        spanContext: () => ({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 }),
        startTime: hr(AT),
        endTime: hr(AT + 35),
        status: { code: 2, message: "upstream refused" },
        attributes: { attempt: 3 },
        links: [],
        events: [
          {
            name: "exception",
            time: hr(AT),
            attributes: { "exception.type": "TimeoutError", "exception.message": "no answer in 30 ms" },
          },
        ],
        duration: hr(35),
        ended: true,
        resource: resourceFromAttributes({ "service.name": "till", "service.version": "1.4.2" }),
        instrumentationScope: scope,
        droppedAttributesCount: 0,
        droppedEventsCount: 0,
        droppedLinksCount: 0,
      },
    ] as never);
    expect((await send("traces", bytes)).status).toBe(200);
    const [span] = await receiver.store.spans({ ...RANGE, errorsOnly: true, limit: 1 });
    expect(span).toMatchObject({ service: "till", kind: "client", duration: 35, error: true, parentId: null });
    expect(span?.attributes).toEqual({
      attempt: "3",
      "exception.type": "TimeoutError",
      "exception.message": "no answer in 30 ms",
      "otel.status_description": "upstream refused",
      "service.version": "1.4.2",
    });
  });
});

describe("OTLP/JSON written by hand", () => {
  it("stores a summary's quantiles as gauges", async () => {
    const dataPoints = [{ timeUnixNano: nanos(AT), count: "3", sum: 1, quantileValues: [{ quantile: 0.99, value: 0.4 }] }];
    await send("metrics", metrics({ name: "legacy", unit: "s", summary: { dataPoints } }));
    expect(await query("legacy", "avg", { quantile: "0.99" })).toEqual([0.4]);
  });

  it("tells replicas of a service apart, so that their running totals do not mix", async () => {
    const total = (instance: string, at: number, value: number) =>
      metrics(
        {
          name: "jobs",
          sum: {
            aggregationTemporality: 2,
            isMonotonic: true,
            dataPoints: [{ startTimeUnixNano: nanos(AT - 2 * MINUTE), timeUnixNano: nanos(at), asInt: String(value) }],
          },
        },
        [attribute("service.name", "shelf"), attribute("service.instance.id", instance)],
      );
    for (const [instance, at, value] of [
      ["one", AT, 100],
      ["two", AT, 10],
      ["one", AT + MINUTE, 160],
      ["two", AT + MINUTE, 70],
    ] as const) {
      await send("metrics", total(instance, at, value));
    }
    expect(await query("jobs", "sum")).toEqual([110, 120]);
  });

  it("reads hex ids, bodies of any shape, and severity by number or text; names a nameless service", async () => {
    const logRecords = [
      { timeUnixNano: nanos(AT), severityNumber: 13, body: { stringValue: "slow" }, traceId: "0AF7651916CD43DD8448EB211C80319C" },
      {
        observedTimeUnixNano: nanos(AT + 1),
        severityText: "error",
        body: { kvlistValue: { values: [{ key: "code", value: { intValue: "7" } }] } },
      },
    ];
    const response = await send("logs", { resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
    expect(await response.json()).toEqual({});
    expect(await receiver.store.logs({ ...RANGE, limit: 5 })).toEqual([
      { at: AT + 1, service: "unknown_service", severity: "ERROR", body: '{"code":7}', attributes: {}, traceId: null },
      {
        at: AT,
        service: "unknown_service",
        severity: "WARN",
        body: "slow",
        attributes: {},
        traceId: "0af7651916cd43dd8448eb211c80319c",
      },
    ]);
  });

  it.each([
    [
      "buckets that do not match the count",
      { count: "5", sum: 1, bucketCounts: ["1", "1"], explicitBounds: [1] },
      "hold 2 of a count of 5",
    ],
    ["a negative bucket", { count: "0", sum: 1, bucketCounts: ["-1", "1"], explicitBounds: [1] }, "less than zero"],
    ["bounds out of order", { count: "0", sum: 0, bucketCounts: ["0", "0", "0"], explicitBounds: [2, 1] }, "do not ascend"],
    ["no sum", { count: "1", bucketCounts: ["1", "0"], explicitBounds: [1] }, "has no sum"],
  ])("refuses a histogram with %s, and says so", async (_what, point, reason) => {
    const dataPoints = [{ timeUnixNano: nanos(AT), startTimeUnixNano: nanos(AT), ...point }];
    const response = await send("metrics", metrics({ name: "wait", histogram: { aggregationTemporality: 1, dataPoints } }));
    expect(await response.json()).toMatchObject({
      partialSuccess: { rejectedDataPoints: 1, errorMessage: expect.stringContaining(reason) },
    });
    expect(receiver.store.stats().points).toBe(0);
  });

  it.each([
    ["a text where a list belongs", { resourceMetrics: "none" }],
    ["a number in a list of objects", { resourceMetrics: [7] }],
  ])("calls %s malformed, with the reason, and stores nothing", async (_what, body) => {
    const response = await send("metrics", body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 3, message: expect.stringContaining("not OTLP") });
  });

  it("refuses over-long names and a record far ahead of the clock, and keeps the rest", async () => {
    const app = express().use(otlpRouter({ sink: receiver.store, maxBytes: 1e6, clock: { now: () => AT } }));
    const server = app.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    const dataPoints = [
      { timeUnixNano: nanos(AT), asDouble: 1 },
      { timeUnixNano: nanos(AT + 3 * DAY), asDouble: 1 },
      { timeUnixNano: nanos(AT), asDouble: 1, attributes: [attribute("k".repeat(300), "v")] },
    ];
    const response = await send("metrics", metrics({ name: "load", gauge: { dataPoints } }), `http://127.0.0.1:${port}`);
    server.close();
    expect(await response.json()).toMatchObject({
      partialSuccess: { rejectedDataPoints: 2, errorMessage: expect.stringContaining("check the sender's clock") },
    });
    expect(await receiver.store.latest()).toBe(AT);
  });
});
