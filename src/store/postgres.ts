import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  PostgresDialect,
  PostgresDriver,
  type TransactionSettings,
} from "kysely";
import pg from "pg";
import type { Milliseconds } from "../domain/time.ts";
import { type Fence, FencedConnection } from "./fence.ts";

const CONNECTIONS = 8;
const PATIENCE: Milliseconds = 10_000;
/** Any number that nobody else in this database uses for advisory locks; this one spells "vigil". */
const WRITERS = 0x76_69_67_69_6c;
const INT8 = 20;

/** Whether a place of state is a PostgreSQL and not a file. */
export const isPostgresUrl = (place: string): boolean => /^postgres(ql)?:\/\//.test(place);

/** Connection string without its password, for messages. */
export function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url);
    if (parsed.password) parsed.password = "***";
    return parsed.toString();
  } catch {
    return "the PostgreSQL of state.url";
  }
}

/** A pool that gives up after ten seconds instead of hanging, and reads 64-bit integers as numbers: ours are counts and milliseconds. */
export function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS,
    connectionTimeoutMillis: PATIENCE,
    statement_timeout: PATIENCE,
    lock_timeout: PATIENCE,
    idle_in_transaction_session_timeout: PATIENCE,
    application_name: "vigil",
    types: {
      getTypeParser: ((oid: number, format?: "text" | "binary") =>
        oid === INT8 ? Number : pg.types.getTypeParser(oid, format as "text")) as typeof pg.types.getTypeParser,
    },
  });
  // A connection that breaks is replaced by the pool, and what was being asked on it fails; without listeners it would end the process. It
  // breaks in the middle of a transaction, too: the server ends one whose process was stopped for long.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}

/**
 * PostgreSQL whose transactions run one after the other, as SQLite's do: each begins with one advisory lock, which it holds to its end. What
 * a transaction reads can therefore not change before it writes, whichever replica it runs in. Vigil writes little; being right matters more.
 */
export class SingleWriterPostgresDialect extends PostgresDialect {
  readonly #pool: pg.Pool;
  readonly #fence: Fence;

  constructor(pool: pg.Pool, fence: Fence) {
    super({ pool });
    this.#pool = pool;
    this.#fence = fence;
  }

  override createDriver(): Driver {
    return new SingleWriterDriver(this.#pool, this.#fence);
  }
}

class SingleWriterDriver extends PostgresDriver {
  readonly #fence: Fence;

  constructor(pool: pg.Pool, fence: Fence) {
    super({ pool });
    this.#fence = fence;
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    return new FencedConnection(await super.acquireConnection(), this.#fence);
  }

  override async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    const inner = innerOf(connection);
    await super.beginTransaction(inner, settings);
    try {
      await inner.executeQuery(CompiledQuery.raw("select pg_advisory_xact_lock($1)", [WRITERS]));
      if (connection instanceof FencedConnection) await connection.begun();
    } catch (error) {
      // Nobody else ends a transaction whose beginning failed, and the connection goes back to the pool.
      await this.rollbackTransaction(connection);
      throw error;
    }
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await super.commitTransaction(innerOf(connection));
    if (connection instanceof FencedConnection) connection.ended();
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await super.rollbackTransaction(innerOf(connection));
    if (connection instanceof FencedConnection) connection.ended();
  }

  override releaseConnection(connection: DatabaseConnection): Promise<void> {
    return super.releaseConnection(innerOf(connection));
  }
}

/** What the driver itself takes back; it hands out the same as a plainer type. */
type OwnConnection = Parameters<PostgresDriver["releaseConnection"]>[0];

const innerOf = (connection: DatabaseConnection): OwnConnection =>
  (connection instanceof FencedConnection ? connection.inner : connection) as OwnConnection;
