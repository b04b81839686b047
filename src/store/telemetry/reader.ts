import type SQLite from "better-sqlite3";
import {
  type ChangeEvent,
  type ChangeQuery,
  type ChangeSource,
  type Labels,
  type LogQuery,
  type LogRecord,
  type LogSource,
  type MetricInfo,
  type MetricKind,
  type MetricPoint,
  type MetricQuery,
  type MetricSource,
  MOST_STEPS,
  type RedQuery,
  type Series,
  type ServiceEdge,
  type ServiceName,
  SourceError,
  type Span,
  type TimeRange,
  type TraceQuery,
  type TraceSource,
} from "../../domain/telemetry.ts";
import { type EpochMs, HOUR } from "../../domain/time.ts";
import { mergeHistograms, quantile } from "./quantile.ts";
import { SEVERITIES } from "./writer.ts";

/**
 * Durations by OpenTelemetry's semantic conventions, with older names; the first that a service sends is its RED source. A service that
 * serves nobody but a database's clients is judged by what it asks of the database.
 */
const DURATION_METRICS = [
  "http.server.request.duration",
  "rpc.server.call.duration",
  "rpc.server.duration",
  "http.server.duration",
  "db.client.operation.duration",
];

interface SeriesRow {
  id: number;
  metric: string;
  service: string;
  kind: MetricKind;
  unit: string;
  labels: string;
  bounds: string;
  failed: number;
}

/** A point belongs to the step that it closes: an exporter stamps the end of what it counted. */
const BUCKET = "(CAST(at - 1 AS INTEGER) / CAST(@step AS INTEGER)) * CAST(@step AS INTEGER)";

/** Answers queries from the embedded store. Steps are aligned to the epoch; a step's time is its start. */
export class TelemetryReader implements MetricSource, LogSource, TraceSource, ChangeSource {
  readonly #db: SQLite.Database;
  readonly #statements = new Map<string, SQLite.Statement>();

  constructor(db: SQLite.Database) {
    this.#db = db;
  }

