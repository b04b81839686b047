import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { JaegerTraces } from "../../src/sources/jaeger/index.ts";
import { TempoTraces } from "../../src/sources/tempo/index.ts";
import { openTelemetryStore, type TelemetryStore } from "../../src/store/telemetry/index.ts";
import { stubJaeger } from "../support/stub-jaeger.ts";
import { stubTempo } from "../support/stub-tempo.ts";
import { sourceSurvivalContract } from "./source-survival.ts";
import { RECORDED_SPANS, TRACES_RANGE, traceSourceContract } from "./trace-source.ts";

const ANY = { ...TRACES_RANGE, service: "front", limit: 5 };

describe("the embedded store", () => {
  let store: TelemetryStore;
  beforeAll(async () => {
    store = await openTelemetryStore(":memory:");
    store.appendSpans(RECORDED_SPANS);
  });
  afterAll(() => store.close());
  traceSourceContract(() => store);
});

describe("Tempo (stub)", () => {
  let stub: Awaited<ReturnType<typeof stubTempo>>;
  const warnings: string[] = [];
  const open = () =>
    new TempoTraces({
      url: stub.url,
      tenant: "shop",
      timeout: 10_000,
      now: () => TRACES_RANGE.to,
      onWarning: (message) => warnings.push(message),
    });
  beforeEach(async () => {
    stub = await stubTempo(RECORDED_SPANS, { tenant: "shop" });
  });
  afterEach(() => stub.close());
  traceSourceContract(() => open());

  it("sees calls to a store that sends nothing itself, and samples the graph once in ten minutes (stub)", async () => {
    const tempo = open();
    expect(await tempo.dependencies(TRACES_RANGE)).toContainEqual({ caller: "shelf", callee: "orders-db", calls: 10 });
    const asked = stub.requests.length;
    await tempo.dependencies(TRACES_RANGE);
    expect(stub.requests).toHaveLength(asked);
  });

  it("says so when not everything was searched (stub)", async () => {
    stub.partial.completedJobs = 3;
    await open().spans({ ...ANY, limit: 20 });
    expect(warnings.at(-1)).toBe("Tempo: only 3 of 4 parts were searched");
  });
  const asking = (url: string, timeout: number) => {
    const source = new TempoTraces({ url, timeout, now: () => TRACES_RANGE.to });
    return () => source.spans(ANY);
  };
  sourceSurvivalContract("Tempo", "traces", asking, { traces: [], metrics: {} });
});

describe("Jaeger (stub)", () => {
  let stub: Awaited<ReturnType<typeof stubJaeger>>;
  const open = () => new JaegerTraces({ url: stub.url, token: "reader", timeout: 10_000 });
  beforeEach(async () => {
    stub = await stubJaeger(RECORDED_SPANS, { authorization: "Bearer reader" });
  });
  afterEach(() => stub.close());
  traceSourceContract(() => open());
  const asking = (url: string, timeout: number) => {
    const source = new JaegerTraces({ url, timeout });
    return () => source.spans(ANY);
  };
  sourceSurvivalContract("Jaeger", "traces", asking, { data: null, errors: null });
});
