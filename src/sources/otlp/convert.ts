import type { Labels, LogRecord, Severity, Span } from "../../domain/telemetry.ts";
import type { HistogramRecord, MetricRecord, Temporality } from "../../domain/telemetry-sink.ts";
import type { EpochMs } from "../../domain/time.ts";
import type { Message } from "./protocol.ts";
import { child, countOf, idOf, labelsOf, list, nameOf, numberOf, Rejected, textOf, timeOf } from "./values.ts";

/** What could be kept of a request, and what could not. */
export interface Converted<T> {
  readonly records: T[];
  rejected: number;
  /** Why, for the first few that were refused. */
  readonly reasons: string[];
}

const MOST_REASONS = 5;

/** Runs one conversion; a refusal is counted, never fatal to the rest. */
function attempt<T>(into: Converted<T>, where: string, convert: () => T | readonly T[]): void {
  try {
    const result = convert();
    if (Array.isArray(result)) into.records.push(...(result as readonly T[]));
    else into.records.push(result as T);
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    into.rejected++;
    if (into.reasons.length < MOST_REASONS) into.reasons.push(`${where}: ${error.message}`);
  }
}

interface ResourceFacts {
  readonly service: string;
  /** Attributes that stay with every record: they tell environments, versions and replicas apart. */
  readonly kept: Labels;
}

const KEPT_ATTRIBUTES = ["deployment.environment.name", "service.version", "service.instance.id", "k8s.pod.name"];

function resourceOf(resource: unknown): ResourceFacts {
  const found: Record<string, string> = {};
  for (const { key, value } of list(child(resource).attributes)) if (typeof key === "string") found[key] = textOf(value);
  return {
    service: (found["service.name"] || "unknown_service").slice(0, 255),
    kept: Object.fromEntries(KEPT_ATTRIBUTES.flatMap((key) => (found[key] ? [[key, found[key]]] : []))),
  };
}

/** What a record says of itself goes before what its resource says. */
const withResource = (labels: Labels, { kept }: ResourceFacts): Labels => ({ ...kept, ...labels });

/** Data-point flag of OTLP: the exporter says that there is no value. */
const NO_RECORDED_VALUE = 1;

export function metricsOf(request: Message, latest?: EpochMs): Converted<MetricRecord> {
  const into: Converted<MetricRecord> = { records: [], rejected: 0, reasons: [] };
  for (const resourceMetrics of list(request.resourceMetrics)) {
    const resource = resourceOf(resourceMetrics.resource);
    for (const metric of list(resourceMetrics.scopeMetrics).flatMap((scope) => list(scope.metrics))) {
      const kind = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"].find((name) => metric[name] !== undefined);
      const data = child(metric[kind ?? ""]);
      const where = `${resource.service} ${String(metric.name).slice(0, 80)}`;
      if (!kind) {
        into.rejected++;
        if (into.reasons.length < MOST_REASONS) into.reasons.push(`${where}: no data of a known kind`);
        continue;
      }
      for (const point of list(data.dataPoints)) {
        if ((Number(point.flags ?? 0) & NO_RECORDED_VALUE) !== 0) continue;
        attempt(into, where, () => convertPoint(kind, metric, data, point, resource, latest));
      }
    }
  }
  return into;
}

function convertPoint(
  kind: string,
  metric: Message,
  data: Message,
  point: Message,
  resource: ResourceFacts,
  latest: EpochMs | undefined,
): MetricRecord | MetricRecord[] {
  const base = {
    metric: nameOf(metric.name, "the metric's name"),
    service: resource.service,
    unit: typeof metric.unit === "string" ? metric.unit.slice(0, 63) : "",
    labels: withResource(labelsOf(point.attributes), resource),
    at: timeOf(point.timeUnixNano, "timeUnixNano", latest),
  };
  const start = Number(point.startTimeUnixNano ?? 0) > 0 ? timeOf(point.startTimeUnixNano, "startTimeUnixNano") : 0;
  switch (kind) {
    case "gauge":
      return { ...base, kind: "gauge", value: pointValue(point) };
    case "sum":
      return {
        ...base,
        kind: "sum",
        temporality: temporalityOf(data),
        start,
        monotonic: data.isMonotonic === true,
        value: pointValue(point),
      };
    case "histogram":
      return histogram(point, { ...base, start, temporality: temporalityOf(data) });
    case "exponentialHistogram":
      return exponential(point, { ...base, start, temporality: temporalityOf(data) });
    default:
      return list(point.quantileValues).map(({ quantile, value }) => ({
        ...base,
        kind: "gauge",
        labels: { ...base.labels, quantile: String(Number(quantile ?? 0)) },
        value: numberOf(value ?? 0, "a quantile's value"),
      }));
  }
}

