import type { AddressInfo, Server } from "node:net";
import express from "express";
import { afterEach, describe, expect, it } from "vitest";
import { createSreAgent } from "../../../src/agent/index.ts";
import { evidenceLines } from "../../../src/chat/cards/parts.ts";
import { lookPages, viewAt } from "../../../src/chat/web/looks/index.ts";
import type { Readable } from "../../../src/chat/web/looks/view.ts";
import { windowOf } from "../../../src/chat/web/looks/window.ts";
import { type MetricSource, SourceError, type Span, type TraceQuery } from "../../../src/domain/telemetry.ts";
import { HOUR, MINUTE } from "../../../src/domain/time.ts";
import { fakeWorld, NOW, ONSET, PLAIN } from "../../support/fake-agent-world.ts";

const PROMPTS = `${import.meta.dirname}/../../../prompts`;
const world = fakeWorld("flag");

const readable = (changed: Partial<Readable> = {}): Readable => ({
  ...world.deps,
  document: (id) => world.deps.knowledge.document(id),
  now: () => NOW,
  ...changed,
});

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function pages(read: Readable) {
  const server = express()
    .use(lookPages(() => read))
    .listen(0, "127.0.0.1");
  servers.push(server);
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address() as AddressInfo;
  return async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, type: response.headers.get("content-type") ?? "", text: await response.text() };
  };
}

const look = (address: string, read = readable()) => {
  const [path = "", query] = address.split("?");
  return viewAt(read, path, new URLSearchParams(query));
};

const during = `from=${ONSET}&to=${NOW}`;

