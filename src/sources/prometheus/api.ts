import { z } from "zod";
import { type Labels, type MetricPoint, SourceError, type TimeRange } from "../../domain/telemetry.ts";
import { type EpochMs, HOUR, type Milliseconds, SECOND } from "../../domain/time.ts";
import { type BackendAddress, ReadApi } from "../read-api.ts";
import type { FamilyMetadata } from "./catalog.ts";

export interface PrometheusApiOptions extends BackendAddress {
  /** The product behind the API for messages: Prometheus, Mimir, Thanos or VictoriaMetrics. */
  readonly name?: string;
  /** Told when an answer was not whole. */
  readonly onWarning?: (message: string) => void;
}

const labels = z.record(z.string(), z.string());
const matrix = z.object({
  status: z.literal("success"),
  data: z.object({
    resultType: z.literal("matrix"),
    result: z.array(z.object({ metric: labels, values: z.array(z.tuple([z.number(), z.string()])).default([]) })),
  }),
  warnings: z.array(z.string()).nullish(),
});
const vector = z.object({
  status: z.literal("success"),
  data: z.object({
    resultType: z.literal("vector"),
    result: z.array(z.object({ metric: labels.default({}), value: z.tuple([z.number(), z.string()]) })),
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
      z.object({ exemplars: z.array(z.object({ labels, value: z.union([z.string(), z.number()]), timestamp: z.number() })) }),
    )
    .nullish(),
});

/** The longest answer that is read. */
const MOST_BYTES = 2_000_000;
/** A longer time is asked for piece by piece. */
export const LONGEST_RANGE = 6 * HOUR;
/** Shorter questions go as GET, which proxies can cache; others as a form. */
const LONGEST_ADDRESS = 2_000;

/** The Prometheus HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/), which Mimir, Thanos and VictoriaMetrics speak too. */
export class PrometheusApi {
  readonly #options: PrometheusApiOptions;
  readonly #api: ReadApi;

  constructor(options: PrometheusApiOptions) {
    this.#options = options;
    this.#api = new ReadApi({ ...options, name: options.name ?? "Prometheus", key: "metrics", maxBytes: MOST_BYTES });
  }

  get name(): string {
    return this.#api.name;
  }

  /**
   * A step's time is its start, and a sample belongs to the step that it closes; so the value of a step is what Prometheus computes at the
   * step's end, looking back.
   */
  async range(
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
      if (warnings?.length) this.#options.onWarning?.(`${this.name}: ${warnings.slice(0, 3).join("; ").slice(0, 300)}`);
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

  /** What an expression is at one time. */
  async instant(query: string, at: EpochMs): Promise<readonly { readonly metric: Labels; readonly value: string }[]> {
    const { data } = await this.#ask(vector, "query", { query, time: seconds(at) });
    return data.result.map(({ metric, value: [, value] }) => ({ metric, value }));
  }

  async exemplars(
    selector: string,
    { from, to }: TimeRange,
    signal?: AbortSignal,
  ): Promise<readonly { readonly labels: Labels; readonly value: number; readonly at: EpochMs }[]> {
    const { data } = await this.#ask(
      exemplars,
      "query_exemplars",
      { query: selector, start: seconds(from), end: seconds(to) },
      signal,
    );
    return (data ?? [])
      .flatMap((series) => series.exemplars)
      .map(({ timestamp, value, ...rest }) => ({ ...rest, value: Number(value), at: Math.round(timestamp * SECOND) }));
  }

  /** Values of a label over the series that fit a selector. @param label checked to be a label's name */
  async labelValues(label: string, selector: string, { from, to }: TimeRange): Promise<readonly string[]> {
    const query = { "match[]": selector, start: seconds(from), end: seconds(to) };
    const { data } = await this.#api.get(names, ["api", "v1", "label", label, "values"], query);
    if (data && data.length > 0) return data;
    // Of samples that came late or out of order, some versions keep no labels for this list, though queries see them.
    const seen = await this.instant(`group by (${label}) (${selector})`, to);
    return seen.flatMap(({ metric }) => metric[label] ?? []);
  }

  /** All labels that the selected series have. */
  async labels(selector: string, { from, to }: TimeRange): Promise<readonly string[]> {
    const query = { "match[]": selector, start: seconds(from), end: seconds(to) };
    return (await this.#api.get(names, ["api", "v1", "labels"], query)).data ?? [];
  }

  /** Types and units by name; none where the server does not tell them. */
  async metadata(): Promise<ReadonlyMap<string, FamilyMetadata>> {
    try {
      const { data } = await this.#api.get(metadata, ["api", "v1", "metadata"]);
      return new Map(Object.entries(data ?? {}).flatMap(([name, [first]]) => (first ? [[name, first] as const] : [])));
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      return new Map();
    }
  }

  close(): Promise<void> {
    return this.#api.close();
  }

  #ask<T>(schema: z.ZodType<T>, what: string, parameters: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<T> {
    const path = ["api", "v1", what];
    const query = { ...parameters, ...(what === "query_exemplars" ? {} : { timeout: `${this.#options.timeout / SECOND}s` }) };
    const length = Object.values(query).reduce((sum, value) => sum + value.length, 0);
    return length <= LONGEST_ADDRESS
      ? this.#api.get(schema, path, query, signal)
      : this.#api.ask(schema, path, { form: query }, signal);
  }
}

/** Unix seconds, as the API takes times. */
const seconds = (milliseconds: number): string => String(milliseconds / SECOND);
