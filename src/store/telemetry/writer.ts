import { createHash } from "node:crypto";
import type SQLite from "better-sqlite3";
import type { ChangeEvent, Labels, LogRecord, Severity, Span } from "../../domain/telemetry.ts";
import type { HistogramRecord, MetricRecord, SumRecord, TelemetrySink } from "../../domain/telemetry-sink.ts";
import { type EpochMs, HOUR } from "../../domain/time.ts";

export const SEVERITIES: readonly Severity[] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/** JSON with sorted keys, so that equal labels are equal text. */
export const canonical = (labels: Labels): string => JSON.stringify(Object.fromEntries(Object.entries(labels).sort()));

/** OpenTelemetry: a server error by status code, or any `error.type`. Client errors (4xx) are the caller's. */
function isFailure(labels: Labels): boolean {
  const status = Number(labels["http.response.status_code"] ?? labels["http.status_code"] ?? 0);
  return status >= 500 || (labels["error.type"] ?? "") !== "" || /^(?!0$|OK$)/.test(labels["rpc.grpc.status_code"] ?? "0");
}

/** Series kept in memory; beyond it they are looked up again. */
const MOST_REMEMBERED = 50_000;

interface Running {
  start: number;
  at: number;
  /** Value; or count, sum and the buckets. */
  total: number[];
}

/**
 * Writes telemetry. Prepared statements of better-sqlite3 rather than the query builder: this is the one path where a million rows must
 * go in within seconds.
 */
export class TelemetryWriter implements TelemetrySink {
  readonly #db: SQLite.Database;
  readonly #seriesIds = new Map<string, number>();
  readonly #running = new Map<number, Running>();
  readonly #insertSeries: SQLite.Statement;
  readonly #findSeries: SQLite.Statement;
  readonly #insertPoint: SQLite.Statement;
  readonly #findRunning: SQLite.Statement;
  readonly #saveRunning: SQLite.Statement;
  readonly #insertLog: SQLite.Statement;
  readonly #insertSpan: SQLite.Statement;
  readonly #parentOfSpan: SQLite.Statement;
  readonly #calls: SQLite.Statement;
  readonly #uncountEdge: SQLite.Statement;
  readonly #childrenOfSpan: SQLite.Statement;
  readonly #countEdge: SQLite.Statement;
  readonly #insertChange: SQLite.Statement;

