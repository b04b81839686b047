import { afterEach, describe, expect, it } from "vitest";
import { createSreAgent } from "../../../src/agent/index.ts";
import type { AgentDependencies } from "../../../src/agent/types.ts";
import { investigationCard } from "../../../src/chat/cards/investigation.ts";
import type { Investigation } from "../../../src/domain/investigation.ts";
import { LokiLogs } from "../../../src/sources/loki/index.ts";
import { PrometheusMetrics } from "../../../src/sources/prometheus/index.ts";
import { PRESETS, redTemplate } from "../../../src/sources/prometheus/presets.ts";
import { TempoTraces } from "../../../src/sources/tempo/index.ts";
import { Unleash } from "../../../src/targets/unleash/index.ts";
import { fakeWorld, NOW, PLAIN } from "../../support/fake-agent-world.ts";
import { type StubAnswer, type StubServer, stubServer } from "../../support/stub-server.ts";

const PROMPTS = `${import.meta.dirname}/../../../prompts`;
/** Short only where no answer ever comes: a busy machine must not make a failure look like a time-out. */
const patience = (answer: StubAnswer | null): number => (answer === null ? 300 : 10_000);

const TROUBLES: Readonly<Record<string, { readonly answer: StubAnswer | null; readonly says: RegExp }>> = {
  "does not answer": { answer: null, says: /timed out after 0\.3 s/ },
  "refuses the token": { answer: { status: 401 }, says: /does not accept the token/ },
  "limits the rate": { answer: { status: 429, headers: { "retry-after": "60" } }, says: /limits the rate/ },
  fails: { answer: { status: 500 }, says: /failed \(500/ },
  "sends a page of HTML": { answer: { body: "<html>" }, says: /not JSON/ },
  "sends nothing": { answer: { body: "" }, says: /unknown shape/ },
};

let stub: StubServer;
afterEach(() => stub.close());

async function investigate(replaced: (url: string) => Partial<AgentDependencies>, answer: StubAnswer | null) {
  stub = await stubServer(() => answer);
  const world = fakeWorld("flag", PLAIN);
  const agent = createSreAgent({ ...world.deps, ...replaced(stub.url) }, { prompts: PROMPTS });
  return agent.investigate(
    { investigationId: "INV-1", anomalies: world.anomalies, question: null, requester: "vigil" },
    { onStep: () => {} },
    new AbortController().signal,
  );
}

const labels = { serviceLabel: "service_name", severityLabel: "detected_level", traceLabel: "trace_id" };

describe.each(Object.entries(TROUBLES))("an investigation whose backend %s (stub)", (_, { answer, says }) => {
  const timeout = patience(answer);
  it("finds the cause without logs, and says that it went without", async () => {
    const report = await investigate((url) => ({ logs: new LokiLogs({ url, timeout, ...labels }) }), answer);
    expect(report.outcome).toBe("cause_found");
    expect(report.notUsed).toContainEqual(expect.stringMatching(new RegExp(`^logs: Loki .*${says.source}.*, not used$`)));
    expect(report.notUsed?.every((line) => line.startsWith("logs: Loki "))).toBe(true);
  });

  it("finds the cause without traces, and says that it went without", async () => {
    const report = await investigate((url) => ({ traces: new TempoTraces({ url, timeout, now: () => NOW }) }), answer);
    expect(report.outcome).toBe("cause_found");
    expect(report.notUsed?.[0]).toMatch(/^traces: Tempo .*, not used$/);
  });

  it("ends with a report even without metrics", async () => {
    const templates = PRESETS.opentelemetry.map(redTemplate);
    const metrics = (url: string) => new PrometheusMetrics({ url, timeout, templates, scrapeInterval: 15_000, now: () => NOW });
    const report = await investigate((url) => ({ metrics: metrics(url) }), answer);
    expect(report.notUsed?.[0]).toMatch(/^metrics: Prometheus .*, not used$/);
  });
});

it("an investigation whose flags and one place of changes cannot be read (stub) says so, and finds the cause in the rest", async () => {
  const world = fakeWorld("flag", PLAIN);
  const reason = "GitHub limits the rate of calls (429 on GET /repos/shop/ops/deployments); try again in a minute.";
  const report = await investigate(
    (url) => {
      const flags = new Unleash({ url, token: "t", project: "default", environment: "production", timeout: 10_000 });
      const { run } = world.deps.causal;
      return {
        changes: { changes: (query) => world.deps.changes.changes(query), unread: () => [reason] },
        causal: {
          run,
          candidates: async () => (await flags.list()).map(({ key, services, percent }) => ({ flag: key, services, percent })),
        },
      };
    },
    { status: 500 },
  );
  expect(report.outcome).toBe("cause_found");
  expect(report.notUsed).toContain("changes: GitHub limits the rate of calls (429 on GET /repos/shop/ops/deployments), not used");
  expect(report.notUsed).toContainEqual(expect.stringMatching(/^flags: Unleash failed \(500 on GET .*\), not used$/));
});

it("the card shows what an investigation went without", async () => {
  const report = await investigate((url) => ({ logs: new LokiLogs({ url, timeout: 300, ...labels }) }), null);
  const investigation: Investigation = {
    id: "INV-1",
    incidentId: null,
    trigger: "anomaly",
    question: null,
    anomalies: [],
    state: "done",
    startedAt: NOW,
    finishedAt: NOW,
    steps: [],
    report,
  };
  const { body } = investigationCard({ investigation, picture: null, feedback: [] });
  expect(JSON.stringify(body)).toContain("logs: Loki timed out after 0.3 s, not used");
});
