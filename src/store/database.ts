import { type Dialect, Kysely, type Migration, Migrator, PostgresAdapter } from "kysely";
import { Fence } from "./fence.ts";
import { isPostgresUrl, openPool, SingleWriterPostgresDialect, withoutPassword } from "./postgres.ts";
import { type Durability, ImmediateSqliteDialect, openSqlite } from "./sqlite.ts";

export { type Durability, openSqlite, ownerOnlyFolder } from "./sqlite.ts";

/**
 * Brings the schema of a database up to date.
 *
 * @param place the file or address, for messages
 * @throws when a migration fails; the message names the migration and the place.
 */
export async function migrate<Tables>(
  dialect: Dialect,
  place: string,
  migrations: Readonly<Record<string, Migration>>,
): Promise<Kysely<Tables>> {
  const db = new Kysely<Tables>({ dialect });
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => ({ ...migrations }) },
    // Each concept numbers its own.
    allowUnorderedMigrations: true,
  });
  let { error, results } = await migrator.migrateToLatest();
  // Another process may have made the migrator's own tables at the same moment: then a second look finds them.
  if (error) ({ error, results } = await migrator.migrateToLatest());
  if (error) {
    const failed = results?.find((result) => result.status === "Error")?.migrationName;
    await db.destroy();
    const what = failed ? `Migration ${failed} failed on ${place}` : `${place} cannot be opened`;
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  return db;
}

/** Opens a SQLite file, `:memory:`, or a PostgreSQL by its `postgres://` address, and brings its schema up to date. On PostgreSQL, what a leader writes passes the fence. */
export function openDatabase<Tables>(
  place: string,
  migrations: Readonly<Record<string, Migration>>,
  durability: Durability,
  fence: Fence = new Fence(),
): Promise<Kysely<Tables>> {
  return isPostgresUrl(place)
    ? migrate<Tables>(new SingleWriterPostgresDialect(openPool(place), fence), withoutPassword(place), migrations)
    : migrate<Tables>(new ImmediateSqliteDialect(openSqlite(place, durability)), place, migrations);
}

/** For the few words of a migration in which the two differ. */
export const onPostgres = (db: Kysely<unknown>): boolean => db.getExecutor().adapter instanceof PostgresAdapter;
