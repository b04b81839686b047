import type { EpochMs } from "../domain/time.ts";
import type { LogLine, MetricBatch, SpanLine } from "./export.ts";
import { gaussian } from "./random.ts";
import { CALLS, type Role, type ShopNames } from "./shop.ts";
import { BOUNDS, bucketCounts, type CohortName, type Conditions, durationAround, type MinuteOfShop } from "./simulate.ts";

const SECONDS_BOUNDS = BOUNDS.map((bound) => bound / 1_000);
const ROUTES: Readonly<Record<Role, string>> = {
  storefront: "/",
  api: "/v1/shop",
  catalog: "/products/{id}",
  cart: "/carts/{id}",
  checkout: "/orders",
  payments: "/charges",
  inventory: "/reservations",
  database: "query",
  cache: "get",
};

/** Collects minutes into the batches of one export: one entry a service and metric. */
export class MetricCollector {
  readonly #batches = new Map<string, MetricBatch>();
  readonly #names: ShopNames;

  constructor(names: ShopNames) {
    this.#names = names;
  }

  /** @param gauges false leaves the gauges out, as the back-fill does for most minutes. */
  add(minute: MinuteOfShop, gauges: boolean): void {
    // The exporter stamps the end of the minute that it counted.
    const at = minute.at + 60_000;
    const { services, metrics } = this.#names;
    for (const [role, cohorts] of Object.entries(minute.requests) as [Role, MinuteOfShop["requests"][Role]][]) {
      // A store is seen through what its clients ask of it.
      const store = role === "database" || role === "cache";
      const name = store ? "db.client.operation.duration" : "http.server.request.duration";
      for (const [cohort, { count, failed, mean }] of Object.entries(cohorts)) {
        for (const [status, part] of [
          ["200", count - failed],
          ["500", failed],
        ] as const) {
          if (part === 0) continue;
          this.#histogram(services[role], name, {
            at,
            labels: {
              "traffic.cohort": cohort,
              ...(store
                ? { "db.operation.name": ROUTES[role], ...(status === "500" ? { "error.type": "timeout" } : {}) }
                : { "http.route": ROUTES[role], "http.response.status_code": status }),
            },
            count: part,
            sum: (part * mean) / 1_000,
            buckets: bucketCounts(part, mean),
          });
        }
      }
    }
    if (!gauges) return;
    for (const [role, value] of Object.entries(minute.gauges.cpu))
      this.#gauge(services[role as Role], metrics.cpu, "1", at, value);
    for (const [role, value] of Object.entries(minute.gauges.memory))
      this.#gauge(services[role as Role], metrics.memory, "By", at, value);
    for (const [role, value] of Object.entries(minute.gauges.hitRatio))
      this.#gauge(services[role as Role], metrics.hitRatio, "1", at, value);
    this.#gauge(services.payments, metrics.poolInUse, "1", at, minute.gauges.poolInUse);
    this.#gauge(services.payments, metrics.poolWaiting, "{request}", at, minute.gauges.poolWaiting);
  }

  take(): MetricBatch[] {
    const batches = [...this.#batches.values()];
    this.#batches.clear();
    return batches;
  }

  #histogram(service: string, name: string, point: NonNullable<MetricBatch["histogram"]>[number]): void {
    this.#batch(service, name, () => ({ service, name, unit: "s", bounds: SECONDS_BOUNDS, histogram: [] })).histogram?.push(
      point,
    );
  }

  #gauge(service: string, name: string, unit: string, at: EpochMs, value: number): void {
    this.#batch(service, name, () => ({ service, name, unit, gauge: [] })).gauge?.push({ at, labels: {}, value });
  }

  #batch(service: string, name: string, make: () => MetricBatch): MetricBatch {
    const key = `${service}\u0000${name}`;
    let batch = this.#batches.get(key);
    if (!batch) {
      batch = make();
      this.#batches.set(key, batch);
    }
    return batch;
  }
}

export interface TraceContext {
  readonly names: ShopNames;
  readonly random: () => number;
  readonly variantFor: (targetingKey: string, cohort: CohortName) => boolean;
  readonly versionOf: (role: Role) => string;
}

const hex = (random: () => number, bytes: number): string =>
  Array.from({ length: bytes }, () =>
    Math.floor(random() * 256)
      .toString(16)
      .padStart(2, "0"),
  ).join("");

/** A few whole requests of a minute, sampled: their spans, and the log lines that they wrote. */
export function sampleTraces(
  minute: MinuteOfShop,
  conditions: Conditions,
  count: number,
  context: TraceContext,
): { spans: SpanLine[]; logs: LogLine[] } {
  const spans: SpanLine[] = [];
  const logs: LogLine[] = [];
  for (let index = 0; index < count; index++) {
    const cohort: CohortName = context.random() < 0.2 ? "test" : "live";
    new Trace(minute, conditions, cohort, context, spans, logs).run();
  }
  return { spans, logs };
}

class Trace {
  readonly #minute: MinuteOfShop;
  readonly #conditions: Conditions;
  readonly #cohort: CohortName;
  readonly #context: TraceContext;
  readonly #spans: SpanLine[];
  readonly #logs: LogLine[];
  readonly #id: string;
  readonly #flagged: boolean;

