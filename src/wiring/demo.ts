import { join } from "node:path";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { type DemoHandle, type DemoOptions, type ShopNames, startDemo } from "../demo/index.ts";
import type { Stores } from "../stores.ts";
import type { Progress } from "./progress.ts";

export interface DemoParts {
  readonly config: Config;
  readonly stores: Stores;
  /** Where the shop sends its telemetry. */
  readonly receiverUrl: string;
  readonly names: ShopNames | undefined;
  readonly progress: Progress;
  readonly log: Logger;
}

/** Starts the demo shop when it is on. */
export async function openDemo({ config, stores, receiverUrl, names, progress, log }: DemoParts): Promise<DemoHandle | null> {
  const { demo } = config;
  if (!demo.enabled) return null;
  return startDemo({
    folder: join(stores.folder, "demo"),
    receiverUrl,
    speed: demo.speed,
    historyDays: demo.historyDays,
    seed: demo.seed,
    daysBack: demo.daysBack,
    metricsPort: demo.metricsPort ?? null,
    sendMetrics: config.metrics.kind === "embedded",
    unleash: unleashOfDemo(config),
    ...(names ? { names } : {}),
    resumeFrom: await stores.telemetry.latest(),
    onProgress: (done, total) => {
      progress.current = { what: `loading ${demo.historyDays} days of history`, done, total };
    },
    onFailure: (error) => log.error({ error }, "the demo shop failed"),
  });
}

/** The demo shop reads its flags from the Unleash that is configured, when it is given a token of its own. */
function unleashOfDemo({ demo, flags }: Config): DemoOptions["unleash"] {
  const { kind, url, token, project, environment } = flags;
  if (kind !== "unleash" || !demo.unleashClientToken || !url || !token) return null;
  return { url, token, clientToken: demo.unleashClientToken, project, environment };
}
