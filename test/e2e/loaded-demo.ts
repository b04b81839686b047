import { cpSync, existsSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lock } from "proper-lockfile";
import { startVigil } from "./app.ts";

/** Days of history that the stories need: a baseline that knows each day of the week. The demo itself loads two weeks. */
export const HISTORY_DAYS = 8;

/**
 * Makes `folder` the data folder of a Vigil with the demo that has loaded its history and its documents, has seen nothing happen, and was
 * stopped. Loading costs 40 seconds of a processor: whoever asks first in a run does it, the others wait and get copies of it.
 */
export async function loadedDemo(folder: string): Promise<void> {
  const kept = join(tmpdir(), "vigil-loaded-demo");
  const release = await lock(tmpdir(), {
    lockfilePath: `${kept}.lock`,
    stale: 60_000,
    retries: { retries: 1_200, factor: 1, minTimeout: 500, maxTimeout: 500 },
  });
  try {
    if (!existsSync(kept)) {
      const vigil = await startVigil(`${kept}-by-${process.pid}`, { VIGIL_DEMO_HISTORY_DAYS: String(HISTORY_DAYS) });
      await vigil.ready().finally(() => vigil.stop());
      renameSync(vigil.folder, kept);
    }
  } finally {
    await release();
  }
  cpSync(kept, folder, { recursive: true });
}
