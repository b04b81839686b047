import { z } from "zod";
import {
  type Exemplar,
  type Labels,
  type MetricInfo,
  type MetricPoint,
  type MetricQuery,
  type MetricSource,
  MOST_STEPS,
  type RedQuery,
  type RedSignal,
  type Series,
  type ServiceName,
  SourceError,
  type TimeRange,
} from "../../domain/telemetry.ts";
import { type EpochMs, HOUR, MINUTE, type Milliseconds, SECOND } from "../../domain/time.ts";
import { type BackendAddress, ReadApi } from "../read-api.ts";
import { Batcher } from "./batcher.ts";
import { allowedBy, type FamilyMetadata, metricsOf } from "./catalog.ts";
import type { RedTemplate } from "./presets.ts";
import { redExpression, statisticExpression } from "./promql.ts";
import { inBraces, isMetricName, labelName, type Matcher, oneOf, rendered, type Selector } from "./selector.ts";

export interface PrometheusOptions extends BackendAddress {
  /** The product behind the API for messages: Prometheus, Mimir, Thanos or VictoriaMetrics. */
  readonly name?: string;
  /** Where services' RED signals are found; for each service the first that has it. */
  readonly templates: readonly RedTemplate[];
  /** Labels beside the templates' own that hold a service's name on other metrics, for instance `container`. */
  readonly serviceLabels?: readonly string[];
  /** Added to every question, for instance `namespace="shop"`. */
  readonly matchers?: readonly Matcher[];
  /** Metrics that may be read, with `*` for anything; none means all. */
  readonly allow?: readonly string[];
  /** How often targets are scraped: a rate looks back over four of these at least. */
  readonly scrapeInterval: Milliseconds;
  /** Telemetry time. */
  readonly now: () => EpochMs;
  /** Told when an answer was not whole. */
  readonly onWarning?: (message: string) => void;
}

const matrix = z.object({
  status: z.literal("success"),
  data: z.object({
    resultType: z.literal("matrix"),
    result: z.array(
      z.object({ metric: z.record(z.string(), z.string()), values: z.array(z.tuple([z.number(), z.string()])).default([]) }),
    ),
  }),
  warnings: z.array(z.string()).nullish(),
});
const vector = z.object({
  status: z.literal("success"),
  data: z.object({
    resultType: z.literal("vector"),
    result: z.array(z.object({ metric: z.record(z.string(), z.string()).default({}), value: z.tuple([z.number(), z.string()]) })),
  }),
});
const names = z.object({ status: z.literal("success"), data: z.array(z.string()).nullish() });
const metadata = z.object({
  status: z.literal("success"),
  data: z.record(z.string(), z.array(z.object({ type: z.string(), unit: z.string().default("") }))).nullish(),
});
const exemplars = z.object({
  status: z.literal("success"),
  data: z
    .array(
      z.object({
        exemplars: z.array(
          z.object({
            labels: z.record(z.string(), z.string()),
            value: z.union([z.string(), z.number()]),
            timestamp: z.number(),
          }),
        ),
      }),
    )
    .nullish(),
});

/** The longest answer that is read. */
const MOST_BYTES = 2_000_000;
/** Values that one question may bring: far below `MOST_BYTES`. */
const MOST_VALUES = 20_000;
/** A longer time is asked for piece by piece. */
const LONGEST_RANGE = 6 * HOUR;
/** Names of services in one question. */
const MOST_NAMES_LENGTH = 60_000;
/** Services and metrics that sent nothing for so long are not listed. */
const SEEN_WITHIN = HOUR;
const SERVICES_AGE = MINUTE;
const METADATA_AGE = 10 * MINUTE;
/** Without naming a service, metrics are listed service by service, for so many at most. */
const MOST_LISTED_SERVICES = 50;
/** Shorter questions go as GET, which proxies can cache; others as a form. */
const LONGEST_ADDRESS = 2_000;
const TRACE_LABELS = ["trace_id", "traceID", "traceId"];

interface RedBatch extends TimeRange {
  readonly signal: RedSignal;
  readonly step: Milliseconds;
  readonly labels: Labels;
}

