import { z } from "zod";
import type { AgentDependencies, CausalTester } from "../../src/agent/types.ts";
import type { Anomaly } from "../../src/domain/anomaly.ts";
import type { Proposal, ProposalRequest } from "../../src/domain/proposal.ts";
import type { ChangeEvent, LogRecord, MetricPoint, RedSignal, Series, Span } from "../../src/domain/telemetry.ts";
import { HOUR, MINUTE } from "../../src/domain/time.ts";

export type Story = "flag" | "deploy" | "dependency" | "quiet";

export const NOW = Date.UTC(2026, 5, 10, 2, 47);
export const ONSET = NOW - 40 * MINUTE;

/** Every name that a reasoner might be tempted to know; a renamed world must be understood as well. */
export interface Names {
  readonly web: string;
  readonly api: string;
  readonly store: string;
  readonly other: string;
  readonly flag: string;
  readonly decoy: string;
  readonly gauge: string;
}

export const PLAIN: Names = {
  web: "storefront",
  api: "checkout",
  store: "orders-db",
  other: "mailer",
  flag: "new-cache-key",
  decoy: "blue-button",
  gauge: "db.client.connections.usage",
};

export const RENAMED: Names = {
  web: "zork",
  api: "quux",
  store: "plugh",
  other: "xyzzy",
  flag: "f-77",
  decoy: "f-12",
  gauge: "m.k3",
};

export interface FakeWorld {
  readonly deps: AgentDependencies;
  readonly anomalies: readonly Anomaly[];
  readonly filed: ProposalRequest[];
  readonly tested: string[];
}

/** Smooth noise without a random source: the same world every time. */
function noise(seed: number): number {
  const x = Math.sin(seed * 12.9898) * 43758.5453;
  return x - Math.floor(x) - 0.5;
}

