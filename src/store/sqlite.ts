import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import SQLite from "better-sqlite3";
import {
  CompiledQuery,
  type DatabaseConnection,
  type DialectAdapter,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver,
} from "kysely";
import type { Milliseconds } from "../domain/time.ts";

/** Creates a folder, and its parents, that only its owner can read. */
export function ownerOnlyFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

/** `full` survives power loss at every commit (decisions, audit); `normal` may lose the last commits on power loss but never corrupts (telemetry). Both survive kill -9. */
export type Durability = "full" | "normal";

/** Opens a SQLite file (or `:memory:`) that only its owner can read. */
export function openSqlite(file: string, durability: Durability): SQLite.Database {
  if (file !== ":memory:") ownerOnlyFolder(dirname(file));
  const sqlite = new SQLite(file);
  if (file !== ":memory:") chmodSync(file, 0o600);
  sqlite.pragma("journal_mode = WAL");
  sqlite.pragma(`synchronous = ${durability === "full" ? "FULL" : "NORMAL"}`);
  sqlite.pragma("busy_timeout = 5000");
  sqlite.pragma("foreign_keys = ON");
  return sqlite;
}

/**
 * SQLite whose transactions take the write lock at their beginning: what they read cannot change before they write. A database that another
 * process writes to is waited for without blocking this one.
 */
export class ImmediateSqliteDialect extends SqliteDialect {
  readonly #database: SQLite.Database;

  constructor(database: SQLite.Database) {
    super({ database });
    this.#database = database;
  }

  override createAdapter(): DialectAdapter {
    return new TransactionalAdapter();
  }

  override createDriver(): Driver {
    this.#database.pragma("busy_timeout = 0");
    return new ImmediateDriver({ database: this.#database });
  }
}

/** All migrations run in one transaction, so that neither a crash nor a second process meets a schema that is half new. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class ImmediateDriver extends SqliteDriver {
  #connection: PatientConnection | null = null;

  override async acquireConnection(): Promise<DatabaseConnection> {
    // There is one connection, and one holder of it at a time.
    const connection = await super.acquireConnection();
    this.#connection ??= new PatientConnection(connection);
    return this.#connection;
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }
}

/** For how long another writer is waited for, and how often one looks. */
const PATIENCE: Milliseconds = 5_000;
const LOOK_AGAIN: Milliseconds = 4;

class PatientConnection implements DatabaseConnection {
  readonly #inner: DatabaseConnection;

  constructor(inner: DatabaseConnection) {
    this.#inner = inner;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const giveUp = performance.now() + PATIENCE;
    for (;;) {
      try {
        return await this.#inner.executeQuery<R>(query);
      } catch (error) {
        const busy = error instanceof SQLite.SqliteError && error.code.startsWith("SQLITE_BUSY");
        if (!busy || performance.now() >= giveUp) throw error;
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
      }
    }
  }

  streamQuery<R>(query: CompiledQuery, chunkSize?: number): AsyncIterableIterator<QueryResult<R>> {
    return this.#inner.streamQuery<R>(query, chunkSize);
  }
}
