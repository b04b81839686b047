import { join } from "node:path";
import type { Config } from "../config.ts";
import { type Core, closeStores, openCore, openStores } from "../core.ts";
import { DEMO_ENVIRONMENT, readDemo } from "../demo/index.ts";
import { wallClock } from "../domain/time.ts";

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Opens what is stored here for one command, beside a running Vigil or without one. */
export async function withCore<T>(config: Config, work: (core: Core) => Promise<T>): Promise<T> {
  const stores = await openStores(config);
  const demo = config.demo.enabled ? readDemo(join(stores.folder, "demo")) : null;
  const places = demo
    ? { flagFile: demo.flagFile, repository: demo.repository, environment: DEMO_ENVIRONMENT }
    : { flagFile: config.flags.file ?? null, repository: config.deploys.repository ?? null, environment: "production" };
  const latest = await stores.telemetry.latest();
  // A stopped demo's clock stands where its telemetry ends.
  const clock = demo && latest !== null ? { now: () => latest, speed: 1 } : wallClock;
  const core = await openCore(config, stores, clock, places, silent);
  try {
    return await work(core);
  } finally {
    await core.close();
    await closeStores(stores);
  }
}
