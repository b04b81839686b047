import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { SourceError } from "../../../src/domain/telemetry.ts";
import { DAY, HOUR, MINUTE } from "../../../src/domain/time.ts";
import { PrometheusMetrics, type PrometheusOptions } from "../../../src/sources/prometheus/index.ts";
import { PRESETS, redTemplate, TemplateError } from "../../../src/sources/prometheus/presets.ts";
import { redExpression, statisticExpression } from "../../../src/sources/prometheus/promql.ts";
import { parseSelector, quoted, rendered } from "../../../src/sources/prometheus/selector.ts";
import { sourceSurvivalContract } from "../../contract/source-survival.ts";
import { type StubRequest, type StubServer, stubServer } from "../../support/stub-server.ts";

const NOW = Date.UTC(2026, 2, 4, 12);
const [HTTP, ...REST] = PRESETS.opentelemetry.map(redTemplate);
if (!HTTP) throw new Error("the preset is empty");

const source = (url: string, more: Partial<PrometheusOptions> = {}) =>
  new PrometheusMetrics({ url, templates: [HTTP], scrapeInterval: 15_000, timeout: 10_000, now: () => NOW, ...more });

const open: StubServer[] = [];
afterEach(async () => {
  for (const stub of open.splice(0)) await stub.close();
});

/** Answers as Prometheus does: names of services, and one value a step for every service that is asked for. */
async function stubPrometheus(services: readonly string[]): Promise<StubServer> {
  const stub = await stubServer(({ path, query, body, method, headers }) => {
    const parameters = method === "POST" ? new URLSearchParams(String(body)) : query;
    if (method === "POST" && headers["content-type"] !== "application/x-www-form-urlencoded;charset=UTF-8")
      return { status: 415 };
    if (path.startsWith("/prom/api/v1/label/")) return { body: { status: "success", data: services } };
    if (path !== "/prom/api/v1/query_range") return { status: 404, body: "404 page not found" };
    const asked = /job(?:=|=~)"([^"]*)"/.exec(parameters.get("query") ?? "")?.[1]?.split("|") ?? [];
    const [start, end, step] = ["start", "end", "step"].map((key) => Number(parameters.get(key)));
    const times: number[] = [];
    for (let at = start ?? 0; at <= (end ?? 0); at += step ?? 1) times.push(at);
    const result = asked
      .map((name) => name.replaceAll("\\", ""))
      .filter((name) => services.includes(name))
      .map((job) => ({ metric: { job }, values: times.map((at) => [at, "0.123456789"]) }));
    return { body: { status: "success", data: { resultType: "matrix", result } } };
  });
  open.push(stub);
  return stub;
}

