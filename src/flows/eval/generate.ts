import { normalQuantile } from "../../detection/normal.ts";
import type { CatalogEntry } from "../../domain/service.ts";
import type { ChangeEvent, LogRecord, ServiceName, Span } from "../../domain/telemetry.ts";
import type { MetricRecord } from "../../domain/telemetry-sink.ts";
import { type EpochMs, MINUTE, SECOND } from "../../domain/time.ts";
import { type Chance, chance } from "./random.ts";
import type { Scenario, World } from "./scenario.ts";
import { Simulation, type Variants } from "./simulate.ts";

/** A scenario's recorded past: what sources would have delivered up to `now`. */
export interface Recorded {
  readonly now: EpochMs;
  readonly metrics: readonly MetricRecord[];
  readonly logs: readonly LogRecord[];
  readonly spans: readonly Span[];
  readonly changes: readonly ChangeEvent[];
  readonly catalog: readonly CatalogEntry[];
}

const BOUNDS = [0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10];
const QUANTILES = Array.from({ length: 40 }, (_, index) => normalQuantile((index + 0.5) / 40));
/** Spans and logs are kept for this long; metrics for the whole history. */
const DETAIL = 110 * MINUTE;
const TRACES_PER_MINUTE = 6;
const REQUEST = "http.server.request.duration";

/** Turns a scenario's description into telemetry. The same seed gives the same telemetry. */
export function generate(scenario: Scenario, world: World): Recorded {
  const simulation = new Simulation(scenario, world);
  const { now } = simulation;
  const random = chance(world.seed);
  return {
    now,
    metrics: metrics(simulation, random),
    ...requests(simulation, random),
    changes: changesOf(scenario, now),
    catalog: Object.entries(world.services).map(([name, { owner, tier, calls }]) => ({
      name,
      description: "",
      owner: owner ?? "unknown",
      tier: tier ?? null,
      dependsOn: Object.keys(calls),
    })),
  };
}

export function changesOf(scenario: Scenario, now: EpochMs): ChangeEvent[] {
  return scenario.changes.map((one, index) => ({
    id: `c${index + 1}`,
    at: now + one.at,
    kind: one.kind,
    subject: one.subject,
    services: one.services ?? [one.subject],
    environment: "production",
    actor: one.actor,
    before: one.before,
    after: one.after,
    summary: one.summary,
    reference: `ref-${index + 1}`,
    source: "scenario",
  }));
}

function metrics(simulation: Simulation, random: Chance): MetricRecord[] {
  const { now, world } = simulation;
  const records: MetricRecord[] = [];
  // Neighbouring minutes resemble each other: first-order autoregression with a coefficient of one half.
  const drift = new Map<ServiceName, number>();
  for (let at = now - world.history; at < now; at += MINUTE) {
    for (const name of simulation.order) drift.set(name, 0.5 * (drift.get(name) ?? 0) + 0.013 * random.normal());
    const behaviour = simulation.at(at, (name) => 1 + (drift.get(name) ?? 0));
    for (const name of simulation.order) {
      const { rate, latency, failing } = behaviour.get(name) as NonNullable<ReturnType<typeof behaviour.get>>;
      const service = simulation.service(name);
      const count = random.count(rate * 60);
      const failed = Math.min(count, random.count(count * failing));
      const noisy = (latency / 1_000) * (1 + (0.8 * random.normal()) / Math.sqrt(Math.max(1, count)));
      if (simulation.silent(name, "metrics", at)) continue;
      const good = count - failed;
      if (good > 0) records.push(durations(name, at, good, noisy, service.spread, "200"));
      if (failed > 0) records.push(durations(name, at, failed, noisy, service.spread, "500"));
      for (const [metric, { unit }] of Object.entries(service.gauges)) {
        const usual = usualRate(simulation, name);
        const value = simulation.gauge(name, metric, at, usual > 0 ? rate / usual : 1) * (1 + 0.02 * random.normal());
        records.push({ kind: "gauge", metric, service: name, unit, labels: {}, at, value });
      }
    }
  }
  return records;
}

const usual = new WeakMap<Simulation, Map<ServiceName, number>>();

/** Requests per second without effects and swings. */
function usualRate(simulation: Simulation, name: ServiceName): number {
  let rates = usual.get(simulation);
  if (!rates) {
    rates = new Map();
    for (const one of simulation.order.toReversed()) {
      const rate = (rates.get(one) ?? 0) + simulation.service(one).rate;
      rates.set(one, rate);
      for (const [callee, count] of Object.entries(simulation.service(one).calls))
        rates.set(callee, (rates.get(callee) ?? 0) + rate * count);
    }
    usual.set(simulation, rates);
  }
  return rates.get(name) ?? 0;
}