/**
 * Metrics by the Prometheus HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/), which Mimir, Thanos and VictoriaMetrics
 * speak too. Questions about several services that are asked at the same time become one query, so that watching ten thousand series takes
 * a handful of queries. No text from outside becomes part of a query except as an escaped label value or a name of the allowed characters.
 */
export class PrometheusMetrics implements MetricSource {
  readonly #options: PrometheusOptions;
  readonly #api: ReadApi;
  readonly #red: Batcher<RedBatch, readonly MetricPoint[]>;
  readonly #templateOf = new Map<ServiceName, RedTemplate>();
  #services: { readonly at: EpochMs; readonly names: Promise<readonly ServiceName[]> } | null = null;
  #metadata: { readonly at: EpochMs; readonly families: Promise<ReadonlyMap<string, FamilyMetadata>> } | null = null;
  readonly #infos = new Map<ServiceName, { readonly at: EpochMs; readonly found: Promise<readonly Known[]> }>();

  constructor(options: PrometheusOptions) {
    this.#options = options;
    this.#api = new ReadApi({ ...options, name: options.name ?? "Prometheus", key: "metrics", maxBytes: MOST_BYTES });
    this.#red = new Batcher((batch, services) => this.#redOf(batch, services));
  }

  async services(): Promise<readonly ServiceName[]> {
    const now = this.#options.now();
    if (!this.#services || now - this.#services.at >= SERVICES_AGE) {
      const found = this.#discover();
      this.#services = { at: now, names: found };
      found.catch(() => {
        this.#services = null;
      });
    }
    return this.#services.names;
  }