describe("what evidence rests on, as pages", () => {
  it("every address that a tool puts on evidence leads to something", async () => {
    const report = await createSreAgent(world.deps, { prompts: PROMPTS }).investigate(
      { investigationId: "INV-1", anomalies: world.anomalies, question: null, requester: "vigil" },
      { onStep: () => {} },
      new AbortController().signal,
    );
    const links = report.evidence.flatMap(({ tool, link }) => (link ? [{ tool, link }] : []));
    const tools = new Set(links.map(({ tool }) => tool));
    for (const tool of ["query_metrics", "fetch_logs", "fetch_traces", "list_changes", "search_past_incidents"])
      expect(tools).toContain(tool);
    for (const { link } of links) expect(await look(link), link).not.toBeNull();
    // Of an answer, which has no page of its own, a card leads there at once; elsewhere such a path is never sent as it is.
    const lines = evidenceLines(report.evidence, null);
    expect(lines.map(({ page }) => page).filter(Boolean)).toEqual(links.map(({ link }) => link));
    expect(lines.every(({ link }) => link === null)).toBe(true);
  });

  it("draws a service's signals in the window and puts it into numbers against the time before", async () => {
    const get = await pages(readable());
    const { status, text } = await get(`/services/${PLAIN.api}?signal=latency&${during}`);
    expect(status).toBe(200);
    expect(text).toMatch(/<td>latency<\/td><td>[\d.]+ ms<\/td><td>[\d.]+ ms<\/td><td>\+\d+ %<\/td>/);
    const [plot] = [...text.matchAll(/<img src="([^"]+)"/g)].map(([, src]) => (src as string).replaceAll("&#38;", "&"));
    expect(plot).toContain("signal=latency");
    const drawn = await get(plot as string);
    expect(drawn).toMatchObject({ status: 200, type: expect.stringContaining("image/svg+xml") });
    expect(drawn.text).toContain(`${PLAIN.api} latency (ms)`);
    const silent: MetricSource = {
      ...world.deps.metrics,
      metrics: async () => [],
      red: async ({ service, signal }) => ({ metric: signal, service, labels: {}, unit: "s", points: [] }),
    };
    const nothing = await pages(readable({ metrics: silent }));
    expect((await nothing(`/services/nobody?${during}`)).status).toBe(404);
    expect((await nothing(`/services/nobody/plot.svg?${during}`)).status).toBe(404);
    expect((await nothing(`/services/${PLAIN.api}?${during}`)).text).toContain("It reported nothing from");
  });

  it("draws the metric that evidence is about first", async () => {
    const without = await look(`/services/${PLAIN.store}?${during}`);
    expect(without?.main).toContain(
      `<a href="/services/${PLAIN.store}?metric=${PLAIN.gauge}&#38;${during.replace("&", "&#38;")}">`,
    );
    const view = await look(`/services/${PLAIN.store}?metric=${encodeURIComponent(PLAIN.gauge)}&${during}`);
    expect(/<img src="([^"]+)"/.exec(view?.main ?? "")?.[1]).toContain(`metric=${PLAIN.gauge}`);
  });

  it("shows log lines as text, marks how grave they are, and leads to their traces and to the time around", async () => {
    const line = {
      at: NOW - MINUTE,
      service: "shelf",
      severity: "ERROR" as const,
      body: '<img src=x onerror="alert(1)"> password=hunter2hunter2',
      attributes: {},
      traceId: "abc",
    };
    const asked: object[] = [];
    const logs = { logs: async (query: object) => [line].filter(() => asked.push(query)) };
    const view = await look(`/logs?service=shelf&text=img&minSeverity=WARN&${during}`, readable({ logs }));
    expect(asked).toEqual([{ from: ONSET, to: NOW, limit: 300, service: "shelf", text: "img", minSeverity: "WARN" }]);
    expect(view?.main).toContain("&#60;img src=x");
    expect(view?.main).not.toMatch(/<img|hunter2/);
    expect(view?.main).toContain('class="level-error"');
    expect(view?.main).toContain(`/traces/abc?from=${ONSET}&#38;to=${NOW}`);
    expect(view?.nav).toContain("← earlier");
  });

  it("shows the slowest requests, and one request step by step with its critical path", async () => {
    const list = await look(`/traces?service=${PLAIN.api}&${during}`);
    expect(list?.main).toMatch(/href="\/traces\/[^"]+"/);
    const step = (spanId: string, parentId: string | null, start: number, duration: number): Span => ({
      ...{ traceId: "t", spanId, parentId, service: "shelf", operation: `<b>${spanId}`, kind: "server", attributes: {} },
      ...{ start: ONSET + start, duration, error: spanId === "slow" },
    });
    // Out of order, and one whose parent was never sent.
    const spans = [
      step("slow", "root", 10, 80),
      step("root", null, 0, 100),
      step("quick", "root", 2, 4),
      step("lost", "gone", 1, 1),
    ];
    const traces = { ...world.deps.traces, spans: async ({ traceId }: TraceQuery) => (traceId === "t" ? spans : []) };
    const one = await look(`/traces/t?${during}`, readable({ traces }));
    expect(one?.heading).toBe("Trace t, 100 ms");
    const rows = [...(one?.main ?? "").matchAll(/<tr class="([^"]*)"><td>(?:\u00a0)*shelf &#60;b&#62;(\w+)/g)].map(
      ([, how, name]) => [name, how],
    );
    expect(rows).toEqual([
      ["root", "critical"],
      ["quick", ""],
      ["slow", "level-error critical"],
      ["lost", ""],
    ]);
    expect(one?.main).toContain('<rect x="10.00" y="0" width="80.00"');
    expect(await look(`/traces/0000?${during}`, readable({ traces }))).toBeNull();
  });

  it("shows changes with who and what, and what could not be read", async () => {
    const changes = { changes: world.deps.changes.changes, unread: () => ["Argo CD: refused; renew its token"] };
    const view = await look(`/changes?from=${NOW - 24 * HOUR}&to=${NOW}`, readable({ changes }));
    expect(view?.main).toContain(PLAIN.flag);
    expect(view?.main).toContain("Not known: Argo CD: refused; renew its token");
  });

  it("says not found for documents that the readers may not know, and for odd addresses", async () => {
    const get = await pages(readable({ document: async () => null }));
    for (const path of ["/documents/INC-31", "/documents/%E0%A4%A", "/traces/"]) expect((await get(path)).status, path).toBe(404);
  });

  it("fails as the source does, for the page to tell", async () => {
    const traces = { ...world.deps.traces, spans: async () => Promise.reject(new SourceError("Tempo is down")) };
    await expect(look(`/traces?${during}`, readable({ traces }))).rejects.toThrow("Tempo is down");
  });

  it.each<[string, number, number]>([
    ["", NOW - HOUR, NOW],
    [`from=${ONSET}&to=${NOW}`, ONSET, NOW],
    ["from=-2h", NOW - 2 * HOUR, NOW],
    ["from=soon&to=later", NOW - HOUR, NOW],
    [`from=${NOW}&to=${ONSET}`, ONSET - HOUR, ONSET],
    ["from=0000000001", NOW - 31 * 24 * HOUR, NOW],
  ])("reads the window %j", (query, from, to) => {
    expect(windowOf(new URLSearchParams(query), NOW)).toEqual({ from, to });
  });
});
