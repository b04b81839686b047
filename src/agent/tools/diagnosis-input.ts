import { setImmediate } from "node:timers/promises";
import type { DiagnosisInput, Span as DiagnosisSpan, LogLine, MetricColumn, MetricTable } from "../../diagnosis/index.ts";
import { median, quantile, sorted } from "../../domain/quantile.ts";
import type { ServiceGraph } from "../../domain/service.ts";
import type { LogRecord, MetricInfo, Series, ServiceName, Span, TimeRange } from "../../domain/telemetry.ts";
import { DAY, MINUTE, SECOND } from "../../domain/time.ts";
import type { Session } from "../session.ts";
import { sampleSpans } from "./sample-spans.ts";

/** A whole day: what is usual at night is not at noon. */
const NORMAL = DAY;
const BEFORE_ONSET = 5 * MINUTE;
/** Beside the requests, a service's own resource metrics; more than these rarely add anything. */
const MOST_METRICS = 30;
/** Services that are asked about side by side. */
const AT_ONCE = 8;
const LINES = 20_000;
const SPANS_PER_SLICE = 10_000;

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
  const grid = gridOf(measured, session.step);
  const known = new Set(services);
  const [logsBefore, logsDuring] = texts.map((lines) => lines.filter(({ service }) => known.has(service)).map(lineOf));
  const [spansBefore, spansDuring] = spans.map((some) => some.filter(({ service }) => known.has(service)).map(spanOf));
  const metric =
    focus.signal === null ? null : focus.signal === "rate" ? "requests" : focus.signal === "errors" ? "availability" : "latency";
  return {
    symptom: { service: focus.service, metric, at: focus.onset / SECOND },
    before: table(measured, before, grid),
    during: table(measured, during, grid),
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
  const one = async (service: ServiceName): Promise<Measured[]> => {
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
  };
  const found: Measured[][] = services.map(() => []);
  const waiting = [...services.entries()];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, service] = next;
      found[index] = await one(service).catch(() => []);
      // The embedded store answers at once: others must get their turn in between.
      await setImmediate();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found.flat();
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

/** Rows of a table: how long each is, and where the first begins, in milliseconds. */
interface Grid {
  readonly step: number;
  readonly phase: number;
}

/**
 * Rows as far apart as most series have samples, gaps aside (hence a low quartile): a row for each minute would be empty four times out of five
 * where there is one sample every five.
 */
function gridOf(measured: readonly Measured[], step: number): Grid {
  const gaps = measured.flatMap(({ points }) => {
    const gap = quantile(sorted(points.slice(1).map(({ at }, index) => at - (points[index]?.at ?? at))), 0.25);
    return Number.isFinite(gap) ? [gap] : [];
  });
  const usual = Math.max(1, Math.round((median(gaps) || step) / step)) * step;
  // A sample stands for the time before it, so that a row ends where the step of its sample does.
  const ends = measured.flatMap(({ points }) => points.slice(-1).map(({ at }) => (at + step) % usual));
  return { step: usual, phase: usual === step ? 0 : median(ends) || 0 };
}

function table(measured: readonly Measured[], { from, to }: TimeRange, { step, phase }: Grid): MetricTable {
  const rowOf = (at: number) => Math.floor((at - phase) / step);
  const first = rowOf(from + step - 1);
  const rows = Math.max(0, rowOf(to + step - 1) - first);
  const columns = measured.map(({ service, metric, points }): MetricColumn => {
    const values = new Float64Array(rows).fill(Number.NaN);
    for (const { at, value } of points) {
      const row = rowOf(at) - first;
      if (row >= 0 && row < rows) values[row] = value;
    }
    // The mean outweighs percentiles that a service also reports: means add up along the calls.
    return { service, metric, statistic: metric === "latency" ? "mean" : null, values };
  });
  return { times: Float64Array.from({ length: rows }, (_, row) => ((first + row) * step + phase) / SECOND), columns };
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
