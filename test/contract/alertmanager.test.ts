import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config.ts";
import { AlertRepository } from "../../src/store/alerts.ts";
import { InvestigationRepository } from "../../src/store/investigations.ts";
import { openStateDatabase, type StateDatabase } from "../../src/store/state.ts";
import { emptyFile } from "../support/empty-file.ts";
import { installed, type RunningServer, startAlertmanager } from "../support/servers.ts";

const TOKEN = "alertmanager-shows-this";

const version = installed("prometheus-alertmanager");

describe.skipIf(version === null)(`a real Alertmanager ${version ?? ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "vigil-alertmanager-"));
  let server: RunningServer;
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
        knowledge: { folders: [], catalog: emptyFile(folder) },
        webhooks: { alertmanager: { token: TOKEN } },
      }),
    );
    app = await startApp(loadConfig({ VIGIL_CONFIG: config }, folder));
    await app.ready;
    db = await openStateDatabase(join(folder, "state/vigil.db"));

    server = await startAlertmanager(folder, { url: `${app.url}/v1/alerts/alertmanager`, token: TOKEN });
  });

  afterAll(async () => {
    await server?.stop();
    await db?.destroy();
    await app?.close();
  });

  const labels = { alertname: "CheckoutErrors", service: "till", severity: "critical" };
  const post = async (alerts: unknown[]) => {
    const answer = await fetch(`${server.url}/api/v2/alerts`, {
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
    await expect.poll(async () => (await store.list()).length).toBe(1);
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
      const metrics = await (await fetch(`${server.url}/metrics`)).text();
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
    await expect.poll(async () => (await store.unresolvedIncidents()).length).toBe(0);
    expect(await new AlertRepository(db).firing()).toEqual([]);
    const failed = /alertmanager_notifications_failed_total\{integration="webhook"[^}]*\} (\d+)/;
    expect(Number(failed.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1] ?? 0)).toBe(0);
  });
});
