import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type App, startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config.ts";
import { AlertRepository } from "../../src/store/alerts.ts";
import { InvestigationRepository } from "../../src/store/investigations.ts";
import { openStateDatabase, type StateDatabase } from "../../src/store/state.ts";
import { freePort } from "../e2e/app.ts";

const BINARY = "prometheus-alertmanager";
const TOKEN = "alertmanager-shows-this";

/** The version of the server, or null when it is not installed. On CI it must be. */
function installed(): string | null {
  try {
    return /version ([\d.]+)/.exec(execFileSync(BINARY, ["--version"], { encoding: "utf8" }))?.[1] ?? "unknown";
  } catch (error) {
    if (process.env.CI === "true") throw new Error(`${BINARY} is missing; .ci/run installs it`, { cause: error });
    process.stderr.write(`SKIPPED: the contract with a real Alertmanager. Install it: apt-get install ${BINARY}\n`);
    return null;
  }
}

const version = installed();

describe.skipIf(version === null)(`a real Alertmanager ${version ?? ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "vigil-alertmanager-"));
  let server: ChildProcess;
  let url = "";
  let app: App;
  let db: StateDatabase;

  beforeAll(async () => {
    const config = join(folder, "vigil.yaml");
    writeFileSync(
      config,
      JSON.stringify({
        dataDir: join(folder, "state"),
        logLevel: "silent",
        server: { port: 0 },
        knowledge: { folders: [], catalog: join(folder, "none.yaml") },
        webhooks: { alertmanager: { token: TOKEN } },
      }),
    );
    app = await startApp(loadConfig({ VIGIL_CONFIG: config }, folder));
    await app.ready;
    db = await openStateDatabase(join(folder, "state/vigil.db"));

    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const file = join(folder, "alertmanager.json");
    writeFileSync(
      file,
      // JSON is YAML.
      JSON.stringify({
        route: { receiver: "vigil", group_by: ["alertname"], group_wait: "200ms", group_interval: "1s", repeat_interval: "1s" },
        receivers: [
          {
            name: "vigil",
            webhook_configs: [
              {
                url: `${app.url}/v1/alerts/alertmanager`,
                send_resolved: true,
                http_config: { authorization: { type: "Bearer", credentials: TOKEN } },
              },
            ],
          },
        ],
      }),
    );
    server = spawn(BINARY, [
      `--config.file=${file}`,
      `--storage.path=${join(folder, "alertmanager")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--cluster.listen-address=",
      "--log.level=error",
    ]);
    const isReady = () =>
      fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    await vi.waitUntil(isReady, { timeout: 20_000, interval: 100 });
  });

  afterAll(async () => {
    server?.kill();
    await db?.destroy();
    await app?.close();
  });

  const labels = { alertname: "CheckoutErrors", service: "till", severity: "critical" };
  const post = async (alerts: unknown[]) => {
    const answer = await fetch(`${url}/api/v2/alerts`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(alerts),
    });
    expect(answer.status).toBe(200);
  };
  const minuteAgo = new Date(Date.now() - 60_000).toISOString();
  const alert = {
    labels,
    annotations: { summary: "one in ten payments fails" },
    startsAt: minuteAgo,
    generatorURL: "http://rules/1",
  };

  it("what it notifies becomes an investigation", async () => {
    await post([alert]);
    const store = new InvestigationRepository(db);
    await expect.poll(async () => (await store.list()).length, { timeout: 15_000 }).toBe(1);
    const [investigation] = await store.list();
    expect(investigation).toMatchObject({
      trigger: "alert",
      question: "Alert from alertmanager: CheckoutErrors on till. one in ten payments fails",
    });
    expect((await store.unresolvedIncidents())[0]).toMatchObject({ services: ["till"], title: "till: CheckoutErrors" });
    const [firing] = await new AlertRepository(db).firing();
    expect(firing).toMatchObject({ fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/), startsAt: Date.parse(minuteAgo) });
  });

  it("repeats, which it sends every second here, open nothing more", async () => {
    const notified = async () => {
      const metrics = await (await fetch(`${url}/metrics`)).text();
      return Number(/alertmanager_notifications_total\{integration="webhook"\} (\d+)/.exec(metrics)?.[1] ?? 0);
    };
    const before = await notified();
    await expect
      .poll(
        async () => {
          await post([alert]);
          return notified();
        },
        { timeout: 15_000, interval: 500 },
      )
      .toBeGreaterThan(before + 1);
    expect(await new InvestigationRepository(db).list()).toHaveLength(1);
  });

  it("an alert that is resolved there closes the incident here", async () => {
    await post([{ ...alert, endsAt: new Date().toISOString() }]);
    const store = new InvestigationRepository(db);
    await expect.poll(async () => (await store.unresolvedIncidents()).length, { timeout: 15_000 }).toBe(0);
    expect(await new AlertRepository(db).firing()).toEqual([]);
    const failed = /alertmanager_notifications_failed_total\{integration="webhook"[^}]*\} (\d+)/;
    expect(Number(failed.exec(await (await fetch(`${url}/metrics`)).text())?.[1] ?? 0)).toBe(0);
  });
});
