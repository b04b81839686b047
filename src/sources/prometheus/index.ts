import {
  type Exemplar,
  type Labels,
  type MetricInfo,
  type MetricPoint,
  type MetricQuery,
  type MetricSource,
  MOST_STEPS,
  type Presence,
  type RedQuery,
  type RedSignal,
  type Series,
  type ServiceName,
  SourceError,
  type TimeRange,
} from "../../domain/telemetry.ts";
import { type EpochMs, HOUR, type Milliseconds, SECOND } from "../../domain/time.ts";
import { LONGEST_RANGE, PrometheusApi, type PrometheusApiOptions } from "./api.ts";
import { Batcher } from "./batcher.ts";
import { allowedBy } from "./catalog.ts";
import { Inventory, type InventoryOptions } from "./inventory.ts";
import type { RedTemplate } from "./presets.ts";
import { redExpression, statisticExpression } from "./promql.ts";
import { isMetricName, labelName, type Matcher, oneOf, rendered, type Selector } from "./selector.ts";

export interface PrometheusOptions extends PrometheusApiOptions, InventoryOptions {
  /** How often targets are scraped: a rate looks back over four of these at least. */
  readonly scrapeInterval: Milliseconds;
}

/** Values that one question may bring: far below the longest answer that is read. */
const MOST_VALUES = 20_000;
/** Names of services in one question. */
const MOST_NAMES_LENGTH = 60_000;
/** Without naming a service, metrics are listed service by service, for so many at most. */
const MOST_LISTED_SERVICES = 50;
/** How long a scrape target that is gone is known of. */
const SEEN_WITHIN = HOUR;
const TRACE_LABELS = ["trace_id", "traceID", "traceId"];

interface RedBatch extends TimeRange {
  readonly signal: RedSignal;
  readonly step: Milliseconds;
  readonly labels: Labels;
}

/**
 * Metrics of a Prometheus, or of what speaks its API. Questions about several services that are asked at the same time become one query, so
 * that watching ten thousand series takes a handful of queries. No text from outside becomes part of a query except as an escaped label value
 * or a name of the allowed characters.
 */
export class PrometheusMetrics implements MetricSource {
  readonly #options: PrometheusOptions;
  readonly #api: PrometheusApi;
  readonly #inventory: Inventory;
  readonly #red: Batcher<RedBatch, readonly MetricPoint[]>;

  constructor(options: PrometheusOptions) {
    this.#options = options;
    this.#api = new PrometheusApi(options);
    this.#inventory = new Inventory(this.#api, options);
    this.#red = new Batcher((batch, services) => this.#redOf(batch, services));
  }

  services(): Promise<readonly ServiceName[]> {
    return this.#inventory.services();
  }

