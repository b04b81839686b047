import { AsyncLocalStorage } from "node:async_hooks";
import type { Kysely, Transaction } from "kysely";

interface Waiting<Tables> {
  readonly work: (transaction: Transaction<Tables>) => Promise<unknown>;
  readonly done: (value: unknown) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Writes that arrive together share one transaction: a durable commit waits for the disk, and one wait then serves them all. Each is on disk
 * when its promise resolves. One that fails does not take the others with it.
 */
export class GroupCommit<Tables> {
  readonly #db: Kysely<Tables>;
  /** A batch belongs to no one of those who share it, so it runs as none of them. */
  readonly #forAll = AsyncLocalStorage.snapshot();
  #waiting: Waiting<Tables>[] = [];
  #timer: NodeJS.Timeout | null = null;
  #dueAt = Number.POSITIVE_INFINITY;
  #running: Promise<void> | null = null;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  /** `patience` in milliseconds: how long this write may wait for company. */
  run<T>(work: (transaction: Transaction<Tables>) => Promise<T>, patience = 0): Promise<T> {
    return new Promise<T>((done, failed) => {
      this.#waiting.push({ work, done: done as (value: unknown) => void, failed });
      this.#schedule(Date.now() + patience);
    });
  }

  #schedule(at: number): void {
    if (at >= this.#dueAt || this.#running) return;
    if (this.#timer) clearTimeout(this.#timer);
    this.#dueAt = at;
    this.#timer = setTimeout(() => this.#forAll(() => this.#flush()), Math.max(0, at - Date.now()));
  }

  #flush(): void {
    this.#timer = null;
    this.#dueAt = Number.POSITIVE_INFINITY;
    const batch = this.#waiting;
    this.#waiting = [];
    this.#running = this.#commit(batch).finally(() => {
      this.#running = null;
      if (this.#waiting.length > 0) this.#schedule(Date.now());
    });
  }

  async #commit(batch: readonly Waiting<Tables>[]): Promise<void> {
    try {
      const values = await this.#db.transaction().execute(async (transaction) => {
        const all: unknown[] = [];
        for (const { work } of batch) all.push(await work(transaction));
        return all;
      });
      for (const [index, { done }] of batch.entries()) done(values[index]);
    } catch (error) {
      const [only] = batch;
      if (batch.length === 1) only?.failed(error);
      // Nothing of the batch was written; each tries alone.
      else for (const one of batch) await this.#commit([one]);
    }
  }
}
