import { z } from "zod";
import type { ServiceEdge, Span, TimeRange, TraceQuery, TraceSource } from "../../domain/telemetry.ts";
import { type EpochMs, MINUTE, SECOND } from "../../domain/time.ts";
import { spansOf } from "../otlp/convert.ts";
import { quoted } from "../prometheus/selector.ts";
import { type BackendAddress, ReadApi } from "../read-api.ts";
import { edgesOf, selected } from "../trace-sample.ts";

export interface TempoOptions extends BackendAddress {
  readonly now: () => EpochMs;
  readonly onWarning?: (message: string) => void;
}

const search = z
  .object({
    traces: z.array(z.object({ traceID: z.string() })).nullish(),
    metrics: z.object({ completedJobs: z.number().optional(), totalJobs: z.number().optional() }).nullish(),
  })
  // An empty list may be left out; then the figures of the search are there.
  .refine(({ traces, metrics }) => traces || metrics, "neither traces nor metrics");
const batch = z.record(z.string(), z.unknown());
const trace = z.object({
  batches: z.array(batch).optional(),
  resourceSpans: z.array(batch).optional(),
});

const MOST_BYTES = 8_000_000;
/** Each found trace is read whole, one call a trace. */
const MOST_TRACES = 20;
const GRAPH_SLICES = 5;
const GRAPH_TRACES = 10;
const GRAPH_AGE = 10 * MINUTE;

/** Traces by Tempo's HTTP API, https://grafana.com/docs/tempo/latest/api_docs/: found by TraceQL, then read whole by their ids. */
export class TempoTraces implements TraceSource {
  readonly #api: ReadApi;
  readonly #options: TempoOptions;
  #graph: { readonly at: EpochMs; readonly edges: Promise<readonly ServiceEdge[]> } | null = null;

  constructor(options: TempoOptions) {
    this.#options = options;
    this.#api = new ReadApi({ ...options, name: "Tempo", key: "traces", maxBytes: MOST_BYTES });
  }

  async spans(query: TraceQuery, signal?: AbortSignal): Promise<readonly Span[]> {
    if (query.traceId !== undefined) return selected(await this.#trace(query.traceId, signal), query);
    const { service, minDuration, errorsOnly } = query;
    const conditions = [
      ...(service === undefined ? [] : [`resource.service.name = ${quoted(service)}`]),
      ...(minDuration ? [`duration >= ${Math.round(minDuration * 1e6)}ns`] : []),
      ...(errorsOnly ? ["status = error"] : []),
    ];
    const found = await this.#read(`{ ${conditions.join(" && ")} }`, query, Math.min(MOST_TRACES, query.limit), signal);
    return selected(found, query);
  }

  /** From a sample of whole traces over the range; kept for ten minutes. */
  async dependencies(range: TimeRange, signal?: AbortSignal): Promise<readonly ServiceEdge[]> {
    const now = this.#options.now();
    if (!this.#graph || now - this.#graph.at >= GRAPH_AGE) {
      const edges = this.#sampled(range, signal);
      this.#graph = { at: now, edges };
      edges.catch(() => {
        this.#graph = null;
      });
    }
    return this.#graph.edges;
  }

  close(): Promise<void> {
    return this.#api.close();
  }

  async #sampled({ from, to }: TimeRange, signal?: AbortSignal): Promise<readonly ServiceEdge[]> {
    const length = (to - from) / GRAPH_SLICES;
    const slices = await Promise.all(
      Array.from({ length: GRAPH_SLICES }, (_, at) =>
        this.#read("{ kind = server }", { from: from + at * length, to: from + (at + 1) * length }, GRAPH_TRACES, signal),
      ),
    );
    return edgesOf(slices.flat());
  }

  async #read(q: string, { from, to }: TimeRange, limit: number, signal?: AbortSignal): Promise<Span[]> {
    const start = Math.floor(from / SECOND);
    const parameters = {
      q,
      start: String(start),
      end: String(Math.max(start + 1, Math.ceil(to / SECOND))),
      limit: String(limit),
    };
    const { traces, metrics } = await this.#api.get(search, ["api", "search"], parameters, signal);
    const { completedJobs, totalJobs } = metrics ?? {};
    if (completedJobs !== undefined && totalJobs !== undefined && completedJobs < totalJobs && (traces?.length ?? 0) < limit) {
      this.#options.onWarning?.(`Tempo: only ${completedJobs} of ${totalJobs} parts were searched`);
    }
    const whole = await Promise.all((traces ?? []).slice(0, limit).map(({ traceID }) => this.#trace(traceID, signal)));
    return whole.flat();
  }

  async #trace(id: string, signal?: AbortSignal): Promise<Span[]> {
    if (!/^[0-9a-fA-F]{1,32}$/.test(id)) return [];
    // Search leaves leading zeros out.
    const found = await this.#api.find(trace, ["api", "traces", id.padStart(32, "0")], {}, signal);
    return spansOf({ resourceSpans: found?.resourceSpans ?? found?.batches ?? [] }).records;
  }
}