  async metrics(service?: ServiceName): Promise<readonly MetricInfo[]> {
    if (service !== undefined) return (await this.#inventory.metricsOf(service)).map(({ info }) => info);
    const services = await this.services();
    if (services.length > MOST_LISTED_SERVICES) {
      throw new SourceError(`${this.#api.name} has metrics of ${services.length} services; name the service`);
    }
    const merged = new Map<string, MetricInfo>();
    for (const infos of await Promise.all(services.map((one) => this.metrics(one)))) {
      for (const info of infos) {
        const before = merged.get(info.metric);
        const union = (pick: (one: MetricInfo) => readonly string[]) =>
          [...new Set([...(before ? pick(before) : []), ...pick(info)])].sort();
        merged.set(info.metric, { ...info, services: union((one) => one.services), labelKeys: union((one) => one.labelKeys) });
      }
    }
    return [...merged.values()];
  }

  async query(query: MetricQuery, signal?: AbortSignal): Promise<readonly Series[]> {
    check(query);
    const { metric, service, statistic, step, groupBy = [] } = query;
    if (!isMetricName(metric)) throw new SourceError(`${JSON.stringify(metric.slice(0, 80))} is no name of a metric`);
    if (!allowedBy(this.#options.allow ?? [], metric)) throw new SourceError(`${metric} is not among metrics.allow`);
    const known =
      service === undefined ? null : (await this.#inventory.metricsOf(service)).find(({ info }) => info.metric === metric);
    if (service !== undefined && !known) return [];
    const info = known?.info ?? (await this.#inventory.infoOf(metric));
    const selector: Selector = {
      metric,
      matchers: [...(service !== undefined && known ? [oneOf(known.label, [service])] : []), ...this.#matchers(query.labels)],
    };
    const split = new Map(groupBy.map((key) => [labelName(key), key]));
    const expression = statisticExpression(selector, info.kind, statistic, [...split.keys()], {
      rate: this.#rateWindow(step),
      step: Math.max(step, this.#options.scrapeInterval),
    });
    const found = await this.#api.range(expression, query, signal);
    return found.map(({ labels, points }) => ({
      metric,
      service: service ?? null,
      labels: Object.fromEntries([...split].map(([label, key]) => [key, labels[label] ?? ""])),
      unit: statistic === "rate" && info.kind !== "gauge" ? "{event}/s" : info.unit,
      points,
    }));
  }

  async red(query: RedQuery, signal?: AbortSignal): Promise<Series> {
    check(query);
    signal?.throwIfAborted();
    const { service, labels = {}, from, to, step } = query;
    const points = await this.#red.ask({ signal: query.signal, from, to, step, labels }, service);
    const unit = query.signal === "rate" ? "{request}/s" : query.signal === "errors" ? "1" : "s";
    return { metric: `red.${query.signal}`, service, labels, unit, points: points ?? [] };
  }

  /** Newest sample of any service's requests within the last five minutes, which is as far as Prometheus looks back. */
  async latest(): Promise<EpochMs | null> {
    const stamps = this.#options.templates.map(
      ({ requests }) => `timestamp(${rendered({ ...requests, matchers: [...requests.matchers, ...this.#matchers()] })})`,
    );
    const [newest] = await this.#api.instant(`max(${stamps.join(" or ")})`, this.#options.now());
    return newest ? Math.round(Number(newest.value) * SECOND) : null;
  }

  /** Its targets by the metric `up` that Prometheus writes at every scrape, and what else of it has samples. */
  async presence(service: ServiceName, at: EpochMs): Promise<Presence> {
    const labels = this.#inventory.labelsOf(service);
    const each = (metric: string, ...more: Matcher[]) =>
      labels.map((label) => rendered({ metric, matchers: [...more, oneOf(label, [service]), ...this.#matchers()] }));
    const written: Matcher = { label: "__name__", op: "!~", value: "up|scrape_.+|ALERTS.*" };
    const recently = each("up").map((selector) => `last_over_time(${selector}[${SEEN_WITHIN / SECOND}s])`);
    const [now, before, series] = await Promise.all([
      this.#api.instant(each("up").join(" or "), at),
      this.#api.instant(`count(${recently.join(" or ")})`, at),
      this.#api.instant(`count(${each("", written).join(" or ")})`, at),
    ]);
    const up = now.filter(({ value }) => Number(value) === 1).length;
    const known = Number(before[0]?.value ?? 0);
    const targets = known === 0 ? null : { up, down: now.length - up, gone: Math.max(0, known - now.length) };
    return { targets, series: Number(series[0]?.value ?? 0) };
  }

  /** Requests that the buckets of a service's duration point at, the slowest first. */
  async exemplars(
    { service, from, to, limit }: TimeRange & { readonly service: ServiceName; readonly limit: number },
    signal?: AbortSignal,
  ): Promise<readonly Exemplar[]> {
    await this.services();
    const template = this.#inventory.templateOf(service);
    if (!template?.duration) return [];
    const { metric, matchers } = template.duration;
    const selector = {
      metric: `${metric}_bucket`,
      matchers: [...matchers, oneOf(template.service, [service]), ...this.#matchers()],
    };
    const scale = template.unit === "ms" ? 0.001 : 1;
    return (await this.#api.exemplars(rendered(selector), { from, to }, signal))
      .flatMap(({ labels, value, at }) => {
        const traceId = TRACE_LABELS.map((label) => labels[label]).find((id) => id);
        return traceId ? [{ traceId, value: value * scale, at }] : [];
      })
      .sort((a, b) => b.value - a.value)
      .slice(0, limit);
  }

  close(): Promise<void> {
    return this.#api.close();
  }

  /** One signal of several services over the same time. */
  async #redOf(batch: RedBatch, services: readonly ServiceName[]): Promise<ReadonlyMap<ServiceName, readonly MetricPoint[]>> {
    await this.services();
    const result = new Map<ServiceName, readonly MetricPoint[]>();
    const byTemplate = new Map<RedTemplate, ServiceName[]>();
    for (const service of services) {
      const template = this.#inventory.templateOf(service);
      if (template) byTemplate.set(template, [...(byTemplate.get(template) ?? []), service]);
    }
    const steps = Math.min(LONGEST_RANGE, batch.to - batch.from) / batch.step + 4;
    await Promise.all(
      [...byTemplate].flatMap(([template, members]) =>
        portions(members, Math.max(1, Math.floor(MOST_VALUES / steps)), MOST_NAMES_LENGTH).map(async (portion) => {
          const matchers = [oneOf(template.service, portion), ...this.#matchers(batch.labels)];
          const expression = redExpression(template, batch.signal, matchers, this.#rateWindow(batch.step));
          if (!expression) return;
          for (const { labels, points } of await this.#api.range(expression, batch)) {
            const service = labels[template.service];
            if (service !== undefined) result.set(service, points);
          }
        }),
      ),
    );
    return result;
  }

  #matchers(labels: Labels = {}): Matcher[] {
    const wanted = Object.entries(labels).map(([key, value]): Matcher => ({ label: labelName(key), op: "=", value }));
    return [...wanted, ...(this.#options.matchers ?? [])];
  }

  #rateWindow(step: Milliseconds): Milliseconds {
    return Math.max(step, 4 * this.#options.scrapeInterval);
  }
}

/** Divides names so that no portion has more than `most` of them or is longer than `length` characters. */
function portions(all: readonly string[], most: number, length: number): string[][] {
  const result: string[][] = [];
  let current: string[] = [];
  let size = 0;
  for (const name of all) {
    if (current.length > 0 && (current.length >= most || size + name.length > length)) {
      result.push(current);
      current = [];
      size = 0;
    }
    current.push(name);
    size += name.length + 1;
  }
  if (current.length > 0) result.push(current);
  return result;
}

function check({ from, to, step }: TimeRange & { readonly step: Milliseconds }): void {
  if (!Number.isFinite(from) || !Number.isFinite(to) || from > to) {
    throw new SourceError(`The time range ${from} to ${to} is empty or not a number; give "from" before "to" in milliseconds.`);
  }
  if (!(step >= SECOND)) throw new SourceError(`The step is ${step} ms; give one second or more.`);
  if ((to - from) / step > MOST_STEPS) {
    throw new SourceError(`That is more than ${MOST_STEPS} steps; ask for a shorter range or a longer step.`);
  }
}