  constructor(db: SQLite.Database) {
    this.#db = db;
    this.#insertSeries = db.prepare(
      "INSERT INTO series (metric, service, kind, unit, labels, bounds, failed) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    );
    this.#findSeries = db.prepare("SELECT id FROM series WHERE metric = ? AND service = ? AND labels = ? AND bounds = ?").pluck();
    this.#insertPoint = db.prepare("INSERT OR REPLACE INTO points (series_id, at, value, count, buckets) VALUES (?, ?, ?, ?, ?)");
    this.#findRunning = db.prepare("SELECT start, at, total FROM cumulative WHERE series_id = ?");
    this.#saveRunning = db.prepare("INSERT OR REPLACE INTO cumulative (series_id, start, at, total) VALUES (?, ?, ?, ?)");
    this.#insertLog = db.prepare(
      "INSERT INTO logs (id, at, service, severity, body, attributes, trace_id) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    );
    this.#insertSpan = db.prepare(
      `INSERT INTO spans (trace_id, span_id, parent_id, service, operation, kind, start, duration, error, attributes)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    );
    this.#parentOfSpan = db.prepare("SELECT service, kind, start, attributes FROM spans WHERE trace_id = ? AND span_id = ?");
    this.#calls = db.prepare("SELECT COUNT(*) FROM spans WHERE trace_id = ? AND parent_id = ? AND service <> ?").pluck();
    this.#uncountEdge = db.prepare("UPDATE edges SET calls = calls - 1 WHERE caller = ? AND callee = ? AND hour = ?");
    this.#childrenOfSpan = db.prepare("SELECT service, span_id FROM spans WHERE trace_id = ? AND parent_id = ?");
    this.#countEdge = db.prepare(
      "INSERT INTO edges (caller, callee, hour, calls) VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET calls = calls + 1",
    );
    this.#insertChange = db.prepare("INSERT INTO changes (id, at, kind, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING");
  }

  appendMetrics(records: readonly MetricRecord[]): void {
    this.#transaction(() => {
      const touched = new Set<number>();
      for (const record of records) {
        const id = this.#seriesId(record);
        const at = Math.round(record.at);
        // A sum that may fall (an up-down counter) is a level, not a count of events.
        if (record.kind === "gauge" || (record.kind === "sum" && isLevel(record))) {
          this.#insertPoint.run(id, at, record.value, null, null);
          continue;
        }
        const increment = this.#increment(id, at, record, touched);
        if (!increment) continue;
        if (record.kind === "sum") this.#insertPoint.run(id, at, increment[0], null, null);
        else {
          const [count, sum, ...buckets] = increment;
          this.#insertPoint.run(id, at, sum, count, record.bounds.length > 0 ? JSON.stringify(buckets) : null);
        }
      }
      for (const id of touched) {
        const running = this.#running.get(id);
        if (running) this.#saveRunning.run(id, running.start, running.at, JSON.stringify(running.total));
      }
    });
  }

  appendLogs(records: readonly LogRecord[]): void {
    this.#transaction(() => {
      // Equal lines of one batch are different records; of a batch that is sent again they are the same.
      const seen = new Map<string, number>();
      for (const log of records) {
        const attributes = canonical(log.attributes);
        const content = [log.at, log.service, log.severity, log.traceId, log.body, attributes].join("\u0000");
        const repeat = seen.get(content) ?? 0;
        seen.set(content, repeat + 1);
        const id = createHash("sha256")
          .update(repeat === 0 ? content : `${content}\u0000${repeat}`)
          .digest("base64url")
          .slice(0, 22);
        const severity = SEVERITIES.indexOf(log.severity);
        this.#insertLog.run(id, Math.round(log.at), log.service, severity, log.body, attributes, log.traceId);
      }
    });
  }

  appendSpans(spans: readonly Span[]): void {
    this.#transaction(() => {
      const fresh = spans.filter(
        (span) =>
          this.#insertSpan.run(
            span.traceId,
            span.spanId,
            span.parentId,
            span.service,
            span.operation,
            span.kind,
            Math.round(span.start),
            span.duration,
            Number(span.error),
            canonical(span.attributes),
          ).changes > 0,
      );
      const freshKeys = new Set(fresh.map((span) => `${span.traceId}/${span.spanId}`));
      for (const span of fresh) {
        const hour = Math.floor(span.start / HOUR) * HOUR;
        const parent = span.parentId
          ? (this.#parentOfSpan.get(span.traceId, span.parentId) as
              | { service: string; kind: string; start: number; attributes: string }
              | undefined)
          : undefined;
        if (parent && parent.service !== span.service) {
          this.#countEdge.run(parent.service, span.service, hour);
          // The callee speaks for itself after all: the name that its caller's earlier span gave it does not count.
          const guessed = parent.kind === "client" && !freshKeys.has(`${span.traceId}/${span.parentId}`);
          const peer = guessed ? peerOf(JSON.parse(parent.attributes) as Labels) : null;
          if (peer && peer !== parent.service && this.#calls.get(span.traceId, span.parentId, parent.service) === 1) {
            this.#uncountEdge.run(parent.service, peer, Math.floor(parent.start / HOUR) * HOUR);
          }
        }
        const children = this.#childrenOfSpan.all(span.traceId, span.spanId) as { service: string; span_id: string }[];
        for (const child of children) {
          // Children of this batch count themselves; these came before their parent.
          const early = !freshKeys.has(`${span.traceId}/${child.span_id}`);
          if (early && child.service !== span.service) this.#countEdge.run(span.service, child.service, hour);
        }
        // Databases and caches seldom send spans of their own; the client span names them.
        const peer = span.kind === "client" && children.length === 0 ? peerOf(span.attributes) : null;
        if (peer && peer !== span.service) this.#countEdge.run(span.service, peer, hour);
      }
    });
  }

  appendChanges(changes: readonly ChangeEvent[]): void {
    this.#transaction(() => {
      for (const change of changes) this.#insertChange.run(change.id, Math.round(change.at), change.kind, JSON.stringify(change));
    });
  }

  #transaction(work: () => void): void {
    try {
      this.#db.transaction(work).immediate();
    } catch (error) {
      // Nothing was written, so nothing that was remembered on the way may count.
      this.#forget();
      throw error;
    }
    if (this.#seriesIds.size > MOST_REMEMBERED) this.#forget();
  }

  /** Drops series whose points are all gone; one that still reports keeps its running total. */
  forgetEmptySeries(before: EpochMs): void {
    this.#transaction(() => {
      this.#db.exec(`DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM points WHERE series_id = series.id)
        AND NOT EXISTS (SELECT 1 FROM cumulative WHERE series_id = series.id AND at >= ${Math.round(before)})`);
      this.#db.exec("DELETE FROM cumulative WHERE NOT EXISTS (SELECT 1 FROM series WHERE id = series_id)");
    });
    this.#forget();
  }

  #forget(): void {
    this.#seriesIds.clear();
    this.#running.clear();
  }

  #seriesId(record: MetricRecord): number {
    const labels = canonical(record.labels);
    const bounds = record.kind === "histogram" ? JSON.stringify(record.bounds) : "";
    const key = `${record.metric}\u0000${record.service}\u0000${labels}\u0000${bounds}`;
    const known = this.#seriesIds.get(key);
    if (known !== undefined) return known;
    const { metric, service, unit } = record;
    const kind = record.kind === "sum" && isLevel(record) ? "gauge" : record.kind;
    this.#insertSeries.run(metric, service, kind, unit, labels, bounds, Number(isFailure(record.labels)));
    const id = this.#findSeries.get(metric, service, labels, bounds) as number;
    this.#seriesIds.set(key, id);
    return id;
  }

  /** What was added since the last point; null for a point already counted, or the first of a cumulative series seen midway. */
  #increment(id: number, at: number, record: SumRecord | HistogramRecord, touched: Set<number>): number[] | null {
    const total = record.kind === "sum" ? [record.value] : [record.count, record.sum, ...record.buckets];
    if (record.temporality === "delta") return total;
    const last = this.#running.get(id) ?? this.#loadRunning(id);
    if (last && at <= last.at) return null;
    this.#running.set(id, { start: record.start, at, total });
    touched.add(id);
    const reset = !last || record.start > last.start || (total[0] ?? 0) < (last.total[0] ?? 0);
    // After a reset the running total counts from the new start; of a series seen midway it tells nothing about this step.
    if (reset) return last || at - record.start <= HOUR ? total : null;
    // Only a histogram's sum of values may fall; a bucket can seem to when an exponential histogram changes its scale.
    return total.map((value, index) => {
      const increase = value - (last.total[index] ?? 0);
      return record.kind === "histogram" && index === 1 ? increase : Math.max(0, increase);
    });
  }

  #loadRunning(id: number): Running | undefined {
    const row = this.#findRunning.get(id) as { start: number; at: number; total: string } | undefined;
    return row && { start: row.start, at: row.at, total: JSON.parse(row.total) as number[] };
  }
}

const isLevel = (sum: SumRecord): boolean => sum.temporality === "cumulative" && !sum.monotonic;

function peerOf(attributes: Labels): string | null {
  const named = attributes["peer.service"] ?? attributes["server.address"];
  return named ? named.replace(/:\d+$/, "") : null;
}
