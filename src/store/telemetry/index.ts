import type SQLite from "better-sqlite3";
import type { ChangeEvent, LogRecord, Span } from "../../domain/telemetry.ts";
import type { MetricRecord, TelemetrySink } from "../../domain/telemetry-sink.ts";
import { type EpochMs, HOUR } from "../../domain/time.ts";
import { migrate } from "../database.ts";
import { ImmediateSqliteDialect, openSqlite } from "../sqlite.ts";
import { TelemetryReader } from "./reader.ts";
import { telemetryMigrations } from "./schema.ts";
import { TelemetryWriter } from "./writer.ts";

/** The unified store: metrics, logs, traces and change events in one SQLite file, read through the domain's source interfaces. */
export class TelemetryStore extends TelemetryReader implements TelemetrySink {
  readonly #db: SQLite.Database;
  readonly #writer: TelemetryWriter;

  constructor(db: SQLite.Database) {
    super(db);
    this.#db = db;
    this.#writer = new TelemetryWriter(db);
  }

  appendMetrics(records: readonly MetricRecord[]): void {
    this.#writer.appendMetrics(records);
  }

  appendLogs(records: readonly LogRecord[]): void {
    this.#writer.appendLogs(records);
  }

  appendSpans(spans: readonly Span[]): void {
    this.#writer.appendSpans(spans);
  }

  appendChanges(changes: readonly ChangeEvent[]): void {
    this.#writer.appendChanges(changes);
  }

  /** Deletes what is older than `before`, in slices that each hold the file for a moment only. Returns how many rows went. */
  async retain(before: EpochMs, slice = 5_000): Promise<number> {
    let deleted = await this.#retainPoints(before, slice);
    const statements = [
      "DELETE FROM logs WHERE id IN (SELECT id FROM logs WHERE at < @before LIMIT @slice)",
      "DELETE FROM spans WHERE (trace_id, span_id) IN (SELECT trace_id, span_id FROM spans WHERE start < @before LIMIT @slice)",
      "DELETE FROM edges WHERE hour <= @lastHour",
      "DELETE FROM changes WHERE id IN (SELECT id FROM changes WHERE at < @before LIMIT @slice)",
    ];
    for (const sql of statements) {
      const statement = this.#db.prepare(sql);
      for (;;) {
        const { changes } = statement.run({ before, slice, lastHour: before - HOUR });
        deleted += changes;
        if (changes < slice) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    return deleted;
  }

  /** Along the key, one series after the other, so that no slice looks at what stays. Series that end up empty go too. */
  async #retainPoints(before: EpochMs, slice: number): Promise<number> {
    const next = this.#db.prepare("SELECT MIN(id) FROM series WHERE id > ?").pluck();
    const purge = this.#db.prepare(
      "DELETE FROM points WHERE series_id = @id AND at IN (SELECT at FROM points WHERE series_id = @id AND at < @before ORDER BY at LIMIT @slice)",
    );
    let deleted = 0;
    for (let id = next.get(0) as number | null; id !== null; id = next.get(id) as number | null) {
      let changes = slice;
      while (changes === slice) {
        changes = purge.run({ id, before, slice }).changes;
        deleted += changes;
        if (changes > 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }
    this.#writer.forgetEmptySeries(before);
    return deleted;
  }

  /** Row counts, for `status` and `doctor`. */
  stats(): { series: number; points: number; logs: number; spans: number; changes: number } {
    const count = (table: string) => this.#db.prepare(`SELECT COUNT(*) FROM ${table}`).pluck().get() as number;
    return {
      series: count("series"),
      points: count("points"),
      logs: count("logs"),
      spans: count("spans"),
      changes: count("changes"),
    };
  }

  close(): void {
    this.#db.close();
  }
}

/** Opens the telemetry file (or `:memory:`) and brings its schema up to date. */
export async function openTelemetryStore(file: string): Promise<TelemetryStore> {
  const sqlite = openSqlite(file, "normal");
  await migrate(new ImmediateSqliteDialect(sqlite), file, telemetryMigrations);
  // From here on it is read and written without Kysely, which waited in its own way.
  sqlite.pragma("busy_timeout = 5000");
  return new TelemetryStore(sqlite);
}
