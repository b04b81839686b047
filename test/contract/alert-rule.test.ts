import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config.ts";
import { PrometheusMetrics } from "../../src/sources/prometheus/index.ts";
import { PRESETS, redTemplate } from "../../src/sources/prometheus/presets.ts";
import { AlertRepository } from "../../src/store/alerts.ts";
import { InvestigationRepository } from "../../src/store/investigations.ts";
import { openStateDatabase, type StateDatabase } from "../../src/store/state.ts";
import { freePort } from "../e2e/app.ts";
import { installed, type RunningServer, startAlertmanager, startPrometheus } from "../support/servers.ts";

const TOKEN = "alertmanager-shows-this";
const versions = [installed("prometheus"), installed("prometheus-alertmanager")];
const REQUESTS = "http_server_request_duration_seconds_count";

/** The demo shop's /metrics, scraped by a real Prometheus, whose rule fires through a real Alertmanager. */
describe.skipIf(versions.includes(null))(`a rule in a real Prometheus ${versions.join(" and Alertmanager ")}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "vigil-rule-"));
  const servers: RunningServer[] = [];
  let app: App;
  let db: StateDatabase;
  let prometheus: RunningServer;

  beforeAll(async () => {
    const metricsPort = await freePort();
    const config = join(folder, "vigil.yaml");
    writeFileSync(
      config,
      JSON.stringify({
        dataDir: join(folder, "state"),
        logLevel: "silent",
        server: { port: 0 },
        knowledge: { folders: [] },
        // Too little history for Vigil's own watch: only the alert can open anything.
        demo: { enabled: true, historyDays: 0.02, scenario: "none", metricsPort },
        webhooks: { alertmanager: { token: TOKEN } },
      }),
    );
    app = await startApp(loadConfig({ VIGIL_CONFIG: config }));
    await app.ready;
    db = await openStateDatabase(join(folder, "state/vigil.db"));
    const alertmanager = await startAlertmanager(folder, { url: `${app.url}/v1/alerts/alertmanager`, token: TOKEN });
    servers.push(alertmanager);
    prometheus = await startPrometheus(folder, {
      config: {
        global: { scrape_interval: "500ms", scrape_timeout: "500ms", evaluation_interval: "500ms" },
        scrape_configs: [{ job_name: "shop", honor_labels: true, static_configs: [{ targets: [`127.0.0.1:${metricsPort}`] }] }],
        alerting: { alertmanagers: [{ static_configs: [{ targets: [new URL(alertmanager.url).host] }] }] },
      },
      rules: {
        groups: [
          {
            name: "shop",
            rules: [
              {
                alert: "FailedRequests",
                expr: `sum by (job) (rate(${REQUESTS}{http_response_status_code="500"}[10s])) / sum by (job) (rate(${REQUESTS}[10s])) > 0.03`,
                labels: { severity: "critical", service: "{{ $labels.job }}" },
                annotations: { summary: "{{ $value | humanizePercentage }} of requests fail" },
              },
            ],
          },
        ],
      },
    });
    servers.push(prometheus);
  }, 90_000);

  afterAll(async () => {
    for (const server of servers) await server.stop();
    await db?.destroy();
    await app?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("opens an investigation of the failing service, and closes its incident when the rule is content again", async () => {
    const investigations = new InvestigationRepository(db);
    expect(await investigations.list()).toEqual([]);
    await app.demo?.play("bad-deploy");
    const alerts = new AlertRepository(db);
    const firing = async () => (await alerts.firing()).map(({ service }) => service);
    await expect.poll(firing, { timeout: 120_000, interval: 250 }).toContain("checkout");
    await expect.poll(async () => (await investigations.list())[0]?.trigger).toBe("alert");
    const [investigation] = await investigations.list();
    expect(investigation?.question).toMatch(/^Alert from alertmanager: FailedRequests on \w+\. [\d.]+% of requests fail/);
    await app.demo?.play("reset");
    await expect.poll(firing, { timeout: 120_000, interval: 250 }).toEqual([]);
    await expect.poll(async () => (await investigations.unresolvedIncidents()).length).toBe(0);
  }, 360_000);

  it("requests that the buckets remember are read as exemplars", async () => {
    const source = new PrometheusMetrics({
      url: prometheus.url,
      templates: PRESETS.opentelemetry.map(redTemplate),
      scrapeInterval: 500,
      timeout: 10_000,
      now: Date.now,
    });
    const range = { from: Date.now() - 60_000, to: Date.now() + 1_000 };
    await expect.poll(() => source.exemplars({ service: "api", ...range, limit: 3 })).toHaveLength(3);
    const [slowest, second] = await source.exemplars({ service: "api", ...range, limit: 3 });
    expect(slowest?.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(slowest?.value).toBeGreaterThanOrEqual(second?.value ?? Number.NaN);
  });
});
