import { type Kysely, type Migration, sql } from "kysely";

/**
 * Telemetry's tables. Points are stored as increments for sums and histograms, so that rates and percentiles are plain additions;
 * `cumulative` remembers the last running total of each series to subtract from.
 */
export const telemetryMigrations: Readonly<Record<string, Migration>> = {
  "001-telemetry": {
    async up(db: Kysely<unknown>) {
      const statements = [
        sql`CREATE TABLE series (
          id INTEGER PRIMARY KEY, metric TEXT NOT NULL, service TEXT NOT NULL, kind TEXT NOT NULL, unit TEXT NOT NULL,
          labels TEXT NOT NULL, bounds TEXT NOT NULL, failed INTEGER NOT NULL, UNIQUE (metric, service, labels, bounds))`,
        sql`CREATE INDEX series_by_service ON series (service, metric)`,
        sql`CREATE TABLE points (
          series_id INTEGER NOT NULL, at INTEGER NOT NULL, value REAL NOT NULL, count REAL, buckets TEXT,
          PRIMARY KEY (series_id, at)) WITHOUT ROWID`,
        sql`CREATE TABLE cumulative (series_id INTEGER PRIMARY KEY, start INTEGER NOT NULL, at INTEGER NOT NULL, total TEXT NOT NULL)`,
        sql`CREATE TABLE logs (
          id TEXT PRIMARY KEY, at INTEGER NOT NULL, service TEXT NOT NULL, severity INTEGER NOT NULL, body TEXT NOT NULL,
          attributes TEXT NOT NULL, trace_id TEXT) WITHOUT ROWID`,
        sql`CREATE INDEX logs_by_time ON logs (service, at)`,
        sql`CREATE INDEX logs_by_trace ON logs (trace_id) WHERE trace_id IS NOT NULL`,
        sql`CREATE TABLE spans (
          trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_id TEXT, service TEXT NOT NULL, operation TEXT NOT NULL, kind TEXT NOT NULL,
          start INTEGER NOT NULL, duration REAL NOT NULL, error INTEGER NOT NULL, attributes TEXT NOT NULL,
          PRIMARY KEY (trace_id, span_id)) WITHOUT ROWID`,
        sql`CREATE INDEX spans_by_time ON spans (service, start)`,
        sql`CREATE TABLE edges (
          caller TEXT NOT NULL, callee TEXT NOT NULL, hour INTEGER NOT NULL, calls INTEGER NOT NULL,
          PRIMARY KEY (caller, callee, hour)) WITHOUT ROWID`,
        sql`CREATE TABLE changes (
          id TEXT PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID`,
        sql`CREATE INDEX changes_by_time ON changes (at)`,
      ];
      for (const statement of statements) await statement.execute(db);
    },
  },
  "002-telemetry-by-time": {
    async up(db: Kysely<unknown>) {
      await sql`CREATE INDEX logs_by_at ON logs (at)`.execute(db);
      await sql`CREATE INDEX spans_by_start ON spans (start)`.execute(db);
    },
  },
};