describe("PromQL", () => {
  it("is made of templates, with every value escaped", () => {
    const hostile = 'a"} or up{x="\\\n';
    const expression = redExpression(HTTP, "errors", [{ label: "job", op: "=", value: hostile }], MINUTE) ?? "";
    expect(expression).toContain('job="a\\"} or up{x=\\"\\\\\\n"');
    expect(JSON.parse(quoted(hostile))).toBe(hostile);
    expect(quoted("a\u0000b\u001bc")).toBe('"abc"');
  });

  it("takes templates as selectors only, and says which part is none", () => {
    expect(rendered(parseSelector(' http_total { code =~ "5..", path!="a\\"b" } ') ?? { metric: "", matchers: [] })).toBe(
      'http_total{code=~"5..",path!="a\\"b"}',
    );
    for (const text of ["rate(x[5m])", 'x{a="b"', 'x{a="b"} or y', "x{__name__}", "", '{a="b"}', "x[5m]"]) {
      expect(parseSelector(text), text).toBeNull();
    }
    expect(() => redTemplate({ service: "job", requests: "sum(x)", failures: "y" })).toThrow(TemplateError);
  });

  it("knows all presets", () => {
    for (const [name, templates] of Object.entries(PRESETS)) {
      for (const template of templates.map(redTemplate)) {
        for (const signal of ["rate", "errors", "latency", "latency_p95"] as const) {
          expect(redExpression(template, signal, [], MINUTE), `${name} ${signal}`).toMatch(/^(\(?sum|histogram_quantile)/);
        }
      }
    }
    expect(REST.length).toBeGreaterThan(0);
  });

  it("splits by labels only, and has no statistic that a kind of metric lacks", () => {
    const memory = { metric: "memory_bytes", matchers: [] };
    const window = { rate: MINUTE, step: MINUTE };
    expect(statisticExpression(memory, "gauge", "max", ["pod"], window)).toBe("max by (pod) (max_over_time(memory_bytes[60s]))");
    expect(() => statisticExpression(memory, "gauge", "max", ["pod) or up"], window)).toThrow(SourceError);
    expect(() => statisticExpression(memory, "gauge", "p95", [], window)).toThrow(/histogram/);
  });
});

describe("questions to Prometheus (stub)", () => {
  it("ten thousand series cost a handful of queries a step, each answer far below the limit", async () => {
    const services = Array.from({ length: 3_334 }, (_, at) => `service-${at}.shop`);
    const stub = await stubPrometheus(services);
    const prometheus = source(`${stub.url}/prom`);
    const signals = ["latency", "errors", "rate"] as const;
    const tick = { from: NOW - MINUTE, to: NOW, step: MINUTE };
    const points = await Promise.all(
      services.flatMap((service) => signals.map((signal) => prometheus.red({ service, signal, ...tick }))),
    );
    expect(points.filter((series) => series.points.length === 1)).toHaveLength(10_002);
    const asked = stub.requests.filter(({ path }) => path.endsWith("query_range"));
    expect(asked.length).toBeLessThanOrEqual(9);
    expect(asked.every(({ method }) => method === "POST")).toBe(true);
  });

  it("asks for a long time in pieces of six hours, and gives every step once", async () => {
    const stub = await stubPrometheus(["shelf"]);
    const series = await source(`${stub.url}/prom`).red({
      service: "shelf",
      signal: "rate",
      from: NOW - DAY,
      to: NOW,
      step: MINUTE,
    });
    expect(series.points.map(({ at }) => at)).toEqual(Array.from({ length: 1_440 }, (_, at) => NOW - DAY + at * MINUTE));
    const pieces = stub.requests.filter(({ path }) => path.endsWith("query_range"));
    expect(pieces).toHaveLength(4);
    const length = ({ query }: StubRequest) => (Number(query.get("end")) - Number(query.get("start"))) * 1_000;
    expect(Math.max(...pieces.map(length))).toBeLessThanOrEqual(6 * HOUR);
    expect(pieces.every(({ query }) => query.get("timeout") === "10s")).toBe(true);
  });

  it("at most four at a time", async () => {
    let running = 0;
    let most = 0;
    const stub = await stubServer(async ({ path }) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 20));
      running--;
      if (path.includes("/label/")) return { body: { status: "success", data: ["shelf"] } };
      return { body: { status: "success", data: { resultType: "matrix", result: [] } } };
    });
    open.push(stub);
    await source(stub.url).red({ service: "shelf", signal: "rate", from: NOW - 5 * DAY, to: NOW, step: MINUTE });
    expect(most).toBe(4);
  });

  it("carries tenant, own headers and required matchers", async () => {
    const stub = await stubPrometheus(["shelf"]);
    const prometheus = source(`${stub.url}/prom/`, {
      tenant: "shop",
      headers: { "x-gateway": "a" },
      username: "reader",
      password: "pass",
      matchers: [{ label: "namespace", op: "=", value: "shop" }],
    });
    await prometheus.red({ service: "shelf", signal: "rate", from: NOW - MINUTE, to: NOW, step: MINUTE });
    for (const { headers, query } of stub.requests) {
      expect(headers).toMatchObject({ "x-scope-orgid": "shop", "x-gateway": "a", authorization: "Basic cmVhZGVyOnBhc3M=" });
      expect(query.get("query") ?? query.get("match[]")).toContain('namespace="shop"');
    }
  });

  it("reads no metric but those that are allowed, and says so", async () => {
    const stub = await stubServer(({ path }) => ({
      body: { status: "success", data: path.endsWith("/metadata") ? {} : ["up_total", "secret_total", "up_seconds"] },
    }));
    open.push(stub);
    const prometheus = source(stub.url, { allow: ["up_*"] });
    expect((await prometheus.metrics("shelf")).map(({ metric }) => metric)).toEqual(["up_seconds", "up_total"]);
    const asked = { service: "shelf", statistic: "rate", step: MINUTE, from: NOW - HOUR, to: NOW } as const;
    await expect(prometheus.query({ metric: "secret_total", ...asked })).rejects.toThrow(/not among metrics\.allow/);
    await expect(prometheus.query({ metric: 'up{a="b"}', ...asked })).rejects.toThrow(/no name of a metric/);
  });

  it("gives what there is and passes warnings on when stores behind it are missing", async () => {
    const warnings: string[] = [];
    const stub = await stubServer(({ path }) =>
      path.includes("/label/")
        ? { body: { status: "success", data: ["shelf"] } }
        : {
            body: {
              status: "success",
              data: {
                resultType: "matrix",
                result: [
                  {
                    metric: { job: "shelf" },
                    values: [
                      [NOW / 1_000, "1"],
                      [NOW / 1_000 + 60, "NaN"],
                    ],
                  },
                ],
              },
              warnings: ["store gateway 10.0.0.7 cannot be reached"],
            },
          },
    );
    open.push(stub);
    const thanos = source(stub.url, { name: "Thanos", onWarning: (message) => warnings.push(message) });
    const { points } = await thanos.red({ service: "shelf", signal: "rate", from: NOW - MINUTE, to: NOW, step: MINUTE });
    expect(points).toEqual([{ at: NOW - MINUTE, value: 1 }]);
    expect(warnings).toEqual(["Thanos: store gateway 10.0.0.7 cannot be reached"]);
  });

  it("shows a certificate of its own, and trusts one authority", async () => {
    const folder = mkdtempSync(join(tmpdir(), "vigil-tls-"));
    const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        keyFile,
        "-out",
        certFile,
        ...subject,
      ],
      { stdio: "ignore" },
    );
    const [key, cert] = [readFileSync(keyFile), readFileSync(certFile)];
    const server = createServer({ key, cert, ca: cert, requestCert: true, rejectUnauthorized: true }, (request, response) => {
      const { subject: who } = (request.socket as TLSSocket).getPeerCertificate();
      response.end(JSON.stringify({ status: "success", data: [`${who.CN} was here`] }));
    }).listen(0, "127.0.0.1");
    const url = `https://localhost:${await new Promise<number>((resolve) => server.once("listening", () => resolve((server.address() as AddressInfo).port)))}`;
    const known = source(url, { tls: { caFile: certFile, certFile, keyFile } });
    expect(await known.services()).toEqual(["localhost was here"]);
    await expect(source(url, { tls: { caFile: certFile } }).services()).rejects.toThrow(SourceError);
    await expect(source(url).services()).rejects.toThrow(/metrics\.url/);
    await known.close();
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
});

sourceSurvivalContract(
  "Prometheus",
  "metrics",
  (url, timeout) => {
    const prometheus = source(url, { timeout });
    return () => prometheus.services();
  },
  { status: "success", data: ["shelf"] },
);
