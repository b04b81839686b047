import { BASE_SHARE } from "../../src/demo/flags.ts";
import { seeded } from "../../src/demo/random.ts";
import { DEFAULT_NAMES, type ShopNames } from "../../src/demo/shop.ts";
import { type Conditions, HEALTHY, Shop } from "../../src/demo/simulate.ts";
import { MetricCollector, routineLogs, sampleTraces } from "../../src/demo/telemetry.ts";
import type { ChangeEvent, LogRecord, Severity, Span } from "../../src/domain/telemetry.ts";
import type { MetricRecord } from "../../src/domain/telemetry-sink.ts";
import { type EpochMs, HOUR, MINUTE } from "../../src/domain/time.ts";

export type DemoFamily = "flag" | "bad-deploy" | "cascade" | "rollback-no-help";

export interface DemoRecording {
  readonly now: EpochMs;
  readonly metrics: readonly MetricRecord[];
  readonly logs: readonly LogRecord[];
  readonly spans: readonly Span[];
  readonly changes: readonly ChangeEvent[];
}

const NOW = Date.UTC(2026, 10, 25, 2, 0);
const START = NOW - 20 * HOUR;
const ONSET = NOW - 25 * MINUTE;
const REVERTED = NOW - 14 * MINUTE;

/** Twenty hours of the demo shop without its process: the same simulation, what it would have sent, and what its people did. */
export function demoRecording(family: DemoFamily, seed: number, names: ShopNames = DEFAULT_NAMES): DemoRecording {
  const random = seeded(seed);
  const shop = new Shop(random);
  const collector = new MetricCollector(names);
  const logs: LogRecord[] = [];
  const spans: Span[] = [];
  for (let at = START; at < NOW; at += MINUTE) {
    const conditions = conditionsAt(family, at);
    const minute = shop.minute(at, conditions);
    collector.add(minute, true);
    if (at < NOW - 2 * HOUR) continue;
    const context = {
      names,
      random,
      variantFor: (_key: string, cohort: "live" | "test") => random() < conditions.flagShare[cohort],
      versionOf: (role: string) => (role === "checkout" && family === "bad-deploy" && at >= ONSET ? "4.8.0" : "4.7.3"),
    };
    const sampled = sampleTraces(minute, conditions, 12, context);
    for (const { service, at: when, severity, body, traceId } of [...sampled.logs, ...routineLogs(minute, names, random)])
      logs.push({ service, at: Math.floor(when), severity: severityOf(severity), body, attributes: {}, traceId });
    for (const one of sampled.spans) {
      const { traceId, spanId, parentId, service, name: operation, start, duration, failed: error, attributes } = one;
      const kind = one.kind === 1 ? ("server" as const) : ("client" as const);
      spans.push({ traceId, spanId, parentId, service, operation, kind, start, duration, error, attributes });
    }
  }
  return { now: NOW, metrics: records(collector), logs, spans, changes: changesOf(family, names) };
}

function conditionsAt(family: DemoFamily, at: EpochMs): Conditions {
  const base = BASE_SHARE / 100;
  const on = at >= ONSET;
  const share = (family === "flag" && on) || (family === "rollback-no-help" && on && at < REVERTED) ? 0.28 : base;
  return {
    ...HEALTHY,
    flagShare: { live: share, test: share },
    releaseErrors: family === "bad-deploy" && on ? { checkout: 0.06 } : {},
    poolLeak: family === "cascade" && on ? Math.min(1, (at - ONSET) / (12 * MINUTE)) : 0,
    databaseFactor: family === "rollback-no-help" && at >= REVERTED ? 3.4 : 1,
  };
}

function changesOf(family: DemoFamily, names: ShopNames): ChangeEvent[] {
  const change = (one: Partial<ChangeEvent>): ChangeEvent => ({
    id: `${one.kind}-${one.at}`,
    at: ONSET,
    kind: "flag",
    subject: names.harmfulFlag,
    services: [names.services.catalog],
    environment: "production",
    actor: "Maya Lindqvist",
    before: `${BASE_SHARE} %`,
    after: "28 %",
    summary: "Next step of the new key layout; canary looked fine over the weekend",
    reference: "ref",
    source: "demo",
    ...one,
  });
  const { checkout } = names.services;
  if (family === "bad-deploy")
    return [
      change({
        kind: "deploy",
        subject: checkout,
        services: [checkout],
        before: "4.7.3",
        after: "4.8.0",
        summary: `${checkout} 4.8.0: vouchers in the express flow`,
      }),
    ];
  if (family === "flag") return [change({})];
  if (family === "cascade") return [];
  const back = { at: REVERTED, before: "28 %", after: `${BASE_SHARE} %`, actor: "Vigil", summary: "Put back by an approval" };
  return [change(back), change({})];
}

const severityOf = (number: number): Severity => (number >= 17 ? "ERROR" : number >= 13 ? "WARN" : "INFO");

function records(collector: MetricCollector): MetricRecord[] {
  return collector.take().flatMap(({ service, name, unit, bounds, histogram, gauge }): MetricRecord[] => [
    ...(histogram ?? []).map(
      ({ at, labels, count, sum, buckets }): MetricRecord => ({
        kind: "histogram",
        temporality: "delta",
        metric: name,
        service,
        unit,
        labels,
        at,
        start: at - MINUTE,
        count,
        sum,
        bounds: bounds ?? [],
        buckets,
      }),
    ),
    ...(gauge ?? []).map(
      ({ at, labels, value }): MetricRecord => ({ kind: "gauge", metric: name, service, unit, labels, at, value }),
    ),
  ]);
}