/** An in-memory world that keeps to the contracts: half-open ranges, aligned ascending steps, newest or slowest first, limits. */
export function fakeWorld(
  story: Story,
  names: Names = PLAIN,
  options: { readonly logLine?: string; readonly verdict?: "causal" | "not_causal" } = {},
): FakeWorld {
  const { web, api, store, other } = names;
  const base: Record<string, number> = { [web]: 0.2, [api]: 0.12, [store]: 0.02, [other]: 0.05 };
  const factor = (service: string, at: number): number => {
    if (at < ONSET || story === "quiet") return 1;
    if (story === "dependency") return service === store ? 4 : service === api ? 1.5 : service === web ? 1.3 : 1;
    return service === api ? 1.12 : service === web ? 1.07 : 1;
  };
  const red = (service: string, signal: RedSignal, at: number): number => {
    const wobble = 1 + 0.02 * noise(at / MINUTE + service.length * 7);
    if (signal === "rate") return 20 * wobble;
    if (signal === "errors") return 0.001;
    return (base[service] ?? 0.05) * factor(service, at) * wobble * (signal === "latency_p95" ? 2.5 : 1);
  };
  const points = (range: { from: number; to: number; step: number }, value: (at: number) => number): MetricPoint[] => {
    const all: MetricPoint[] = [];
    for (let at = Math.ceil(range.from / range.step) * range.step; at < range.to; at += range.step)
      all.push({ at, value: value(at) });
    return all;
  };
  const series = (service: string, metric: string, unit: string, of: MetricPoint[]): Series => ({
    service,
    metric,
    unit,
    labels: {},
    points: of,
  });
  const event = (
    change: Partial<ChangeEvent> & Pick<ChangeEvent, "id" | "at" | "kind" | "subject" | "services">,
  ): ChangeEvent => ({
    environment: "production",
    actor: "maya",
    before: "off",
    after: "on",
    summary: "routine",
    reference: "ref",
    source: "fake",
    ...change,
  });
  const changes = [
    event({
      id: "c-decoy",
      at: ONSET - 30 * MINUTE,
      kind: "flag",
      subject: names.decoy,
      services: [api],
      before: "0%",
      after: "50%",
    }),
    event({
      id: "c-mail",
      at: ONSET - 10 * MINUTE,
      kind: "deploy",
      subject: other,
      services: [other],
      before: "2.0.0",
      after: "2.0.1",
    }),
    ...(story === "flag"
      ? [
          event({
            id: "c-flag",
            at: NOW - 6 * HOUR,
            kind: "flag",
            subject: names.flag,
            services: [api],
            before: "5%",
            after: "25%",
          }),
        ]
      : []),
    ...(story === "deploy"
      ? [
          event({
            id: "c-deploy",
            at: ONSET - 4 * MINUTE,
            kind: "deploy",
            subject: api,
            services: [api],
            before: "1.4.0",
            after: "1.4.1",
          }),
        ]
      : []),
  ].sort((a, b) => b.at - a.at);
  const spans = (service: string, from: number, to: number): Span[] => {
    const all: Span[] = [];
    for (let at = Math.ceil(from / 5_000) * 5_000; at < to; at += 5_000) {
      const n = at / 5_000;
      const [on, decoy] = [n % 4 === 0, n % 3 === 0];
      const slow = story === "flag" ? (on && service === api && at >= ONSET ? 1.5 : 1) : factor(service, at);
      const attributes: Record<string, string> = {
        "service.version": story === "deploy" && at >= ONSET - 4 * MINUTE ? "1.4.1" : "1.4.0",
      };
      if (service === api) {
        attributes[`feature_flag.${names.decoy}.variant`] = decoy ? "on" : "off";
        if (story === "flag") {
          attributes["feature_flag.key"] = names.flag;
          attributes["feature_flag.result.variant"] = on ? "on" : "off";
        }
      }
      all.push({
        traceId: `t${n}`,
        spanId: `s${n}`,
        parentId: null,
        service,
        operation: "POST /do",
        kind: "server",
        start: at,
        duration: (base[service] ?? 0.05) * 1_000 * slow * (1 + 0.2 * noise(n)),
        error: false,
        attributes,
      });
    }
    return all;
  };
  const logs: LogRecord[] = Array.from({ length: 60 }, (_, index) => ({
    at: NOW - (index + 1) * 3 * MINUTE,
    service: api,
    severity: "INFO" as const,
    body: `handled request ${index} in ${index + 10} ms`,
    attributes: {},
    traceId: null,
  }));
  if (options.logLine) {
    logs.unshift({ at: NOW - MINUTE, service: api, severity: "ERROR", body: options.logLine, attributes: {}, traceId: null });
  }
  const anomaly = (service: string, signal: RedSignal, relativeChange: number, score: number): Anomaly => ({
    id: `${service}-${signal}`,
    service,
    signal,
    labels: {},
    kind: "level",
    direction: "up",
    startedAt: ONSET,
    detectedAt: NOW,
    endedAt: null,
    observed: (base[service] ?? 1) * (1 + relativeChange),
    expected: base[service] ?? 1,
    relativeChange,
    score,
  });
  const active: Anomaly[] =
    story === "quiet"
      ? []
      : story === "dependency"
        ? [anomaly(api, "latency", 0.5, 3), anomaly(store, "latency", 3, 2.5), anomaly(web, "latency", 0.3, 2)]
        : [anomaly(api, "latency", 0.12, 2), anomaly(web, "latency", 0.07, 1.2)];
  const filed: ProposalRequest[] = [];
  const tested: string[] = [];
  const causal: CausalTester = {
    async candidates() {
      return [
        { flag: names.decoy, services: [api], percent: 50 },
        ...(story === "flag" ? [{ flag: names.flag, services: [api], percent: 25 }] : []),
      ];
    },
    async run({ flag, service, signal }) {
      tested.push(flag);
      const verdict = options.verdict ?? (story === "flag" && flag === names.flag ? "causal" : "not_causal");
      const effect = verdict === "causal" ? -0.11 : 0.002;
      return {
        ok: true,
        result: {
          flag,
          service,
          signal,
          testMean: 0.12 * (1 + effect),
          controlMean: 0.12,
          effect,
          interval: [effect - 0.02, effect + 0.02],
          pValue: verdict === "causal" ? 0.001 : 0.8,
          samples: { test: 120, control: 900 },
          verdict,
          restored: true,
        },
      };
    },
  };
  const deps: AgentDependencies = {
    metrics: {
      services: async () => [web, api, store, other],
      metrics: async (service) => [
        { metric: names.gauge, kind: "gauge", unit: "1", services: service ? [service] : [], labelKeys: [] },
      ],
      query: async (query) => {
        const service = query.service ?? api;
        const level = (at: number) => (story === "dependency" && service === store && at >= ONSET ? 0.98 : 0.4);
        return [
          series(
            service,
            query.metric,
            "1",
            points(query, (at) => level(at) * (1 + 0.02 * noise(at / MINUTE))),
          ),
        ];
      },
      red: async (query) =>
        series(
          query.service,
          query.signal,
          "s",
          points(query, (at) => red(query.service, query.signal, at)),
        ),
    },
    logs: {
      logs: async ({ from, to, service, limit }) =>
        logs.filter((one) => one.at >= from && one.at < to && (!service || one.service === service)).slice(0, limit),
    },
    traces: {
      spans: async ({ service = api, from, to, limit }) =>
        spans(service, from, to)
          .sort((a, b) => b.duration - a.duration)
          .slice(0, limit),
      dependencies: async () => [
        { caller: web, callee: api, calls: 1_000 },
        { caller: api, callee: store, calls: 2_000 },
      ],
    },
    changes: {
      changes: async ({ from, to, services }) =>
        changes.filter(
          (one) => one.at >= from && one.at < to && (!services || one.services.some((name) => services.includes(name))),
        ),
    },
    knowledge: {
      search: async ({ kinds }) =>
        kinds?.includes("runbook")
          ? [hit("RB-1", "runbook", "Slow store", api)]
          : [hit("INC-31", "incident", "Hit ratio collapsed after a gradual rollout", web)],
      document: async () => ({ title: "Slow store", kind: "runbook", text: "1. Look at the pool.\n2. Ask the owner." }),
    },
    catalog: async () => [
      { name: api, description: "Takes orders", owner: "team-pay", tier: 1, dependsOn: [store] },
      { name: web, description: "Pages", owner: "team-web", tier: 1, dependsOn: [api] },
    ],
    scanner: { scan: async (services) => active.filter((one) => services.includes(one.service)) },
    desk: {
      actions: [
        {
          name: "toggle_feature_flag",
          description: "Sets the rollout share of a flag.",
          schema: z.strictObject({ flag: z.string(), percent: z.number().min(0).max(100) }),
        },
        { name: "roll_back_deploy", description: "Takes a service back.", schema: z.strictObject({ service: z.string() }) },
      ],
      async file(request) {
        filed.push(request);
        return { ok: true, proposal: proposalOf(request, `P-${filed.length}`) };
      },
    },
    causal,
    clock: { now: () => NOW, speed: 1 },
    learned: { calibrate: (raw) => raw, exemplars: async () => [] },
  };
  return { deps, anomalies: active, filed, tested };
}

function hit(documentId: string, kind: "incident" | "runbook", title: string, service: string) {
  return {
    documentId,
    kind,
    title,
    file: `${documentId}.md`,
    score: 0.7,
    excerpt: `${title}. Cache entries missed.`,
    services: [service],
    metadata: { started: "2025-10-04", root_cause: "cache keys changed" },
    why: "meaning 0.71",
  };
}

function proposalOf(request: ProposalRequest, id: string): Proposal {
  return {
    id,
    rev: 1,
    state: "pending",
    action: request.action,
    args: request.args,
    target: "target",
    environment: "production",
    risk: { tier: "T2", score: 3, lines: [] },
    summary: "25% → 5%",
    currentState: "25%",
    wantedState: "5%",
    undo: "set it back",
    reason: request.reason,
    expectedEffect: request.expectedEffect,
    criterion: null,
    digest: "0",
    requester: request.requester,
    investigationId: request.investigationId,
    neededApprovals: 1,
    approvals: [],
    createdAt: NOW,
    expiresAt: NOW + 5 * MINUTE,
    outcome: null,
  };
}