  async metrics(service?: ServiceName): Promise<readonly MetricInfo[]> {
    if (service !== undefined) return (await this.#known(service)).map(({ info }) => info);
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
    const known = service === undefined ? null : (await this.#known(service)).find(({ info }) => info.metric === metric);
    if (service !== undefined && !known) return [];
    const info = known?.info ?? (await this.#infoOf(metric));
    const selector: Selector = {
      metric,
      matchers: [...(service !== undefined && known ? [oneOf(known.label, [service])] : []), ...this.#matchers(query.labels)],
    };
    const split = new Map(groupBy.map((key) => [labelName(key), key]));
    const expression = statisticExpression(selector, info.kind, statistic, [...split.keys()], {
      rate: this.#rateWindow(step),
      step: Math.max(step, this.#options.scrapeInterval),
    });
    const found = await this.#range(expression, query, signal);
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
    const stamps = this.#options.templates.map(({ requests }) => `timestamp(${this.#rendered(requests)})`);
    const { data } = await this.#ask(vector, "query", {
      query: `max(${stamps.join(" or ")})`,
      time: seconds(this.#options.now()),
    });
    const [newest] = data.result;
    return newest ? Math.round(Number(newest.value[1]) * SECOND) : null;
  }

  /** Requests that the buckets of a service's duration point at, the slowest first. */
  async exemplars(
    { service, from, to, limit }: TimeRange & { readonly service: ServiceName; readonly limit: number },
    signal?: AbortSignal,
  ): Promise<readonly Exemplar[]> {
    await this.services();
    const template = this.#templateOf.get(service);
    if (!template?.duration) return [];
    const { metric, matchers } = template.duration;
    const selector = {
      metric: `${metric}_bucket`,
      matchers: [...matchers, oneOf(template.service, [service]), ...this.#matchers()],
    };
    const { data } = await this.#ask(
      exemplars,
      "query_exemplars",
      { query: rendered(selector), start: seconds(from), end: seconds(to) },
      signal,
    );
    const scale = template.unit === "ms" ? 0.001 : 1;
    return (data ?? [])
      .flatMap((series) => series.exemplars)
      .flatMap(({ labels, value, timestamp }) => {
        const traceId = TRACE_LABELS.map((label) => labels[label]).find((id) => id);
        return traceId ? [{ traceId, value: Number(value) * scale, at: Math.round(timestamp * SECOND) }] : [];
      })
      .sort((a, b) => b.value - a.value)
      .slice(0, limit);
  }

  close(): Promise<void> {
    return this.#api.close();
  }

  async #discover(): Promise<readonly ServiceName[]> {
    const lists = await Promise.all(
      this.#options.templates.map(({ service, requests }) => this.#values(service, this.#rendered(requests))),
    );
    const current = new Set(lists.flat());
    // The preferred template comes last, and stays.
    for (const [at, template] of [...this.#options.templates.entries()].reverse()) {
      for (const name of lists[at] ?? []) this.#templateOf.set(name, template);
    }
    return [...current].sort();
  }

  /** Values of a label over the series that fit a selector. @param label checked to be a label's name */
  async #values(label: string, selector: string): Promise<readonly string[]> {
    const now = this.#options.now();
    const query = { "match[]": selector, start: seconds(now - SEEN_WITHIN), end: seconds(now) };
    const { data } = await this.#api.get(names, ["api", "v1", "label", label, "values"], query);
    if (data && data.length > 0) return data;
    // Of samples that came late or out of order, some versions keep no labels for this list, though queries see them.
    const seen = await this.#ask(vector, "query", { query: `group by (${label}) (${selector})`, time: seconds(now) });
    return seen.data.result.flatMap(({ metric }) => metric[label] ?? []);
  }

  async #known(service: ServiceName): Promise<readonly Known[]> {
    const now = this.#options.now();
    const kept = this.#infos.get(service);
    if (kept && now - kept.at < SERVICES_AGE) return kept.found;
    const found = this.#list(service);
    this.#infos.set(service, { at: now, found });
    found.catch(() => this.#infos.delete(service));
    return found;
  }

  /** The metrics of one service, whichever label names it there. */
  async #list(service: ServiceName): Promise<readonly Known[]> {
    const { serviceLabels = [], templates, allow = [] } = this.#options;
    await this.services();
    const own = this.#templateOf.get(service)?.service;
    const labels = [...new Set([...(own ? [own] : templates.map((one) => one.service)), ...serviceLabels])];
    const families = await this.#families();
    const known = new Map<string, Known>();
    for (const label of labels) {
      const selector = inBraces([oneOf(label, [service]), ...this.#matchers()]);
      const listed = (await this.#values("__name__", selector)).filter((name) => allowedBy(allow, name));
      if (listed.length === 0) continue;
      const labelKeys = await this.#labelKeys(selector);
      for (const info of metricsOf(listed, families)) {
        if (!known.has(info.metric)) known.set(info.metric, { label, info: { ...info, services: [service], labelKeys } });
      }
    }
    return [...known.values()];
  }

  /** All labels that the selected series have, whichever metric has them. */
  async #labelKeys(selector: string): Promise<readonly string[]> {
    const now = this.#options.now();
    const query = { "match[]": selector, start: seconds(now - SEEN_WITHIN), end: seconds(now) };
    const { data } = await this.#api.get(names, ["api", "v1", "labels"], query);
    return (data ?? []).filter((key) => key !== "__name__" && key !== "le");
  }

  async #infoOf(metric: string): Promise<Omit<MetricInfo, "services" | "labelKeys">> {
    const series = await this.#values(
      "__name__",
      inBraces([oneOf("__name__", [metric, `${metric}_bucket`, `${metric}_count`, `${metric}_sum`]), ...this.#matchers()]),
    );
    const info = metricsOf(series, await this.#families()).find((one) => one.metric === metric);
    return info ?? { metric, kind: "gauge", unit: "" };
  }

  /** Types and units of all metrics; what cannot be had is guessed from names. */
  async #families(): Promise<ReadonlyMap<string, FamilyMetadata>> {
    const now = this.#options.now();
    if (!this.#metadata || now - this.#metadata.at >= METADATA_AGE) {
      const families = this.#api.get(metadata, ["api", "v1", "metadata"]).then(
        ({ data }) => new Map(Object.entries(data ?? {}).flatMap(([name, [first]]) => (first ? [[name, first] as const] : []))),
        (error) => {
          if (!(error instanceof SourceError)) throw error;
          return new Map<string, FamilyMetadata>();
        },
      );
      this.#metadata = { at: now, families };
    }
    return this.#metadata.families;
  }

  /** One signal of several services over the same time. */
  async #redOf(batch: RedBatch, services: readonly ServiceName[]): Promise<ReadonlyMap<ServiceName, readonly MetricPoint[]>> {
    await this.services();
    const result = new Map<ServiceName, readonly MetricPoint[]>();
    const byTemplate = new Map<RedTemplate, ServiceName[]>();
    for (const service of services) {
      const template = this.#templateOf.get(service);
      if (template) byTemplate.set(template, [...(byTemplate.get(template) ?? []), service]);
    }
    const steps = Math.min(LONGEST_RANGE, batch.to - batch.from) / batch.step + 4;
    await Promise.all(
      [...byTemplate].flatMap(([template, members]) =>
        portions(members, Math.max(1, Math.floor(MOST_VALUES / steps)), MOST_NAMES_LENGTH).map(async (portion) => {
          const matchers = [oneOf(template.service, portion), ...this.#matchers(batch.labels)];
          const expression = redExpression(template, batch.signal, matchers, this.#rateWindow(batch.step));
          if (!expression) return;
          for (const { labels, points } of await this.#range(expression, batch)) {
            const service = labels[template.service];
            if (service !== undefined) result.set(service, points);
          }
        }),
      ),
    );
    return result;
  }

  /**
   * A step's time is its start, and a sample belongs to the step that it closes; so the value of a step is what Prometheus computes at the
   * step's end, looking back.
   */
  async #range(
    expression: string,
    { from, to, step }: TimeRange & { readonly step: Milliseconds },
    signal?: AbortSignal,
  ): Promise<{ labels: Labels; points: MetricPoint[] }[]> {
    const first = (Math.floor(from / step) + 1) * step;
    const last = Math.floor(to / step) * step;
    const stride = Math.max(1, Math.floor(LONGEST_RANGE / step)) * step;
    const pieces: { start: EpochMs; end: EpochMs }[] = [];
    for (let start = first; start <= last; start += stride) pieces.push({ start, end: Math.min(last, start + stride - step) });
    const answers = await Promise.all(
      pieces.map(({ start, end }) =>
        this.#ask(
          matrix,
          "query_range",
          { query: expression, start: seconds(start), end: seconds(end), step: seconds(step) },
          signal,
        ),
      ),
    );
    const series = new Map<string, { labels: Labels; points: MetricPoint[] }>();
    for (const { data, warnings } of answers) {
      if (warnings?.length) this.#options.onWarning?.(`${this.#api.name}: ${warnings.slice(0, 3).join("; ").slice(0, 300)}`);
      for (const { metric, values } of data.result) {
        const key = JSON.stringify(Object.entries(metric).sort(([a], [b]) => (a < b ? -1 : 1)));
        const one = series.get(key) ?? { labels: metric, points: [] };
        series.set(key, one);
        for (const [at, text] of values) {
          const value = Number(text);
          if (Number.isFinite(value)) one.points.push({ at: Math.round(at * SECOND) - step, value });
        }
      }
    }
    return [...series.values()].filter(({ points }) => points.length > 0);
  }

  #ask<T>(schema: z.ZodType<T>, what: string, parameters: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<T> {
    const path = ["api", "v1", what];
    const query = { ...parameters, ...(what === "query_exemplars" ? {} : { timeout: `${this.#options.timeout / SECOND}s` }) };
    const length = Object.values(query).reduce((sum, value) => sum + value.length, 0);
    return length <= LONGEST_ADDRESS
      ? this.#api.get(schema, path, query, signal)
      : this.#api.ask(schema, path, { form: query }, signal);
  }

  #rendered(selector: Selector): string {
    return rendered({ metric: selector.metric, matchers: [...selector.matchers, ...this.#matchers()] });
  }

  #matchers(labels: Labels = {}): Matcher[] {
    const wanted = Object.entries(labels).map(([key, value]): Matcher => ({ label: labelName(key), op: "=", value }));
    return [...wanted, ...(this.#options.matchers ?? [])];
  }

  #rateWindow(step: Milliseconds): Milliseconds {
    return Math.max(step, 4 * this.#options.scrapeInterval);
  }
}

interface Known {
  readonly info: MetricInfo;
  /** The label that holds the service's name on this metric. */
  readonly label: string;
}

/** Unix seconds, as the API takes times. */
const seconds = (milliseconds: number): string => String(milliseconds / SECOND);

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
