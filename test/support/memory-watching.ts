import type { IncomingChange } from "../../src/flows/changes.ts";
import type { Watching } from "../../src/sources/change-watcher.ts";

/** Everything a watcher needs, in memory; `taken` is what it handed on. */
export function memoryWatching<T>(now: () => number = () => Date.now()) {
  const taken: IncomingChange[] = [];
  const state: { cursor: T | null; failed: unknown } = { cursor: null, failed: null };
  const watching: Watching<T, IncomingChange> = {
    now,
    every: 60_000,
    cursor: {
      load: async () => state.cursor,
      // As a database would give it back.
      save: async (cursor) => {
        state.cursor = JSON.parse(JSON.stringify(cursor)) as T;
      },
    },
    sink: async (changes) => {
      taken.push(...changes);
    },
    onError: (error) => {
      state.failed = error;
    },
  };
  return { taken, state, watching };
}
