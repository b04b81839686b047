import { type Tracer, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

export interface Tracing {
  readonly tracer: Tracer;
  /** Sends what is still held back. */
  close(): Promise<void>;
}

const NAME = "vigil.agent";

/**
 * Traces of the reasoning by OTLP/HTTP (protobuf) to any collector. A collector that is down costs nothing but the spans.
 *
 * @param given.url full address, `http://collector:4318/v1/traces`; undefined sends nothing
 */
export function openTracing(given: {
  readonly url: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}): Tracing {
  if (!given.url) return { tracer: trace.getTracer(NAME), close: async () => {} };
  const exporter = new OTLPTraceExporter({ url: given.url, headers: { ...given.headers }, timeoutMillis: 2_000 });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "vigil" }),
    spanProcessors: [new BatchSpanProcessor(exporter, { maxQueueSize: 2_048, scheduledDelayMillis: 1_000 })],
  });
  return { tracer: provider.getTracer(NAME), close: () => provider.shutdown().catch(() => {}) };
}
