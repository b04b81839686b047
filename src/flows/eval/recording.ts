import type { DiagnosisInput, LogLine, MetricColumn, MetricTable, Span as RecordedSpan } from "../../diagnosis/index.ts";
import { type MetricKind, metricKind } from "../../diagnosis/metric-kind.ts";
import { median } from "../../domain/quantile.ts";
import type { LogRecord, RedSignal, ServiceName, Severity, Span } from "../../domain/telemetry.ts";
import type { MetricRecord } from "../../domain/telemetry-sink.ts";
import { type EpochMs, MINUTE, SECOND } from "../../domain/time.ts";
import { changesOf, type Recorded } from "./generate.ts";
import type { Scenario } from "./scenario.ts";

const REQUEST = "http.server.request.duration";
const SEVERITY: readonly (readonly [Severity, RegExp])[] = [
  ["ERROR", /\b(?:error|exception|fatal|panic|failed)\b/i],
  ["WARN", /\b(?:warn(?:ing)?|timeout|retry)\b/i],
];

/** Seconds between the end of the normal logs and spans and the begin of the incident's recording. */
const GAP = 20 * 60;
/** Rows between the end of another day's normal operation and what precedes the incident: further away than any level just before is looked for. */
const GAP_ROWS = 20;

/**
 * Turns a recorded incident (tables, log lines, spans; times in seconds) into telemetry as sources deliver it. Normal operation may have been
 * recorded on another day; it is placed right before the incident, as a past that an agent can ask for.
 */
export function fromRecording(scenario: Scenario, input: DiagnosisInput): Recorded {
  const { now, step } = recordedSpan(input);
  const edges = input.graph?.edges ?? [];
  const start = input.during.times[0] ?? input.symptom.at;
  const end = start - GAP;
  const logs = placed(
    input.logs?.before ?? [],
    ({ at }) => at,
    (one, by) => ({ ...one, at: one.at + by }),
    end,
  );
  const spans = placed(
    input.spans?.before ?? [],
    ({ start }) => start,
    (one, by) => ({ ...one, start: one.start + by }),
    end,
  );
  const names = new Set([...input.during.columns.map(({ service }) => service), ...edges.flat()]);
  return {
    now,
    metrics: [
      ...(input.before ? pastOf(input.before, start).flatMap((table) => tableRecords(table, step)) : []),
      ...tableRecords(input.during, step),
    ],
    logs: [...logs, ...(input.logs?.during ?? [])].map(logOf),
    spans: [...spans, ...(input.spans?.during ?? [])].map(spanOf),
    changes: changesOf(scenario, now),
    catalog: [...names].sort().map((name) => ({
      name,
      description: "",
      owner: "unknown",
      tier: null,
      dependsOn: edges.filter(([caller, callee]) => caller === name && callee !== name).map(([, callee]) => callee),
    })),
  };
}

/** When the recording of an incident ends, in milliseconds, and how far its rows are apart, in seconds. */
export function recordedSpan({ during: { times }, symptom }: DiagnosisInput): { readonly now: EpochMs; readonly step: number } {
  const step = stepOf(times);
  return { now: ((times.at(-1) ?? symptom.at) + step) * SECOND, step };
}

const stepOf = (times: Float64Array): number =>
  median(times.slice(1).map((time, row) => time - (times[row] ?? time))) || MINUTE / SECOND;

/** Rows up to this long before the incident are its own past, and stay where they were. */
const OWN_PAST = 6 * 3_600;

/**
 * Normal operation as the past of an incident that begins at `start`: what was recorded shortly before it stays where it was, since the level just
 * before an incident tells most; what was recorded later or on other days goes before that, one step apart, and ends a while before, lest it pass for the level just before.
 */
function pastOf(table: MetricTable, start: number): MetricTable[] {
  const rows = Array.from(table.times, (time, row) => ({ time, row }));
  const own = rows.filter(({ time }) => time < start && time > start - OWN_PAST);
  const others = rows.filter((one) => !own.includes(one));
  const first = own.reduce((least, { time }) => Math.min(least, time), start);
  const step = stepOf(table.times);
  const elsewhere = endingAt(picked(table, others), first - GAP_ROWS * step, step);
  return [elsewhere, picked(table, own)].filter(({ times }) => times.length > 0);
}

function picked({ times, columns }: MetricTable, rows: readonly { readonly row: number }[]): MetricTable {
  const pick = (values: Float64Array) => Float64Array.from(rows, ({ row }) => values[row] ?? Number.NaN);
  return { times: pick(times), columns: columns.map((column) => ({ ...column, values: pick(column.values) })) };
}