function pointValue(point: Message): number {
  const value = point.asDouble ?? point.asInt;
  if (value === undefined) throw new Rejected("the point has no value");
  return numberOf(value, "the value");
}

function temporalityOf(data: Message): Temporality {
  const given = data.aggregationTemporality;
  if (given === 1 || given === "AGGREGATION_TEMPORALITY_DELTA") return "delta";
  if (given === 2 || given === "AGGREGATION_TEMPORALITY_CUMULATIVE") return "cumulative";
  throw new Rejected(`aggregationTemporality is ${String(given ?? "absent")}; 1 (delta) and 2 (cumulative) are known`);
}

type HistogramBase = Omit<HistogramRecord, "kind" | "count" | "sum" | "bounds" | "buckets">;

function histogram(point: Message, base: HistogramBase): HistogramRecord {
  const bounds = (Array.isArray(point.explicitBounds) ? point.explicitBounds : []).map((bound) =>
    numberOf(bound, "a bucket's bound"),
  );
  const buckets = (Array.isArray(point.bucketCounts) ? point.bucketCounts : []).map((count) =>
    countOf(count, "a bucket's count"),
  );
  if (buckets.length > 0 && buckets.length !== bounds.length + 1) {
    throw new Rejected(`${buckets.length} buckets for ${bounds.length} bounds; there must be one more`);
  }
  if (bounds.some((bound, index) => index > 0 && bound <= (bounds[index - 1] ?? bound)))
    throw new Rejected("the bounds do not ascend");
  const count = countOf(point.count, "the count");
  const counted = buckets.reduce((total, bucket) => total + bucket, 0);
  if (buckets.length > 0 && counted !== count) throw new Rejected(`the buckets hold ${counted} of a count of ${count}`);
  return { ...base, kind: "histogram", count, sum: sumOf(point, count), bounds, buckets };
}

/** The sum may be left out only when values can be negative; then there is no mean either, and nothing that Vigil could use. */
function sumOf(point: Message, count: number): number {
  if (point.sum === undefined && count > 0) throw new Rejected("the histogram has no sum");
  return numberOf(point.sum ?? 0, "the sum");
}

/** Fixed bounds for exponential histograms: quarter powers of two from 60 µs to 12 days when the unit is seconds. */
const EXPONENTIAL_BOUNDS = Array.from({ length: 137 }, (_, index) => 2 ** (index / 4 - 14));

/**
 * Exponential buckets (base 2^(2^-scale)) as explicit ones with fixed bounds, so that points of different scales and offsets can be subtracted
 * and added up; each bucket goes where its geometric middle lies, at most 9 % off.
 */
function exponential(point: Message, base: HistogramBase): HistogramRecord {
  const scale = numberOf(point.scale ?? 0, "the scale");
  const positive = child(point.positive);
  const counts = (Array.isArray(positive.bucketCounts) ? positive.bucketCounts : []).map((count) =>
    countOf(count, "a bucket's count"),
  );
  const offset = Number(positive.offset ?? 0);
  const bounds = EXPONENTIAL_BOUNDS;
  const buckets = new Array<number>(bounds.length + 1).fill(0);
  const add = (value: number, count: number) => {
    const index = value <= 0 ? 0 : Math.min(bounds.length, Math.max(0, Math.ceil((Math.log2(value) + 14) * 4)));
    buckets[index] = (buckets[index] ?? 0) + count;
  };
  const count = countOf(point.count, "the count");
  // Zeros, and negative values where there are any, fall below the first bound.
  const inBuckets = counts.reduce((total, bucket) => total + bucket, 0);
  if (inBuckets > count) throw new Rejected(`the buckets hold ${inBuckets} of a count of ${count}`);
  add(0, count - inBuckets);
  for (const [index, bucket] of counts.entries()) add(2 ** ((offset + index + 0.5) * 2 ** -scale), bucket);
  return {
    ...base,
    kind: "histogram",
    count,
    sum: sumOf(point, count),
    bounds,
    buckets,
  };
}

