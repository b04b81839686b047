import { lock } from "proper-lockfile";
import { type Milliseconds, SECOND } from "../domain/time.ts";

export interface FolderLockOptions {
  /** Another process has taken the folder while this one was stopped: whatever this one does from now on may collide with it. */
  readonly lost: () => void;
  /** Without a sign of life for so long, a holder counts as gone. */
  readonly stale?: Milliseconds;
  /** For how many seconds one that may be gone is waited for. */
  readonly patience?: number;
}

/**
 * Holds a folder for this process alone; resolves with how to let go. A process that was stopped for long, as on a machine that slept, takes the
 * folder again when it wakes, unless somebody else has.
 *
 * @throws when another process holds it
 */
export async function holdFolder(
  folder: string,
  { lost, stale = 10 * SECOND, patience = 12 }: FolderLockOptions,
): Promise<() => Promise<void>> {
  const hold = (retries: number): Promise<() => Promise<void>> =>
    lock(folder, {
      stale,
      update: stale / 5,
      retries: { retries, minTimeout: 1_000, maxTimeout: 1_000 },
      onCompromised: () => {
        held = hold(0).catch(() => {
          lost();
          return async () => undefined;
        });
      },
    });
  let held = hold(patience);
  await held;
  return async () => (await held)();
}
