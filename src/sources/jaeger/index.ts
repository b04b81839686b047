import { z } from "zod";
import type { Labels, ServiceEdge, Span, TimeRange, TraceQuery, TraceSource } from "../../domain/telemetry.ts";
import { type BackendAddress, ReadApi } from "../read-api.ts";
import { selected } from "../trace-sample.ts";

const tags = z
  .array(z.object({ key: z.string(), value: z.union([z.string(), z.number(), z.boolean()]) }))
  .nullish()
  .transform((given): Labels => Object.fromEntries((given ?? []).map(({ key, value }) => [key, String(value)])));
const traces = z.object({
  data: z
    .array(
      z.object({
        traceID: z.string(),
        spans: z.array(
          z.object({
            traceID: z.string(),
            spanID: z.string(),
            operationName: z.string(),
            references: z.array(z.object({ refType: z.string(), traceID: z.string(), spanID: z.string() })).nullish(),
            /** Microseconds. */
            startTime: z.number(),
            duration: z.number(),
            tags,
            processID: z.string(),
          }),
        ),
        processes: z.record(z.string(), z.object({ serviceName: z.string(), tags })),
      }),
    )
    .nullable(),
});
const names = z.object({ data: z.array(z.string()).nullable() });
const links = z.object({
  data: z.array(z.object({ parent: z.string(), child: z.string(), callCount: z.number() })).nullable(),
});

type Trace = NonNullable<z.output<typeof traces>["data"]>[number];

const MOST_BYTES = 8_000_000;
const MOST_TRACES = 50;
/** Jaeger finds traces of one service at a time; without a service, so many are asked about. */
const MOST_SERVICES = 20;
const KINDS: readonly string[] = ["server", "client", "producer", "consumer"];
/** Of the process, what tells environments, versions and replicas apart. */
const KEPT = ["deployment.environment.name", "service.version", "service.instance.id", "k8s.pod.name"];

/** Traces by the HTTP API of Jaeger's query service, https://www.jaegertracing.io/docs/latest/apis/ */
export class JaegerTraces implements TraceSource {
  readonly #api: ReadApi;

  constructor(options: BackendAddress) {
    this.#api = new ReadApi({ ...options, name: "Jaeger", key: "traces", maxBytes: MOST_BYTES });
  }

  async spans(query: TraceQuery, signal?: AbortSignal): Promise<readonly Span[]> {
    const { traceId, service, from, to, minDuration, errorsOnly, limit } = query;
    if (traceId !== undefined) {
      if (!/^[0-9a-fA-F]{1,32}$/.test(traceId)) return [];
      const found = await this.#api.find(traces, ["api", "traces", traceId], {}, signal);
      return selected(spansOf(found?.data ?? []), query);
    }
    const services = service === undefined ? (await this.services(signal)).slice(0, MOST_SERVICES) : [service];
    const most = Math.max(1, Math.min(limit, Math.ceil(MOST_TRACES / Math.max(1, services.length))));
    const found = await Promise.all(
      services.map(async (one) => {
        const parameters = {
          service: one,
          start: String(Math.ceil(from * 1_000)),
          end: String(Math.ceil(to * 1_000)),
          limit: String(most),
          ...(minDuration ? { minDuration: `${Math.round(minDuration * 1_000)}us` } : {}),
          ...(errorsOnly ? { tags: '{"error":"true"}' } : {}),
        };
        return (await this.#api.get(traces, ["api", "traces"], parameters, signal)).data ?? [];
      }),
    );
    // A trace of several services is found by each of them.
    const distinct = new Map(found.flat().map((trace) => [trace.traceID, trace]));
    return selected(spansOf([...distinct.values()]), query);
  }

  async dependencies({ from, to }: TimeRange, signal?: AbortSignal): Promise<readonly ServiceEdge[]> {
    const parameters = { endTs: String(Math.ceil(to)), lookback: String(Math.ceil(to - from)) };
    const { data } = await this.#api.get(links, ["api", "dependencies"], parameters, signal);
    return (data ?? []).map(({ parent, child, callCount }) => ({ caller: parent, callee: child, calls: callCount }));
  }

  async services(signal?: AbortSignal): Promise<readonly string[]> {
    return (await this.#api.get(names, ["api", "services"], {}, signal)).data ?? [];
  }

  close(): Promise<void> {
    return this.#api.close();
  }
}

function spansOf(found: readonly Trace[]): Span[] {
  return found.flatMap(({ spans, processes }) =>
    spans.map((span): Span => {
      const process = processes[span.processID];
      const { "span.kind": kind, error, "otel.status_code": status, ...attributes } = span.tags;
      const parent = span.references?.find(({ refType }) => refType === "CHILD_OF");
      const kept = KEPT.flatMap((key) => (process?.tags[key] ? [[key, process.tags[key]] as const] : []));
      return {
        traceId: span.traceID,
        spanId: span.spanID,
        parentId: parent?.spanID ?? null,
        service: process?.serviceName ?? "unknown_service",
        operation: span.operationName,
        kind: KINDS.includes(kind ?? "") ? (kind as Span["kind"]) : "internal",
        start: span.startTime / 1_000,
        duration: span.duration / 1_000,
        error: error === "true" || status === "ERROR",
        attributes: { ...Object.fromEntries(kept), ...attributes },
      };
    }),
  );
}
