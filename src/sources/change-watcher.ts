import type { ChangeEvent } from "../domain/telemetry.ts";
import type { EpochMs, Milliseconds } from "../domain/time.ts";

/** Where a watcher remembers what it has seen; JSON values. */
export interface Cursor<T> {
  load(): Promise<T | null>;
  save(cursor: T): Promise<void>;
}

export interface ChangeWatcher {
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

  const look = async () => {
    const found = await options.look(await options.cursor.load());
    if (!found) return;
    if (found.changes.length > 0) await options.sink(found.changes);
    await options.cursor.save(found.cursor);
  };
  const loop = () => {
    busy = busy.then(look).catch(options.onError);
    void busy.then(() => {
      if (running) timer = setTimeout(loop, options.every);
    });
  };
  return {
    look: () => {
      busy = busy.then(look);
      return busy;
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