function durations(service: ServiceName, at: EpochMs, count: number, mean: number, spread: number, status: string): MetricRecord {
  const middle = Math.log(mean) - spread ** 2 / 2;
  const buckets = new Array<number>(BOUNDS.length + 1).fill(0);
  let given = 0;
  QUANTILES.forEach((z, index) => {
    const value = Math.exp(middle + spread * z);
    const upTo = Math.round(((index + 1) / QUANTILES.length) * count);
    const bucket = BOUNDS.findIndex((bound) => value <= bound);
    const slot = bucket < 0 ? BOUNDS.length : bucket;
    buckets[slot] = (buckets[slot] ?? 0) + upTo - given;
    given = upTo;
  });
  return {
    kind: "histogram",
    temporality: "delta",
    metric: REQUEST,
    service,
    unit: "s",
    labels: { "http.response.status_code": status },
    at,
    start: at - MINUTE,
    count,
    sum: count * mean,
    bounds: BOUNDS,
    buckets,
  };
}

/** Sampled requests with their spans, and log lines. */
function requests(simulation: Simulation, random: Chance): { spans: Span[]; logs: LogRecord[] } {
  const { now, world } = simulation;
  const spans: Span[] = [];
  const logs: LogRecord[] = [];
  const entries = Object.entries(world.services).filter(([, { rate }]) => rate > 0);
  const total = entries.reduce((sum, [, { rate }]) => sum + rate, 0);
  let traces = 0;
  for (let at = now - Math.min(DETAIL, world.history); at < now; at += MINUTE) {
    for (let index = 0; index < TRACES_PER_MINUTE && total > 0; index++) {
      const entry = picked(entries, random.uniform() * total);
      new Request(simulation, random, `t${(++traces).toString(16).padStart(8, "0")}`, spans).visit(
        entry,
        null,
        at + random.uniform() * 50 * SECOND,
      );
    }
    for (const name of simulation.order) {
      if (simulation.silent(name, "logs", at)) continue;
      logs.push(
        line(
          name,
          at + random.uniform() * MINUTE,
          "INFO",
          `request handled in ${Math.round(simulation.service(name).own)} ms, id {n}`,
          random,
        ),
      );
    }
    for (const { service, severity, text, from, to, perMinute } of world.logs) {
      if (at < now + (from ?? -DETAIL) || at >= now + to || simulation.silent(service, "logs", at)) continue;
      for (let left = random.count(perMinute); left > 0; left--)
        logs.push(line(service, at + random.uniform() * MINUTE, severity, text, random));
    }
  }
  return { spans, logs };
}

/** The entry in whose share of the requests `at` falls. */
function picked(entries: readonly (readonly [ServiceName, { readonly rate: number }])[], at: number): ServiceName {
  let upTo = 0;
  for (const [name, { rate }] of entries) {
    upTo += rate;
    if (at < upTo) return name;
  }
  return entries[0]?.[0] ?? "";
}

function line(service: ServiceName, at: EpochMs, severity: LogRecord["severity"], text: string, random: Chance): LogRecord {
  const body = text.replaceAll("{n}", () => String(Math.floor(random.uniform() * 90_000) + 1_000));
  return { at: Math.floor(at), service, severity, body, attributes: {}, traceId: null };
}

/** One request on its way through the services; flags and versions are drawn once where each is met. */
class Request {
  readonly #simulation: Simulation;
  readonly #random: Chance;
  readonly #trace: string;
  readonly #spans: Span[];
  readonly #variants = new Map<string, boolean>();
  #ids = 0;

  constructor(simulation: Simulation, random: Chance, trace: string, spans: Span[]) {
    this.#simulation = simulation;
    this.#random = random;
    this.#trace = trace;
    this.#spans = spans;
  }

  visit(name: ServiceName, parentId: string | null, start: EpochMs): { duration: number; error: boolean } {
    const spanId = `${this.#trace}.${++this.#ids}`;
    const attributes = this.#attributes(name, start);
    const { own, errors } = this.#simulation.treatment(name, start, this.#variants as Variants);
    const { spread } = this.#simulation.service(name);
    let duration = own * Math.exp(spread * this.#random.normal() - spread ** 2 / 2);
    let error = this.#random.uniform() < errors;
    for (const [callee, count] of this.#simulation.callsOf(name, start, this.#variants as Variants)) {
      const whole = Math.floor(count) + Number(this.#random.uniform() < count % 1);
      for (let call = 0; call < Math.min(whole, 12); call++) {
        const below = this.visit(callee, spanId, start + duration);
        duration += below.duration;
        error ||= below.error;
      }
    }
    if (!this.#simulation.silent(name, "traces", start))
      this.#spans.push({
        traceId: this.#trace,
        spanId,
        parentId,
        service: name,
        operation: `serve ${name}`,
        kind: "server",
        start: Math.round(start),
        duration,
        error,
        attributes,
      });
    return { duration, error };
  }

  #attributes(name: ServiceName, at: EpochMs): Record<string, string> {
    const attributes: Record<string, string> = {};
    let version = this.#simulation.service(name).version;
    for (const { kind, subject, services, before, after, at: changed } of this.#simulation.changes) {
      if (!(services ?? [subject]).includes(name)) continue;
      const share = this.#simulation.shareOf(subject, at);
      if (!this.#variants.has(subject)) this.#variants.set(subject, this.#random.uniform() < share);
      const on = this.#variants.get(subject) === true;
      if (kind === "flag") attributes[`feature_flag.${subject}.variant`] = on ? "on" : "off";
      if (kind === "deploy") version = on && at >= this.#simulation.now + changed ? after : before;
    }
    attributes["service.version"] = version;
    return attributes;
  }
}
