import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type Config, ConfigError, loadConfig } from "../../../src/config.ts";
import { openTelemetryStore } from "../../../src/store/telemetry/index.ts";
import { openBackends, openTelemetry } from "../../../src/wiring/telemetry.ts";
import { LOGS_FROM, RECORDED_LINES } from "../../contract/log-source.ts";
import { RECORDED_SPANS, TRACES_RANGE } from "../../contract/trace-source.ts";
import { stubJaeger } from "../../support/stub-jaeger.ts";
import { stubLoki } from "../../support/stub-loki.ts";
import { type StubServer, stubServer } from "../../support/stub-server.ts";

/** The configuration as it is read from a file. */
function configured(keys: object): Config {
  const file = join(mkdtempSync(join(tmpdir(), "vigil-sources-")), "vigil.yaml");
  writeFileSync(file, JSON.stringify(keys));
  return loadConfig({ VIGIL_CONFIG: file });
}

const open: StubServer[] = [];
afterEach(async () => {
  for (const stub of open.splice(0)) await stub.close();
});

describe("where telemetry is read, by configuration alone", () => {
  it("is the embedded store by default", async () => {
    const store = await openTelemetryStore(":memory:");
    const { metrics, logs, traces } = openTelemetry(configured({}), store, Date.now, () => {});
    expect([metrics, logs, traces]).toEqual([store, store, store]);
    store.close();
  });

  it("is what each concern names, and doctor's check says what is there (stub)", async () => {
    const loki = await stubLoki(RECORDED_LINES, { tenant: "shop", authorization: "Bearer reader" });
    const jaeger = await stubJaeger(RECORDED_SPANS, { authorization: "Basic cmVhZGVyOnNlY3JldA==" });
    open.push(loki, jaeger);
    const config = configured({
      logs: { kind: "loki", url: loki.url, tenant: "shop", token: "reader" },
      traces: { kind: "jaeger", url: jaeger.url, username: "reader", password: "secret" },
    });
    const { metrics, logs, traces } = openBackends(
      config,
      () => LOGS_FROM + 4 * 60_000,
      () => {},
    );
    expect(metrics).toBeNull();
    expect(await logs?.check()).toMatch(/^Loki at 127\.0\.0\.1:\d+: newest line \d+ \w+ ago, of till$/);
    expect(await traces?.check()).toMatch(/^Jaeger at 127\.0\.0\.1:\d+: a span of front, /);
    const later = openBackends(
      config,
      () => TRACES_RANGE.to + 9e6,
      () => {},
    );
    expect(await later.logs?.check()).toMatch(/no line within the last hour; check logs\.loki\.serviceLabel/);
  });

  it("doctor's check fails with the remedy when no service is found, or nobody answers (stub)", async () => {
    const prometheus = await stubServer(({ path }) =>
      path.includes("/label/")
        ? { body: { status: "success", data: [] } }
        : { body: { status: "success", data: { resultType: "vector", result: [] } } },
    );
    open.push(prometheus);
    const check = (url: string) =>
      openBackends(configured({ metrics: { kind: "prometheus", url } }), Date.now, () => {}).metrics?.check();
    await expect(check(prometheus.url)).rejects.toThrow(/choose metrics\.presets, or set metrics\.serviceLabel/);
    await open.pop()?.close();
    await expect(check(prometheus.url)).rejects.toThrow(/ECONNREFUSED.*check metrics\.url/);
  });

  it("names the key of what cannot be used", () => {
    const refused = (keys: object) => {
      try {
        configured(keys);
      } catch (error) {
        if (error instanceof ConfigError) return error.message;
        throw error;
      }
      return "accepted";
    };
    expect(refused({ logs: { kind: "loki" } })).toMatch(/logs\.url.*where it is/);
    expect(
      refused({
        metrics: { kind: "prometheus", url: "http://p", templates: [{ service: "job", requests: "sum(x)", failures: "y" }] },
      }),
    ).toMatch(/metrics\.templates\.0.*requests is "sum\(x\)", which is no selector/);
    expect(refused({ metrics: { kind: "prometheus", url: "http://p", presets: ["istios"] } })).toMatch(/metrics\.presets\.0/);
    expect(refused({ traces: { kind: "tempo", url: "http://t", tls: { caFile: "/nowhere.pem" } } })).toMatch(
      /traces\.tls\.caFile.*no such file/,
    );
    expect(refused({ logs: { kind: "loki", url: "http://l", password: 7777777 } })).not.toContain("7777777");
  });
});
