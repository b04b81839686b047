import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { HrTime } from "@opentelemetry/api";
import { ProtobufLogsSerializer, ProtobufMetricsSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AggregationTemporality, DataPointType, InstrumentType } from "@opentelemetry/sdk-metrics";
import type { ServiceName } from "../domain/telemetry.ts";
import type { EpochMs } from "../domain/time.ts";

const compress = promisify(gzip);

export interface HistogramPoint {
  readonly at: EpochMs;
  readonly labels: Readonly<Record<string, string>>;
  readonly count: number;
  /** Seconds. */
  readonly sum: number;
  readonly buckets: readonly number[];
}

export interface MetricBatch {
  readonly service: ServiceName;
  readonly name: string;
  readonly unit: string;
  /** Seconds; present for histograms. */
  readonly bounds?: readonly number[];
  readonly histogram?: HistogramPoint[];
  readonly gauge?: { readonly at: EpochMs; readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
}

export interface LogLine {
  readonly service: ServiceName;
  readonly at: EpochMs;
  /** OpenTelemetry severity number. */
  readonly severity: number;
  readonly body: string;
  readonly traceId: string | null;
}

export interface SpanLine {
  readonly service: ServiceName;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | null;
  readonly name: string;
  /** OpenTelemetry span kind of the API: 1 server, 2 client. */
  readonly kind: number;
  readonly start: EpochMs;
  /** Milliseconds. */
  readonly duration: number;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, string>>;
}

const SCOPE = { name: "vigil-demo-shop" };
const ENVIRONMENT = "production";
const resources = new Map<ServiceName, ReturnType<typeof resourceFromAttributes>>();

function resourceOf(service: ServiceName) {
  let resource = resources.get(service);
  if (!resource) {
    resource = resourceFromAttributes({ "service.name": service, "deployment.environment.name": ENVIRONMENT });
    resources.set(service, resource);
  }
  return resource;
}

const hrTime = (ms: EpochMs): HrTime => [Math.floor(ms / 1_000), Math.round((ms % 1_000) * 1e6)];

/**
 * Sends telemetry as OTLP/HTTP: protobuf by OpenTelemetry's own serializers, gzip. A receiver that is away is tried again with growing
 * pauses until it answers; a refused batch is an error, since it would be refused again.
 */
export class OtlpExporter {
  readonly #url: string;
  readonly #stopped: () => boolean;

  constructor(url: string, stopped: () => boolean) {
    this.#url = url.replace(/\/$/, "");
    this.#stopped = stopped;
  }

  async metrics(batches: readonly MetricBatch[]): Promise<void> {
    const services = [...new Set(batches.map(({ service }) => service))];
    // One resource a request is what the serializer takes; requests are grouped by service.
    for (const service of services) {
      const metrics = batches.filter((batch) => batch.service === service).map(metricData);
      const bytes = ProtobufMetricsSerializer.serializeRequest({
        resource: resourceOf(service),
        scopeMetrics: [{ scope: SCOPE, metrics }],
      } as Parameters<typeof ProtobufMetricsSerializer.serializeRequest>[0]);
      await this.#post("metrics", bytes);
    }
  }

  async logs(lines: readonly LogLine[]): Promise<void> {
    if (lines.length === 0) return;
    const records = lines.map((line) => ({
      resource: resourceOf(line.service),
      instrumentationScope: SCOPE,
      hrTime: hrTime(line.at),
      hrTimeObserved: hrTime(line.at),
      severityNumber: line.severity,
      body: line.body,
      attributes: {},
      droppedAttributesCount: 0,
      ...(line.traceId ? { spanContext: { traceId: line.traceId, spanId: line.traceId.slice(0, 16), traceFlags: 1 } } : {}),
    }));
    await this.#post(
      "logs",
      ProtobufLogsSerializer.serializeRequest(records as Parameters<typeof ProtobufLogsSerializer.serializeRequest>[0]),
    );
  }

  async spans(lines: readonly SpanLine[]): Promise<void> {
    if (lines.length === 0) return;
    const spans = lines.map((line) => ({
      name: line.name,
      kind: line.kind,
      spanContext: () => ({ traceId: line.traceId, spanId: line.spanId, traceFlags: 1 }),
      ...(line.parentId ? { parentSpanContext: { traceId: line.traceId, spanId: line.parentId, traceFlags: 1 } } : {}),
      startTime: hrTime(line.start),
      endTime: hrTime(line.start + line.duration),
      duration: hrTime(line.duration),
      status: { code: line.failed ? 2 : 0 },
      attributes: line.attributes,
      links: [],
      events: [],
      ended: true,
      resource: resourceOf(line.service),
      instrumentationScope: SCOPE,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    }));
    await this.#post(
      "traces",
      ProtobufTraceSerializer.serializeRequest(
        spans as unknown as Parameters<typeof ProtobufTraceSerializer.serializeRequest>[0],
      ),
    );
  }

  async #post(signal: string, bytes: Uint8Array | undefined): Promise<void> {
    if (!bytes) throw new Error(`the ${signal} could not be serialized`);
    const body = await compress(bytes, { level: 1 });
    for (let pause = 200; !this.#stopped(); pause = Math.min(pause * 2, 5_000)) {
      try {
        const response = await fetch(`${this.#url}/v1/${signal}`, {
          method: "POST",
          headers: { "content-type": "application/x-protobuf", "content-encoding": "gzip" },
          body,
          signal: AbortSignal.timeout(30_000),
        });
        await response.arrayBuffer();
        if (response.ok) return;
        if (response.status < 500 && response.status !== 429)
          throw new RefusedBatch(`the receiver refused ${signal} with ${response.status}`);
      } catch (error) {
        if (error instanceof RefusedBatch) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

class RefusedBatch extends Error {}

function metricData(batch: MetricBatch) {
  const descriptor = { name: batch.name, unit: batch.unit, description: "", valueType: 1, advice: {} };
  if (batch.histogram) {
    return {
      descriptor: { ...descriptor, type: InstrumentType.HISTOGRAM },
      aggregationTemporality: AggregationTemporality.DELTA,
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints: batch.histogram.map(({ at, labels, count, sum, buckets }) => ({
        startTime: hrTime(at - 60_000),
        endTime: hrTime(at),
        attributes: labels,
        value: { count, sum, buckets: { boundaries: batch.bounds ?? [], counts: buckets } },
      })),
    };
  }
  return {
    descriptor: { ...descriptor, type: InstrumentType.GAUGE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
    dataPointType: DataPointType.GAUGE,
    dataPoints: (batch.gauge ?? []).map(({ at, labels, value }) => ({
      startTime: hrTime(at),
      endTime: hrTime(at),
      attributes: labels,
      value,
    })),
  };
}