  constructor(
    minute: MinuteOfShop,
    conditions: Conditions,
    cohort: CohortName,
    context: TraceContext,
    spans: SpanLine[],
    logs: LogLine[],
  ) {
    this.#minute = minute;
    this.#conditions = conditions;
    this.#cohort = cohort;
    this.#context = context;
    this.#spans = spans;
    this.#logs = logs;
    this.#id = hex(context.random, 16);
    this.#flagged = context.variantFor(`shopper-${Math.floor(context.random() * 100_000)}`, cohort);
  }

  run(): void {
    this.#visit("storefront", null, this.#minute.at + Math.floor(this.#context.random() * 55_000));
  }

  /** Returns how long the role took and whether it failed. */
  #visit(role: Role, parentId: string | null, start: EpochMs): { duration: number; failed: boolean } {
    const { names, random } = this.#context;
    const spanId = hex(random, 8);
    const slot = this.#spans.length;
    this.#spans.push(undefined as never);
    let elapsed = durationAround(this.#ownTime(role), gaussian(random));
    let failed = random() < 0.002 + (this.#conditions.releaseErrors[role] ?? 0);
    const attributes: Record<string, string> = {
      "traffic.cohort": this.#cohort,
      "service.version": this.#context.versionOf(role),
    };
    if (failed && this.#conditions.releaseErrors[role]) {
      attributes["exception.type"] = "TypeError";
      this.#log(
        role,
        start + elapsed,
        17,
        `TypeError: cannot read properties of undefined (reading 'voucherId') while pricing order ${Math.floor(random() * 1e6)}`,
      );
    }
    if (role === "catalog") {
      attributes["feature_flag.key"] = names.harmfulFlag;
      attributes["feature_flag.result.variant"] = this.#flagged ? "on" : "off";
    }
    for (const { callee, share } of CALLS.filter(({ caller }) => caller === role)) {
      const missShare = role === "catalog" && callee === "database" ? (this.#flagged ? 0.95 : 0.08) : share;
      if (random() >= missShare) continue;
      const from = start + elapsed;
      if (callee === "database" || callee === "cache") {
        const took = durationAround(callee === "database" ? this.#minute.queryTime : 1, gaussian(random));
        this.#spans.push(
          this.#span(role, {
            spanId: hex(random, 8),
            parentId: spanId,
            name: callee === "database" ? "SELECT" : "GET",
            kind: 2,
            start: from,
            duration: took,
            failed: false,
            attributes: {
              "db.system.name": callee === "database" ? "postgresql" : "redis",
              "server.address": names.services[callee],
            },
          }),
        );
        elapsed += took;
        if (role === "catalog" && callee === "database") {
          elapsed += 14;
          if (this.#flagged && random() < 0.4) {
            this.#log(
              role,
              start + elapsed,
              13,
              `lookup missed for product ${Math.floor(random() * 90_000)}; loaded from the database in ${took.toFixed(0)} ms`,
            );
          }
        }
        continue;
      }
      const child = this.#visit(callee, spanId, from);
      elapsed += child.duration;
      failed ||= child.failed;
    }
    if (role === "payments" && this.#conditions.poolLeak > 0.6 && random() < 0.5) {
      this.#log(
        role,
        start,
        13,
        `connection pool exhausted: waited ${Math.floor(400 + 900 * random())} ms for a connection (in use 50 of 50)`,
      );
    }
    this.#spans[slot] = this.#span(role, {
      spanId,
      parentId,
      name: `${role === "storefront" ? "GET" : "POST"} ${ROUTES[role]}`,
      kind: 1,
      start,
      duration: elapsed,
      failed,
      attributes,
    });
    return { duration: elapsed, failed };
  }

  #ownTime(role: Role): number {
    const times: Readonly<Partial<Record<Role, number>>> = {
      storefront: 25,
      api: 15,
      catalog: 18,
      cart: 12,
      checkout: 20,
      inventory: 10,
    };
    if (role === "payments") return this.#minute.requests.payments[this.#cohort].mean;
    return times[role] ?? 1;
  }

  #span(role: Role, span: Omit<SpanLine, "service" | "traceId">): SpanLine {
    return { service: this.#context.names.services[role], traceId: this.#id, ...span };
  }

  #log(role: Role, at: EpochMs, severity: number, body: string): void {
    this.#logs.push({ service: this.#context.names.services[role], at, severity, body, traceId: this.#id });
  }
}

/** Lines that a healthy shop writes, whatever happens. */
export function routineLogs(minute: MinuteOfShop, names: ShopNames, random: () => number): LogLine[] {
  const line = (role: Role, severity: number, body: string): LogLine => ({
    service: names.services[role],
    at: minute.at + Math.floor(random() * 60_000),
    severity,
    body,
    traceId: null,
  });
  const logs = [
    line("api", 9, `served ${minute.requests.api.live.count + minute.requests.api.test.count} requests in the last minute`),
  ];
  if (random() < 0.3) logs.push(line("inventory", 9, `stock of ${Math.floor(random() * 400)} products reconciled`));
  if (random() < 0.15) logs.push(line("cart", 13, `guest cart ${Math.floor(random() * 1e6)} expired before sign-in`));
  if (random() < 0.1) logs.push(line("database", 9, `checkpoint complete: wrote ${Math.floor(200 + random() * 300)} buffers`));
  return logs;
}
