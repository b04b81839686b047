import { AsyncLocalStorage } from "node:async_hooks";
import type { CompiledQuery, DatabaseConnection, QueryResult } from "kysely";
import { CompiledQuery as Query } from "kysely";

/** A turn at leading: who, and the how-manieth change of the leader it is. */
export interface FencingToken {
  readonly holder: string;
  readonly token: number;
}

/** A write of a leader whose time is over. Nothing was written. */
export class StaleLeaderError extends Error {
  override readonly name = "StaleLeaderError";

  constructor({ token }: FencingToken) {
    super(`This replica led with token ${token} and does not lead any more; nothing was written`);
  }
}

/**
 * Lets what a leader does write only while it leads. The token travels with the asynchronous work, so that no repository has to hand it on or
 * could forget to; what people do by clicks and questions carries none, and is written by every replica.
 */
export class Fence {
  readonly #current = new AsyncLocalStorage<FencingToken>();

  get token(): FencingToken | null {
    return this.#current.getStore() ?? null;
  }

  run<T>(token: FencingToken, work: () => T): T {
    return this.#current.run(token, work);
  }
}

/** A PostgreSQL connection on which a leader's writes stand or fall with its lease. */
export class FencedConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection;
  readonly #fence: Fence;
  #within = false;

  constructor(inner: DatabaseConnection, fence: Fence) {
    this.inner = inner;
    this.#fence = fence;
  }

  /** A transaction has begun; from now on until its end its own check holds. */
  async begun(): Promise<void> {
    this.#within = true;
    await this.#check();
  }

  ended(): void {
    this.#within = false;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#within || this.#fence.token === null || !writes(query)) return this.inner.executeQuery<R>(query);
    await this.inner.executeQuery(Query.raw("begin"));
    try {
      await this.#check();
      const result = await this.inner.executeQuery<R>(query);
      await this.inner.executeQuery(Query.raw("commit"));
      return result;
    } catch (error) {
      await this.inner.executeQuery(Query.raw("rollback"));
      throw error;
    }
  }

  streamQuery<R>(query: CompiledQuery, chunkSize?: number): AsyncIterableIterator<QueryResult<R>> {
    return this.inner.streamQuery<R>(query, chunkSize);
  }

  /** Keeps the lease from changing hands until the transaction ends. It may have run out: while nobody took it, nobody else leads. */
  async #check(): Promise<void> {
    const { token } = this.#fence;
    if (token === null) return;
    const held = await this.inner.executeQuery(
      Query.raw("select 1 from leaders where holder = $1 and token = $2 for share", [token.holder, token.token]),
    );
    if (held.rows.length === 0) throw new StaleLeaderError(token);
  }
}

const READS = new Set(["SelectQueryNode"]);

/** Whatever is not plainly a question counts as a write. */
const writes = ({ query, sql }: CompiledQuery): boolean =>
  query.kind === "RawNode" ? !/^\s*(select|show)\b/i.test(sql) : !READS.has(query.kind);
