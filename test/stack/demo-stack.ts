import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HARMFUL_DESCRIPTION } from "../../src/demo/flags.ts";
import { DEFAULT_NAMES, demoStart } from "../../src/demo/index.ts";
import { DAY } from "../../src/domain/time.ts";
import { freePort, type RunningVigil, startVigil } from "../e2e/app.ts";
import { type RunningServer, startPrometheus } from "../support/servers.ts";
import { startUnleash, type UnleashServer } from "../support/unleash-server.ts";
import { metricHistory } from "./metric-history.ts";

export interface DemoStack {
  readonly vigil: RunningVigil;
  readonly prometheus: RunningServer;
  readonly unleash: UnleashServer;
  /** Share of the harmful flag that Unleash itself tells, in per cent. */
  share(): Promise<number>;
  stop(): Promise<void>;
}

/** The demo's clock runs faster than the wall's, and Prometheus takes no samples of the future: the demo lives in the past. */
const DAYS_BACK = 3;
const SEED = 247;
const WEBHOOK_TOKEN = "unleash-shows-this";

/**
 * The demo with real systems around it: a real Prometheus scrapes the shop and is all that Vigil knows of metrics (the past is loaded with
 * promtool), a real Unleash on a real PostgreSQL holds the flags for the shop's SDK and for Vigil, and tells Vigil of changes by its own
 * webhook. Logs and traces come by OTLP. No Alertmanager.
 */
export async function startDemoStack(
  folder: string,
  options: {
    readonly historyDays: number;
    readonly scenario: "flag" | "none";
    readonly say?: (line: string) => void;
    /** Ends the start at its next step; what runs by then is stopped. */
    readonly signal?: AbortSignal;
  },
): Promise<DemoStack> {
  const step = (line: string) => {
    options.signal?.throwIfAborted();
    options.say?.(line);
  };
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  try {
    mkdirSync(folder, { recursive: true });
    const names = DEFAULT_NAMES;
    const start = demoStart(Date.now()) - DAYS_BACK * DAY;
    const metricsPort = await freePort();
    step(`loading ${options.historyDays} days of metrics into Prometheus`);
    const prometheus = await startPrometheus(folder, {
      history: metricHistory({ names, seed: SEED, from: start - options.historyDays * DAY, to: start }),
      config: {
        global: { scrape_interval: "500ms", scrape_timeout: "500ms" },
        // Prometheus stamps its own `up` with the wall clock; the shop's samples are older than that.
        storage: { tsdb: { out_of_order_time_window: "10d" } },
        scrape_configs: [
          {
            job_name: "shop",
            honor_labels: true,
            params: { time: ["demo"] },
            static_configs: [{ targets: [`127.0.0.1:${metricsPort}`] }],
          },
        ],
      },
    });
    stops.push(() => prometheus.stop());

    step("starting Unleash on PostgreSQL");
    const unleash = await startUnleash();
    stops.push(() => unleash.stop());
    await unleash.createFlag(names.harmfulFlag, 1, { description: HARMFUL_DESCRIPTION });
    for (const [at, flag] of names.decoyFlags.entries()) await unleash.createFlag(flag, [50, 100, 20][at] ?? 10);
    await unleash.admin("POST", "tag-types", { name: "service", description: "reads the flag", icon: "S" });
    await unleash.admin("POST", `features/${names.harmfulFlag}/tags`, { type: "service", value: names.services.catalog });

    step("starting Vigil");
    const config = join(folder, "vigil.yaml");
    const { url, adminToken, clientToken, project, environment } = unleash;
    writeFileSync(
      config,
      JSON.stringify({
        metrics: { kind: "prometheus", url: prometheus.url, presets: ["opentelemetry"], scrapeSeconds: 30 },
        flags: { kind: "unleash", url, token: adminToken, project, environment },
        webhooks: { unleash: { token: WEBHOOK_TOKEN }, services: { [names.harmfulFlag]: [names.services.catalog] } },
        telemetry: { retentionDays: options.historyDays },
        demo: {
          enabled: true,
          speed: 60,
          // Of logs and traces; six hours is all that the demo ever loads of them.
          historyDays: 0.25,
          daysBack: DAYS_BACK,
          seed: SEED,
          metricsPort,
          unleashClientToken: clientToken,
        },
      }),
    );
    const vigil = await startVigil(join(folder, "state"), { VIGIL_CONFIG: config, VIGIL_DEMO_SCENARIO: options.scenario });
    stops.push(() => vigil.stop());
    await unleash.admin("POST", "addons", {
      provider: "webhook",
      description: "tells Vigil",
      enabled: true,
      parameters: { url: `${vigil.url}/v1/changes/unleash`, authorization: `Bearer ${WEBHOOK_TOKEN}` },
      events: ["feature-strategy-update", "feature-environment-enabled", "feature-environment-disabled"],
      projects: [],
      environments: [],
    });
    const share = async () => {
      const path = `projects/${project}/features/${names.harmfulFlag}/environments/${environment}/strategies`;
      const [strategy] = (await unleash.admin("GET", path)) as { parameters: { rollout: string } }[];
      return Number(strategy?.parameters.rollout);
    };
    options.signal?.throwIfAborted();
    return { vigil, prometheus, unleash, share, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
