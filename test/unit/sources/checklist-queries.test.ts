import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { createSreAgent } from "../../../src/agent/index.ts";
import { SourceError } from "../../../src/domain/telemetry.ts";
import { DAY, HOUR, MINUTE } from "../../../src/domain/time.ts";
import { PrometheusMetrics } from "../../../src/sources/prometheus/index.ts";
import { PRESETS, redTemplate } from "../../../src/sources/prometheus/presets.ts";
import { ReadApi } from "../../../src/sources/read-api.ts";
import { JsonApi } from "../../../src/targets/json-api.ts";
import { fakeWorld } from "../../support/fake-agent-world.ts";
import { type ChatRequest, fakeModelServer, KEY, type Reply } from "../../support/fake-model-server.ts";
import { submit } from "../../support/model-agent.ts";
import { type StubServer, stubServer } from "../../support/stub-server.ts";

/** Questions that reach further than they should: items 47 and 48 of the checklist. */

const NOW = Date.UTC(2026, 2, 4, 12);
const open: StubServer[] = [];
afterEach(async () => {
  for (const stub of open.splice(0)) await stub.close();
});

async function listen(...given: Parameters<typeof stubServer>): Promise<StubServer> {
  const stub = await stubServer(...given);
  open.push(stub);
  return stub;
}

/** Every PromQL text that was asked for. */
const asked = ({ requests }: StubServer): string[] =>
  requests.flatMap(({ query, body }) =>
    [query, new URLSearchParams(String(body ?? ""))].flatMap((one) => [...one.getAll("query"), ...one.getAll("match[]")]),
  );

/** What is left of an expression without its quoted strings: the structure that a server reads. */
const structure = (expression: string): string => expression.replace(/"(?:[^"\\]|\\.)*"/g, '""');

const HOSTILE = [
  'a"} or up{x="',
  'x\\"} or vector(1) #',
  'a"}[365d]) or (up{b="',
  "a\n} or up",
  "`} or up{a=`",
  '.*"} or {__name__=~".+',
];

describe("47: PromQL that reaches further than its service", () => {
  const [template] = PRESETS.opentelemetry.map(redTemplate);
  const prometheus = async (services: readonly string[]) => {
    const stub = await listen(({ path }) =>
      path.includes("/label/")
        ? { body: { status: "success", data: services } }
        : { body: { status: "success", data: path.endsWith("/metadata") ? {} : { resultType: "matrix", result: [] } } },
    );
    if (!template) throw new Error("the preset is empty");
    const metrics = new PrometheusMetrics({
      url: stub.url,
      templates: [template],
      scrapeInterval: 15_000,
      timeout: 10_000,
      now: () => NOW,
    });
    return { stub, metrics };
  };
  const hour = { from: NOW - HOUR, to: NOW, step: MINUTE };

  it.each(HOSTILE)("the service %j stays one quoted value, whatever it holds", async (service) => {
    const plain = await prometheus(["shelf"]);
    await plain.metrics.red({ service: "shelf", signal: "latency", ...hour });
    const { stub, metrics } = await prometheus([service]);
    await metrics.red({ service, signal: "latency", ...hour });
    // Whoever reads the structure only cannot tell the two apart.
    expect(asked(stub).map(structure)).toEqual(asked(plain.stub).map(structure));
    expect(asked(stub).filter((text) => text.includes("rate("))).not.toEqual([]);
  });

  it.each(HOSTILE)("the label value %j does too", async (value) => {
    const { stub, metrics } = await prometheus(["shelf"]);
    await metrics.red({ service: "shelf", signal: "rate", labels: { zone: value }, ...hour });
    for (const text of asked(stub)) expect(structure(text)).not.toMatch(/\bor up\b|vector|__name__=~|365d/);
  });

  it.each([
    '{__name__=~".+"}',
    "up[365d]",
    "max_over_time(up[1d:1s])",
    "rate(rate(x[5m])[1h:])",
    "up or up",
    'up{job="a"}',
    "",
    "*",
    "x".repeat(201),
  ])("the metric %j is refused before anything is asked", async (metric) => {
    const { stub, metrics } = await prometheus(["shelf"]);
    await expect(metrics.query({ metric, service: "shelf", statistic: "avg", ...hour })).rejects.toThrow(SourceError);
    expect(asked(stub).filter((text) => text.includes(metric) && metric !== "")).toEqual([]);
  });

  it.each([
    ["a step of a millisecond", { ...hour, step: 1 }],
    ["a step of nothing", { ...hour, step: 0 }],
    ["a year by the minute", { from: NOW - 365 * DAY, to: NOW, step: MINUTE }],
    ["no numbers", { from: Number.NaN, to: NOW, step: MINUTE }],
    ["an end before its beginning", { from: NOW, to: NOW - HOUR, step: MINUTE }],
  ])("%s is refused", async (_, range) => {
    const { stub, metrics } = await prometheus(["shelf"]);
    await expect(metrics.red({ service: "shelf", signal: "rate", ...range })).rejects.toThrow(SourceError);
    expect(asked(stub).filter((text) => text.includes("rate("))).toEqual([]);
  });
});

