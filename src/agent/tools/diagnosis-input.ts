import type { DiagnosisInput, Span as DiagnosisSpan, LogLine, MetricColumn, MetricTable } from "../../diagnosis/index.ts";
import type { ServiceGraph } from "../../domain/service.ts";
import type { LogRecord, MetricInfo, Series, ServiceName, Span, TimeRange } from "../../domain/telemetry.ts";
import { HOUR, MINUTE, SECOND } from "../../domain/time.ts";
import type { Session } from "../session.ts";
import { sampleSpans } from "./sample-spans.ts";

const NORMAL = 6 * HOUR;
const BEFORE_ONSET = 5 * MINUTE;
/** Beside the requests, a service's own resource metrics; more than these rarely add anything. */
const MOST_METRICS = 30;
const LINES = 5_000;
const SPANS_PER_SLICE = 2_500;

/** What one service measures: a series over the normal time and the incident together. */
interface Measured {
  readonly service: ServiceName;
  readonly metric: string;
  readonly points: Series["points"];
}

/** Gathers what the ranking of root causes reads: RED signals, resource metrics, log lines and spans before and during the incident. */
export async function diagnosisInput(
  services: readonly ServiceName[],
  graph: ServiceGraph,
  session: Session,
  signal: AbortSignal,
): Promise<DiagnosisInput> {
  const { focus, deps } = session;
  const during = { from: focus.onset - BEFORE_ONSET, to: focus.now };
  const before = { from: during.from - NORMAL, to: during.from };
  const detail = { from: during.from - Math.max(30 * MINUTE, during.to - during.from), to: during.from };
  const [metrics, ...texts] = await Promise.all([
    measure(services, { from: before.from, to: during.to }, session, signal),
    ...[detail, during].map((window) =>
      deps.logs.logs({ ...window, limit: LINES }, signal).catch((): readonly LogRecord[] => []),
    ),
  ]);
  const spans = await Promise.all(
    [detail, during].map((window) => sampleSpans(deps.traces, null, window, SPANS_PER_SLICE, signal).catch((): Span[] => [])),
  );
  const filled = spanLatency(metrics, spans.flat(), (focus.onset + focus.now) / 2, session.step);
  const replaced = new Set(filled.map(({ service }) => service));
  const measured = [...metrics.filter(({ service, metric }) => metric !== "latency" || !replaced.has(service)), ...filled];
  const known = new Set(services);
  const [logsBefore, logsDuring] = texts.map((lines) => lines.filter(({ service }) => known.has(service)).map(lineOf));
  const [spansBefore, spansDuring] = spans.map((some) => some.filter(({ service }) => known.has(service)).map(spanOf));
  const metric =
    focus.signal === null ? null : focus.signal === "rate" ? "requests" : focus.signal === "errors" ? "availability" : "latency";
  return {
    symptom: { service: focus.service, metric, at: focus.onset / SECOND },
    before: table(measured, before, session.step),
    during: table(measured, during, session.step),
    graph: { edges: graph.edges.map(({ caller, callee }) => [caller, callee] as const) },
    ...(logsDuring?.length ? { logs: { before: logsBefore ?? [], during: logsDuring } } : {}),
    ...(spansDuring?.length ? { spans: { before: spansBefore ?? [], during: spansDuring } } : {}),
  };
}

/** Few failures among few requests jump by multiples of nothing; the share that went well moves in proportion to what callers feel. */
const RED = [
  ["latency", "latency", (value: number) => value],
  ["errors", "availability", (value: number) => 100 * (1 - value)],
  ["rate", "requests", (value: number) => value],
] as const;

async function measure(
  services: readonly ServiceName[],
  window: TimeRange,
  session: Session,
  signal: AbortSignal,
): Promise<Measured[]> {
  const { metrics } = session.deps;
  const each = services.map(async (service): Promise<Measured[]> => {
    const infos = (await metrics.metrics(service)).filter(({ kind }) => kind !== "histogram").slice(0, MOST_METRICS);
    const other = async ({ metric, kind }: MetricInfo): Promise<Measured[]> => {
      const [series] = await metrics.query(
        { metric, service, step: session.step, statistic: kind === "sum" ? "rate" : "avg", ...window },
        signal,
      );
      return series ? [{ service, metric, points: series.points }] : [];
    };
    const red = RED.map(async ([one, metric, read]): Promise<Measured[]> => {
      const { points } = await metrics.red({ service, signal: one, step: session.step, ...window }, signal);
      return [{ service, metric, points: points.map(({ at, value }) => ({ at, value: read(value) })) }];
    });
    const settled = await Promise.allSettled([...red, ...infos.map(other)]);
    return settled.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
  });
  const settled = await Promise.allSettled(each);
  return settled.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
}

/** Mean durations of spans stand in for the latency of services whose metrics stopped coming or never did. */
function spanLatency(metrics: readonly Measured[], spans: readonly Span[], since: number, step: number): Measured[] {
  const measured = new Set(
    metrics.flatMap(({ service, metric, points }) =>
      metric === "latency" && points.some(({ at }) => at >= since) ? [service] : [],
    ),
  );
  const sums = new Map<ServiceName, Map<number, { total: number; count: number }>>();
  for (const { service, kind, start, duration } of spans) {
    if (measured.has(service) || (kind !== "server" && kind !== "consumer")) continue;
    const own = sums.get(service) ?? new Map<number, { total: number; count: number }>();
    sums.set(service, own);
    const at = Math.floor(start / step) * step;
    const sum = own.get(at) ?? { total: 0, count: 0 };
    own.set(at, { total: sum.total + duration / SECOND, count: sum.count + 1 });
  }
  return [...sums].map(([service, own]) => ({
    service,
    metric: "latency",
    points: [...own].sort(([a], [b]) => a - b).map(([at, { total, count }]) => ({ at, value: total / count })),
  }));
}

function table(measured: readonly Measured[], { from, to }: TimeRange, step: number): MetricTable {
  const first = Math.ceil(from / step);
  const rows = Math.max(0, Math.ceil(to / step) - first);
  const columns = measured.map(({ service, metric, points }): MetricColumn => {
    const values = new Float64Array(rows).fill(Number.NaN);
    for (const { at, value } of points) {
      const row = Math.floor(at / step) - first;
      if (row >= 0 && row < rows) values[row] = value;
    }
    // The mean outweighs percentiles that a service also reports: means add up along the calls.
    return { service, metric, statistic: metric === "latency" ? "mean" : null, values };
  });
  return { times: Float64Array.from({ length: rows }, (_, row) => ((first + row) * step) / SECOND), columns };
}

const lineOf = ({ at, service, body, traceId }: LogRecord): LogLine => ({
  at: at / SECOND,
  service,
  message: body,
  ...(traceId ? { trace: traceId } : {}),
});

const spanOf = (span: Span): DiagnosisSpan => ({
  trace: span.traceId,
  id: span.spanId,
  parent: span.parentId,
  service: span.service,
  operation: span.operation,
  start: span.start / SECOND,
  duration: span.duration / SECOND,
});