/** A table's rows one step apart, the last at `end`. */
function endingAt({ times, columns }: MetricTable, end: number, step: number): MetricTable {
  return { times: times.map((_, row) => end - (times.length - 1 - row) * step), columns };
}

/** The same records, moved so that the last is at `end`. */
function placed<T>(records: readonly T[], timeOf: (one: T) => number, moved: (one: T, by: number) => T, end: number): T[] {
  const last = records.reduce((latest, one) => Math.max(latest, timeOf(one)), Number.NEGATIVE_INFINITY);
  return records.map((one) => moved(one, end - last));
}

/** The RED signal that a recorded symptom's metric is about; latency where it does not say. */
export function signalOf(metric: string | null): RedSignal {
  const kind = metric === null ? "latency" : metricKind(metric);
  return kind === "availability" || kind === "errors" ? "errors" : kind === "traffic" ? "rate" : "latency";
}

/**
 * Every column as a gauge under its own name, and one histogram for each service that has a latency, for the RED signals. A row tells of the
 * `step` seconds that begin at its time; a source stamps the end of what it measured.
 */
function tableRecords({ times: starts, columns }: MetricTable, step: number): MetricRecord[] {
  const times = starts.map((time) => time + step);
  const records: MetricRecord[] = [];
  for (const column of columns) {
    const metric = column.statistic === null ? column.metric : `${column.metric}.${column.statistic}`;
    times.forEach((time, row) => {
      const value = column.values[row] ?? Number.NaN;
      if (Number.isFinite(value))
        records.push({ kind: "gauge", metric, service: column.service, unit: "", labels: {}, at: time * SECOND, value });
    });
  }
  for (const service of new Set(columns.map((one) => one.service)))
    records.push(
      ...requests(
        service,
        times,
        step,
        columns.filter((one) => one.service === service),
      ),
    );
  return records;
}

function requests(service: ServiceName, times: Float64Array, step: number, own: readonly MetricColumn[]): MetricRecord[] {
  const of = (kind: MetricKind) => {
    const all = own.filter(({ metric }) => metricKind(metric) === kind);
    return (
      all.find(({ statistic, metric }) => /^(?:average|mean|avg)$/i.test(statistic ?? "") || /mean|average|avg/i.test(metric)) ??
      all[0]
    );
  };
  const [latency, traffic, availability, errors] = [of("latency"), of("traffic"), of("availability"), of("errors")];
  if (!latency) return [];
  const unit = /ms|milli/i.test(latency.metric) ? 0.001 : 1;
  return Array.from(times).flatMap((time, row): MetricRecord[] => {
    const mean = (latency.values[row] ?? Number.NaN) * unit;
    if (!Number.isFinite(mean)) return [];
    const count = Math.max(1, Math.round(finite(traffic?.values[row], 100)));
    const well = finite(availability?.values[row], 100);
    const failed = Math.min(
      count,
      Math.round(availability ? count * (1 - (well > 1 ? well / 100 : well)) : finite(errors?.values[row], 0)),
    );
    const at = time * SECOND;
    const common = {
      kind: "histogram",
      temporality: "delta",
      metric: REQUEST,
      service,
      unit: "s",
      at,
      start: at - step * SECOND,
      bounds: [mean],
      buckets: [],
    } as const;
    return [
      {
        ...common,
        labels: { "http.response.status_code": "200" },
        count: count - failed,
        sum: mean * (count - failed),
        buckets: [count - failed, 0],
      },
      ...(failed > 0
        ? [{ ...common, labels: { "http.response.status_code": "500" }, count: failed, sum: mean * failed, buckets: [failed, 0] }]
        : []),
    ];
  });
}

const finite = (value: number | undefined, otherwise: number): number =>
  value !== undefined && Number.isFinite(value) ? value : otherwise;

function logOf({ at, service, message, trace }: LogLine): LogRecord {
  const severity = SEVERITY.find(([, pattern]) => pattern.test(message))?.[0] ?? "INFO";
  return { at: Math.round(at * SECOND), service, severity, body: message, attributes: {}, traceId: trace ?? null };
}

function spanOf(one: RecordedSpan): Span {
  return {
    traceId: one.trace,
    spanId: one.id,
    parentId: one.parent,
    service: one.service,
    operation: one.operation,
    kind: "server",
    start: Math.round(one.start * SECOND),
    duration: one.duration * SECOND,
    error: false,
    attributes: {},
  };
}
