import type { ChangeEvent } from "../domain/telemetry.ts";
import type { EpochMs, Milliseconds } from "../domain/time.ts";

/** Where a watcher remembers what it has seen; JSON values. */
export interface Cursor<T> {
  load(): Promise<T | null>;
  save(cursor: T): Promise<void>;
}

export interface ChangeWatcher {
  /** Why the last look failed, in the operator's words; null when it did not. */
  readonly fault: string | null;
  /** Looks once now; resolves when everything seen so far has been handed on. */
  look(): Promise<void>;
  start(): void;
  stop(): Promise<void>;
}

/** What every watcher of a place needs besides the place. */
export interface Watching<T, C extends ChangeEvent = ChangeEvent> {
  readonly now: () => EpochMs;
  readonly every: Milliseconds;
  readonly cursor: Cursor<T>;
  readonly sink: (changes: readonly C[]) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/**
 * Polls a place for changes. Events are handed on before the cursor is saved, and their ids are deterministic, so that a crash in between
 * repeats an event, which the store drops, rather than losing one.
 */
export function pollingWatcher<T, C extends ChangeEvent = ChangeEvent>(
  options: Omit<Watching<T, C>, "now"> & {
    readonly look: (since: T | null) => Promise<{ readonly changes: readonly C[]; readonly cursor: T } | null>;
  },
): ChangeWatcher {
  let timer: NodeJS.Timeout | null = null;
  let busy: Promise<void> = Promise.resolve();
  let running = false;
  let fault: string | null = null;

  const look = async () => {
    try {
      const found = await options.look(await options.cursor.load());
      if (found && found.changes.length > 0) await options.sink(found.changes);
      if (found) await options.cursor.save(found.cursor);
      fault = null;
    } catch (error) {
      fault = error instanceof Error ? error.message : String(error);
      throw error;
    }
  };
  const loop = () => {
    busy = busy.then(look).catch(options.onError);
    void busy.then(() => {
      if (running) timer = setTimeout(loop, options.every);
    });
  };
  return {
    get fault() {
      return fault;
    },
    look: () => {
      const looked = busy.then(look);
      busy = looked.catch(() => undefined);
      return looked;
    },
    start: () => {
      running = true;
      loop();
    },
    stop: async () => {
      running = false;
      if (timer) clearTimeout(timer);
      await busy;
    },
  };
}
