import { join } from "node:path";
import type { Config } from "../config.ts";
import { type Core, openCore } from "../core.ts";
import { DEMO_ENVIRONMENT, readDemo } from "../demo/index.ts";
import { wallClock } from "../domain/time.ts";
import { closeStores, openStores, type Stores } from "../stores.ts";
import { openTargets } from "../wiring/outbound.ts";

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Opens what is stored here for one command, beside a running Vigil or without one. */
export async function withCore<T>(config: Config, work: (core: Core, stores: Stores) => Promise<T>): Promise<T> {
  const stores = await openStores(config);
  const demo = config.demo.enabled ? readDemo(join(stores.folder, "demo")) : null;
  const latest = await stores.telemetry.latest();
  // A stopped demo's clock stands where its telemetry ends.
  const clock = demo && latest !== null ? { now: () => latest, speed: 1 } : wallClock;
  const targets = openTargets(config, clock, demo && { ...demo, environment: DEMO_ENVIRONMENT });
  const core = await openCore(config, stores, clock, targets, silent);
  try {
    return await work(core, stores);
  } finally {
    await core.close();
    await closeStores(stores);
  }
}