  async services(): Promise<readonly ServiceName[]> {
    // Steps from name to name along the index instead of reading every row.
    const distinct = (table: string) =>
      this.#prepare(
        `WITH RECURSIVE names(name) AS (SELECT MIN(service) FROM ${table} UNION ALL
         SELECT (SELECT MIN(service) FROM ${table} WHERE service > name) FROM names WHERE name IS NOT NULL)
         SELECT name FROM names WHERE name IS NOT NULL`,
      )
        .pluck()
        .all() as string[];
    return [...new Set(["series", "spans", "logs"].flatMap(distinct))].sort();
  }

  async metrics(service?: ServiceName): Promise<readonly MetricInfo[]> {
    const rows = this.#series(service ? { service } : {});
    const byMetric = groupBy(rows, (row) => row.metric);
    return [...byMetric].map(([metric, group]) => ({
      metric,
      kind: group[0]?.kind ?? "gauge",
      unit: group[0]?.unit ?? "",
      services: [...new Set(group.map((row) => row.service))].sort(),
      labelKeys: [...new Set(group.flatMap((row) => Object.keys(JSON.parse(row.labels))))].sort(),
    }));
  }

  async query(query: MetricQuery): Promise<readonly Series[]> {
    checkRange(query, query.step);
    const rows = this.#series(query).filter((row) => matches(row, query.labels));
    const groups = groupBy(rows, (row) => {
      const labels = JSON.parse(row.labels) as Labels;
      return JSON.stringify((query.groupBy ?? []).map((key) => [key, labels[key] ?? ""]));
    });
    const result: Series[] = [];
    for (const [key, group] of groups) {
      const [first] = group;
      if (!first) continue;
      const services = new Set(group.map((row) => row.service));
      result.push({
        metric: query.metric,
        service: services.size === 1 ? first.service : null,
        labels: Object.fromEntries(JSON.parse(key) as [string, string][]),
        unit: query.statistic === "rate" && first.kind !== "gauge" ? "{event}/s" : first.unit,
        points: this.#aggregate(group, query),
      });
    }
    return result;
  }

  async red(query: RedQuery): Promise<Series> {
    checkRange(query, query.step);
    const own = this.#series({ service: query.service }).filter((row) => matches(row, query.labels));
    // A database that sends nothing itself is seen through its clients.
    const rows = own.length > 0 ? own : this.#callsTo(query.service).filter((row) => matches(row, query.labels));
    const metric = DURATION_METRICS.find((name) => rows.some((row) => row.metric === name && row.kind === "histogram"));
    const series = rows.filter((row) => row.metric === metric);
    const unit = query.signal === "rate" ? "{request}/s" : query.signal === "errors" ? "1" : "s";
    const describe = (points: readonly MetricPoint[]): Series => ({
      metric: `red.${query.signal}`,
      service: query.service,
      labels: query.labels ?? {},
      unit,
      points,
    });
    if (!metric) return describe(this.#redFromSpans(query));
    // Milliseconds were the unit of the older conventions.
    const scale = series[0]?.unit === "ms" ? 0.001 : 1;
    if (query.signal === "latency_p95") {
      return describe(this.#quantiles(series, query, 0.95).map(({ at, value }) => ({ at, value: value * scale })));
    }
    const steps = this.#sumSteps(series, query);
    return describe(
      steps.flatMap(({ at, count, sum, failed }) => {
        if (query.signal === "rate") return [{ at, value: count / (query.step / 1_000) }];
        if (count <= 0) return [];
        return [{ at, value: query.signal === "errors" ? failed / count : (sum / count) * scale }];
      }),
    );
  }

  async logs(query: LogQuery): Promise<readonly LogRecord[]> {
    checkRange(query);
    // Conditions are left out rather than made optional: otherwise no index would serve.
    const rows = this.#prepare(
      `SELECT at, service, severity, body, attributes, trace_id FROM logs WHERE at >= @from AND at < @to
         ${query.minSeverity ? "AND severity >= @severity" : ""} ${query.service === undefined ? "" : "AND service = @service"}
         ${query.traceId === undefined ? "" : "AND trace_id = @trace"} ${query.text ? "AND instr(lower(body), @text) > 0" : ""}
       ORDER BY at DESC LIMIT @limit`,
    ).all({
      from: query.from,
      to: query.to,
      severity: SEVERITIES.indexOf(query.minSeverity ?? "TRACE"),
      service: query.service ?? null,
      trace: query.traceId ?? null,
      text: query.text?.toLowerCase() ?? null,
      limit: query.limit,
    }) as { at: number; service: string; severity: number; body: string; attributes: string; trace_id: string | null }[];
    return rows.map((row) => ({
      at: row.at,
      service: row.service,
      severity: SEVERITIES[row.severity] ?? "INFO",
      body: row.body,
      attributes: JSON.parse(row.attributes) as Labels,
      traceId: row.trace_id,
    }));
  }

  async spans(query: TraceQuery): Promise<readonly Span[]> {
    checkRange(query);
    const rows = this.#prepare(
      `SELECT * FROM spans WHERE start >= @from AND start < @to AND duration >= @duration AND error >= @error
         ${query.service === undefined ? "" : "AND service = @service"} ${query.traceId === undefined ? "" : "AND trace_id = @trace"}
       ORDER BY duration DESC LIMIT @limit`,
    ).all({
      from: query.from,
      to: query.to,
      duration: query.minDuration ?? 0,
      error: Number(query.errorsOnly ?? false),
      service: query.service ?? null,
      trace: query.traceId ?? null,
      limit: query.limit,
    }) as Record<string, string | number | null>[];
    return rows.map((row) => ({
      traceId: String(row.trace_id),
      spanId: String(row.span_id),
      parentId: row.parent_id as string | null,
      service: String(row.service),
      operation: String(row.operation),
      kind: row.kind as Span["kind"],
      start: Number(row.start),
      duration: Number(row.duration),
      error: row.error === 1,
      attributes: JSON.parse(String(row.attributes)) as Labels,
    }));
  }

  async dependencies(range: TimeRange): Promise<readonly ServiceEdge[]> {
    return this.#prepare(
      `SELECT caller, callee, SUM(calls) AS calls FROM edges WHERE hour >= @from AND hour < @to
       GROUP BY caller, callee HAVING SUM(calls) > 0 ORDER BY caller, callee`,
    ).all({ from: Math.floor(range.from / HOUR) * HOUR, to: range.to }) as ServiceEdge[];
  }

  async changes(query: ChangeQuery): Promise<readonly ChangeEvent[]> {
    const rows = this.#prepare("SELECT body FROM changes WHERE at >= ? AND at < ? ORDER BY at DESC").all(
      query.from,
      query.to,
    ) as {
      body: string;
    }[];
    return rows
      .map((row) => JSON.parse(row.body) as ChangeEvent)
      .filter((change) => !query.kinds || query.kinds.includes(change.kind))
      .filter(
        (change) =>
          !query.services || change.services.length === 0 || change.services.some((one) => query.services?.includes(one)),
      )
      .slice(0, query.limit ?? 500);
  }

  /** Newest metric point, log or span, or null in an empty store. */
  async latest(): Promise<EpochMs | null> {
    return (this.#prepare(
      `SELECT MAX(newest) FROM (
         SELECT (SELECT MAX(at) FROM points WHERE series_id = series.id) AS newest FROM series
         UNION ALL SELECT MAX(at) FROM logs UNION ALL SELECT MAX(start) FROM spans)`,
    )
      .pluck()
      .get() ?? null) as number | null;
  }

  #prepare(sql: string): SQLite.Statement {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #series(filter: { metric?: string; service?: ServiceName }): SeriesRow[] {
    const { metric, service } = filter;
    // Only what is asked for, so that the index of services serves: "or nothing was asked" would read the whole table each time.
    const wanted = [
      ...(service === undefined ? [] : ["service = @service"]),
      ...(metric === undefined ? [] : ["metric = @metric"]),
    ];
    return this.#prepare(`SELECT * FROM series ${wanted.length > 0 ? `WHERE ${wanted.join(" AND ")}` : ""} ORDER BY id`).all({
      ...(service === undefined ? {} : { service }),
      ...(metric === undefined ? {} : { metric }),
    }) as SeriesRow[];
  }

  #callsTo(peer: ServiceName): SeriesRow[] {
    return this.#series({ metric: "db.client.operation.duration" }).filter(
      (row) => matches(row, { "peer.service": peer }) || matches(row, { "server.address": peer }),
    );
  }

  /** Counts, sums and failures of histogram series by step. */
  #sumSteps(
    series: readonly SeriesRow[],
    range: TimeRange & { step: number },
  ): { at: number; count: number; sum: number; failed: number }[] {
    if (series.length === 0) return [];
    return this.#prepare(
      `SELECT ${BUCKET} AS at, SUM(count) AS count, SUM(value) AS sum, SUM(CASE WHEN series.failed THEN count ELSE 0 END) AS failed
       FROM points JOIN series ON series.id = series_id
       WHERE series_id IN (SELECT value FROM json_each(@ids)) AND at > @from AND at <= @to GROUP BY 1 ORDER BY 1`,
    ).all({ ids: idsOf(series), from: range.from, to: range.to, step: range.step }) as {
      at: number;
      count: number;
      sum: number;
      failed: number;
    }[];
  }

  #aggregate(series: readonly SeriesRow[], query: MetricQuery): MetricPoint[] {
    const kind = series[0]?.kind;
    if (query.statistic === "p50" || query.statistic === "p95" || query.statistic === "p99") {
      if (kind !== "histogram")
        throw new SourceError(`${query.metric} is a ${kind}: ${query.statistic} needs a histogram; ask for avg or max instead.`);
      return this.#quantiles(series, query, Number(query.statistic.slice(1)) / 100);
    }
    if (query.statistic === "rate" && kind === "gauge") {
      throw new SourceError(`${query.metric} is a gauge, which has no rate; ask for avg, min or max instead.`);
    }
    if (new Set(series.map((row) => row.kind)).size > 1) {
      throw new SourceError(`${query.metric} is of different kinds in different services; name the service.`);
    }
    const expression =
      kind === "histogram"
        ? {
            rate: "SUM(count) * 1000.0 / @step",
            count: "SUM(count)",
            sum: "SUM(value)",
            avg: "SUM(value) / NULLIF(SUM(count), 0)",
            min: "MIN(value / NULLIF(count, 0))",
            max: "MAX(value / NULLIF(count, 0))",
          }
        : kind === "sum"
          ? {
              rate: "SUM(value) * 1000.0 / @step",
              count: "SUM(value)",
              sum: "SUM(value)",
              avg: "AVG(value)",
              min: "MIN(value)",
              max: "MAX(value)",
            }
          : { rate: "", count: "COUNT(*)", sum: "SUM(value)", avg: "AVG(value)", min: "MIN(value)", max: "MAX(value)" };
    const rows = this.#prepare(
      `SELECT ${BUCKET} AS at, ${expression[query.statistic]} AS value FROM points
       WHERE series_id IN (SELECT value FROM json_each(@ids)) AND at > @from AND at <= @to GROUP BY 1 ORDER BY 1`,
    ).all({ ids: idsOf(series), from: query.from, to: query.to, step: query.step }) as { at: number; value: number | null }[];
    return rows.flatMap(({ at, value }) => (value === null ? [] : [{ at, value }]));
  }

  #quantiles(series: readonly SeriesRow[], range: TimeRange & { step: number }, q: number): MetricPoint[] {
    const steps = new Map<number, { key: string; bounds: readonly number[]; buckets: number[] }>();
    for (const row of series) {
      const bounds = JSON.parse(row.bounds || "[]") as number[];
      const points = this.#prepare(
        `SELECT ${BUCKET} AS at, buckets FROM points WHERE series_id = @id AND at > @from AND at <= @to AND buckets IS NOT NULL`,
      ).iterate({ id: row.id, from: range.from, to: range.to, step: range.step }) as IterableIterator<{
        at: number;
        buckets: string;
      }>;
      for (const { at, buckets } of points) {
        const counts = JSON.parse(buckets) as number[];
        const step = steps.get(at);
        if (!step) steps.set(at, { key: row.bounds, bounds, buckets: counts });
        else if (step.key === row.bounds)
          for (const [index, count] of counts.entries()) step.buckets[index] = (step.buckets[index] ?? 0) + count;
        else {
          const merged = mergeHistograms(step, { bounds, buckets: counts });
          steps.set(at, { key: JSON.stringify(merged.bounds), ...merged });
        }
      }
    }
    return [...steps]
      .sort(([a], [b]) => a - b)
      .flatMap(([at, { bounds, buckets }]) => {
        const value = quantile(q, bounds, buckets);
        return value === null ? [] : [{ at, value }];
      });
  }

  /** From server spans, for a service that sends no duration metric. Exact percentiles (nearest rank) of the spans that were kept. */
  #redFromSpans(query: RedQuery): MetricPoint[] {
    const wanted = Object.entries(query.labels ?? {});
    const condition = wanted.map((_, index) => `AND json_extract(attributes, @key${index}) = @value${index}`).join(" ");
    const parameters = Object.fromEntries(
      wanted.flatMap(([key, value], index) => [
        [`key${index}`, `$.${JSON.stringify(key)}`],
        [`value${index}`, value],
      ]),
    );
    const rows = this.#prepare(
      `WITH ranked AS (
         SELECT (start / CAST(@step AS INTEGER)) * CAST(@step AS INTEGER) AS at, duration, error,
           ${query.signal === "latency_p95" ? "CUME_DIST() OVER (PARTITION BY start / CAST(@step AS INTEGER) ORDER BY duration)" : "1"} AS rank
         FROM spans WHERE service = @service AND kind IN ('server', 'consumer') AND start >= @from AND start < @to ${condition})
       SELECT at, COUNT(*) AS count, SUM(duration) AS duration, SUM(error) AS failed,
         MIN(CASE WHEN rank >= 0.95 THEN duration END) AS p95 FROM ranked GROUP BY at ORDER BY at`,
    ).all({ ...parameters, service: query.service, from: query.from, to: query.to, step: query.step }) as {
      at: number;
      count: number;
      duration: number;
      failed: number;
      p95: number;
    }[];
    const value: Record<RedQuery["signal"], (row: (typeof rows)[number]) => number> = {
      rate: ({ count }) => count / (query.step / 1_000),
      errors: ({ failed, count }) => failed / count,
      latency: ({ duration, count }) => duration / count / 1_000,
      latency_p95: ({ p95 }) => p95 / 1_000,
    };
    return rows.map((row) => ({ at: row.at, value: value[query.signal](row) }));
  }
}

const idsOf = (series: readonly SeriesRow[]): string => JSON.stringify(series.map((row) => row.id));

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

function matches(row: SeriesRow, wanted: Labels | undefined): boolean {
  if (!wanted) return true;
  const labels = JSON.parse(row.labels) as Labels;
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

function checkRange(range: TimeRange, step?: number): void {
  if (!Number.isFinite(range.from) || !Number.isFinite(range.to) || range.from > range.to) {
    throw new SourceError(
      `The time range ${range.from} to ${range.to} is empty or not a number; give "from" before "to" in milliseconds.`,
    );
  }
  if (step === undefined) return;
  if (!(step >= 1_000)) throw new SourceError(`The step is ${step} ms; give one second or more.`);
  if ((range.to - range.from) / step > MOST_STEPS) {
    throw new SourceError(`That is more than ${MOST_STEPS} steps; ask for a shorter range or a longer step.`);
  }
}