const SEVERITIES: readonly Severity[] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/** Severity numbers run in fours from TRACE (1–4) to FATAL (21–24); without one, the text is tried. */
function severityOf(number: unknown, text: unknown): Severity {
  const named = typeof text === "string" ? SEVERITIES.find((name) => text.toUpperCase().startsWith(name)) : undefined;
  return SEVERITIES[Math.floor((Number(number) - 1) / 4)] ?? named ?? "INFO";
}

export function logsOf(request: Message, latest?: EpochMs): Converted<LogRecord> {
  const into: Converted<LogRecord> = { records: [], rejected: 0, reasons: [] };
  for (const resourceLogs of list(request.resourceLogs)) {
    const resource = resourceOf(resourceLogs.resource);
    for (const record of list(resourceLogs.scopeLogs).flatMap((scope) => list(scope.logRecords))) {
      attempt(into, `${resource.service} log`, () => {
        const stamped = Number(record.timeUnixNano ?? 0) > 0 ? record.timeUnixNano : record.observedTimeUnixNano;
        return {
          at: timeOf(stamped, "timeUnixNano", latest),
          service: resource.service,
          severity: severityOf(record.severityNumber, record.severityText),
          body: textOf(record.body),
          attributes: withResource(labelsOf(record.attributes), resource),
          traceId: idOf(record.traceId, 16),
        };
      });
    }
  }
  return into;
}

const KINDS: readonly Span["kind"][] = ["internal", "internal", "server", "client", "producer", "consumer"];
const STATUS_ERROR = 2;

/** By number, or by name as some write enumerations in JSON: `SPAN_KIND_SERVER`. */
const kindOf = (kind: unknown): Span["kind"] =>
  KINDS[Number(kind ?? 0)] ?? KINDS.find((name) => kind === `SPAN_KIND_${name.toUpperCase()}`) ?? "internal";

const isError = (code: unknown): boolean => Number(code ?? 0) === STATUS_ERROR || code === "STATUS_CODE_ERROR";

/** What a span says of its failure: the first exception event and the status message, under their semantic-convention names. */
function exceptionOf(span: Message): Labels {
  const message = child(span.status).message;
  const event = list(span.events).find(({ name }) => name === "exception");
  const { "exception.type": type, "exception.message": text } = event ? labelsOf(event.attributes) : {};
  return {
    ...(type ? { "exception.type": type } : {}),
    ...(text ? { "exception.message": text } : {}),
    ...(typeof message === "string" && message !== "" ? { "otel.status_description": message.slice(0, 1_000) } : {}),
  };
}

export function spansOf(request: Message, latest?: EpochMs): Converted<Span> {
  const into: Converted<Span> = { records: [], rejected: 0, reasons: [] };
  for (const resourceSpans of list(request.resourceSpans)) {
    const resource = resourceOf(resourceSpans.resource);
    for (const span of list(resourceSpans.scopeSpans).flatMap((scope) => list(scope.spans))) {
      attempt(into, `${resource.service} span`, () => {
        const traceId = idOf(span.traceId, 16);
        const spanId = idOf(span.spanId, 8);
        if (!traceId || !spanId) throw new Rejected("the span has no trace id or no span id");
        const start = timeOf(span.startTimeUnixNano, "startTimeUnixNano");
        const end = timeOf(span.endTimeUnixNano, "endTimeUnixNano", latest);
        if (end < start) throw new Rejected(`the span ends ${start - end} ms before it starts`);
        return {
          traceId,
          spanId,
          parentId: idOf(span.parentSpanId, 8),
          service: resource.service,
          operation: nameOf(span.name, "the span's name"),
          kind: kindOf(span.kind),
          start,
          duration: end - start,
          error: isError(child(span.status).code),
          attributes: withResource({ ...exceptionOf(span), ...labelsOf(span.attributes) }, resource),
        };
      });
    }
  }
  return into;
}
