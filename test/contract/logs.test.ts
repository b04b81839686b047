import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ElasticsearchLogs } from "../../src/sources/elasticsearch/index.ts";
import { LokiLogs } from "../../src/sources/loki/index.ts";
import { openTelemetryStore, type TelemetryStore } from "../../src/store/telemetry/index.ts";
import { stubElasticsearch } from "../support/stub-elasticsearch.ts";
import { stubLoki } from "../support/stub-loki.ts";
import { LOGS_FROM, logSourceContract, RECORDED_LINES } from "./log-source.ts";
import { sourceSurvivalContract } from "./source-survival.ts";

const ANY = { from: LOGS_FROM, to: LOGS_FROM + 600_000, limit: 10 };

describe("the embedded store", () => {
  let store: TelemetryStore;
  beforeAll(async () => {
    store = await openTelemetryStore(":memory:");
    store.appendLogs(RECORDED_LINES);
  });
  afterAll(() => store.close());
  logSourceContract(() => store);
});

describe("Loki (stub)", () => {
  const labels = { serviceLabel: "service_name", severityLabel: "detected_level", traceLabel: "trace_id" };
  let stub: Awaited<ReturnType<typeof stubLoki>>;
  const open = (timeout = 10_000) => new LokiLogs({ url: `${stub.url}/`, token: "reader", tenant: "shop", timeout, ...labels });
  beforeEach(async () => {
    stub = await stubLoki(RECORDED_LINES, { tenant: "shop", authorization: "Bearer reader" });
  });
  afterEach(() => stub.close());
  logSourceContract(() => open());
  const asking = (url: string, timeout: number) => {
    const source = new LokiLogs({ url, token: "reader", timeout, ...labels });
    return () => source.logs(ANY);
  };
  sourceSurvivalContract("Loki", "logs", asking, { status: "success", data: { resultType: "streams", result: [] } });
});

describe("Elasticsearch (stub)", () => {
  const fields = {
    time: "@timestamp",
    service: "service.name",
    severity: "log.level",
    message: "message",
    trace: "trace.id",
  };
  let stub: Awaited<ReturnType<typeof stubElasticsearch>>;
  const warnings: string[] = [];
  const open = () =>
    new ElasticsearchLogs({
      url: stub.url,
      username: "reader",
      password: "secret",
      index: "logs-*",
      timeout: 10_000,
      fields,
      onWarning: (message) => warnings.push(message),
    });
  beforeEach(async () => {
    const authorization = `Basic ${Buffer.from("reader:secret").toString("base64")}`;
    stub = await stubElasticsearch(RECORDED_LINES, { index: "logs-*", authorization });
  });
  afterEach(() => stub.close());
  logSourceContract(() => open());

  it("says so when some shards failed or time was up, and gives what there is (stub)", async () => {
    stub.partial.failedShards = 2;
    expect(await open().logs(ANY)).toHaveLength(5);
    expect(warnings.at(-1)).toBe("Elasticsearch: 2 of 5 shards failed");
    stub.partial.timedOut = true;
    await open().logs(ANY);
    expect(warnings.at(-1)).toMatch(/not whole/);
  });
  const asking = (url: string, timeout: number) => {
    const source = new ElasticsearchLogs({ url, index: "logs-*", fields, timeout });
    return () => source.logs(ANY);
  };
  sourceSurvivalContract("Elasticsearch", "logs", asking, { timed_out: false, hits: { hits: [] } });
});