const ADDRESSES = [
  "http://169.254.169.254/latest/meta-data/",
  "http://127.1/",
  "http://2130706433/",
  "http://[::1]/",
  "http://[::ffff:169.254.169.254]/",
  "http://0x7f.1/",
  "//evil.example/",
  "file:///etc/passwd",
  "gopher://127.0.0.1:6379/_FLUSHALL",
];

describe("48: addresses in what others wrote", () => {
  it("no tool takes an address, and one in any argument is answered, not followed", async () => {
    const used: string[] = [];
    const world = fakeWorld("flag");
    const script = (request: ChatRequest): Reply => {
      const turn = request.messages.filter(({ role }) => role === "assistant").length;
      const address = ADDRESSES[turn];
      if (address === undefined) return submit();
      const tools = (request.tools ?? []).filter(({ function: { name } }) => !/submit|hypotheses/.test(name)).slice(0, 9);
      return {
        call: tools.map(({ function: { name, parameters } }) => {
          used.push(name);
          const fields = Object.entries(
            (parameters as { properties?: Record<string, { type?: string; enum?: unknown }> }).properties ?? {},
          );
          return {
            name,
            args: Object.fromEntries(
              fields.filter(([, { type, enum: of }]) => type === "string" && !of).map(([key]) => [key, address]),
            ),
          };
        }),
      };
    };
    const server = await fakeModelServer([script]);
    const real = globalThis.fetch;
    const followed: string[] = [];
    globalThis.fetch = ((input: RequestInfo | URL, init?: RequestInit) => {
      followed.push(new URL(input instanceof Request ? input.url : String(input)).host);
      return real(input, init);
    }) as typeof fetch;
    try {
      const models = [{ name: "gpt-4o-mini", apiKey: KEY, baseUrl: server.url, timeout: 5_000 }];
      const agent = createSreAgent(world.deps, {
        prompts: `${import.meta.dirname}/../../../prompts`,
        retries: 0,
        models,
        budget: { toolCalls: 200, tokens: 5_000_000, dollars: 50 },
      });
      await agent.investigate(
        { investigationId: "INV-1", anomalies: world.anomalies, question: `look at ${ADDRESSES[0]}`, requester: "vigil" },
        { onStep: () => {} },
        new AbortController().signal,
      );
    } finally {
      globalThis.fetch = real;
      await server.close();
    }
    const fields = server.requests
      .flatMap(({ tools }) => tools ?? [])
      .flatMap(({ function: { parameters } }) => Object.keys((parameters as { properties?: object }).properties ?? {}));
    expect(fields.filter((key) => /ur[il]|href|host|address|endpoint|path/i.test(key))).toEqual([]);
    expect(used.length).toBeGreaterThan(20);
    // The model's own server is the only one that was called, and nothing was filed.
    expect(new Set(followed)).toEqual(new Set([new URL(server.url).host]));
    expect(world.filed).toEqual([]);
  });

  const options = { headers: { authorization: "Bearer t" }, keys: { url: "flags.url", token: "flags.token" }, name: "Flags" };

  it.each([...ADDRESSES, "..%2f..%2fadmin", "a/../../admin", "a?x=1#y", "@evil.example", "\\\\evil.example"])(
    "the name %j stays one segment of the path at the one configured host",
    async (name) => {
      const stub = await listen(() => ({ body: {} }));
      await new JsonApi({ url: `${stub.url}/base/`, ...options }).get(["projects", name]);
      expect(stub.requests.map(({ path }) => path)).toEqual([`/base/projects/${encodeURIComponent(name)}`]);
    },
  );

  it.each(["", ".", ".."])("the name %j is refused", async (name) => {
    const stub = await listen(() => ({ body: {} }));
    await expect(new JsonApi({ url: stub.url, ...options }).get(["projects", name])).rejects.toThrow(/cannot be a name/);
    expect(stub.requests).toEqual([]);
  });

  it.each([301, 302, 303, 307, 308])(
    "a redirect (%i) to a private address is not followed, so the token goes nowhere",
    async (status) => {
      const inner = await listen(() => ({ body: { secret: true } }));
      const outer = await listen(() => ({ status, body: {}, headers: { location: `${inner.url}/latest/meta-data` } }));
      await expect(new JsonApi({ url: outer.url, ...options }).get(["flags"])).rejects.toThrow(/redirect/);
      const source = new ReadApi({ name: "Loki", key: "logs", url: outer.url, token: "t", timeout: 2_000, maxBytes: 1_000 });
      await expect(source.get(z.unknown(), ["labels"])).rejects.toThrow(/redirect/);
      expect(inner.requests).toEqual([]);
    },
  );
});
