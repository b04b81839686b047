import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import SQLite from "better-sqlite3";
import { Kysely, type Migration, Migrator, SqliteDialect } from "kysely";

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
 * Brings the schema of an open database up to date.
 *
 * @throws when a migration fails; the message names the migration and the file.
 */
export async function migrate<Tables>(
  sqlite: SQLite.Database,
  migrations: Readonly<Record<string, Migration>>,
): Promise<Kysely<Tables>> {
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: sqlite }) });
  const { error, results } = await new Migrator({
    db,
    provider: { getMigrations: async () => ({ ...migrations }) },
  }).migrateToLatest();
  if (error) {
    const failed = results?.find((result) => result.status === "Error")?.migrationName ?? "unknown";
    await db.destroy();
    throw new Error(`Migration ${failed} failed on ${sqlite.name}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  return db;
}

/** Opens a SQLite file (or `:memory:`) and brings its schema up to date. */
export function openDatabase<Tables>(
  file: string,
  migrations: Readonly<Record<string, Migration>>,
  durability: Durability,
): Promise<Kysely<Tables>> {
  return migrate<Tables>(openSqlite(file, durability), migrations);
}
