import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { DAY, HOUR, MINUTE, SECOND } from "../../src/domain/time.ts";
import { Investigator } from "../../src/flows/investigate.ts";
import { Watcher } from "../../src/flows/watch.ts";
import { PrometheusMetrics } from "../../src/sources/prometheus/index.ts";
import { PRESETS, redTemplate } from "../../src/sources/prometheus/presets.ts";
import { FeedbackRepository } from "../../src/store/feedback.ts";
import { InvestigationRepository } from "../../src/store/investigations.ts";
import { openStateDatabase } from "../../src/store/state.ts";
import { report } from "../support/domain-samples.ts";
import { scrapes } from "../support/prometheus-history.ts";
import { RecordingChannel } from "../support/recording-channel.ts";
import { installed, type RunningServer, startPrometheus } from "../support/servers.ts";

const folder = mkdtempSync(join(tmpdir(), "vigil-vanished-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const quiet = pino({ level: "silent" });
const templates = PRESETS.opentelemetry.map(redTemplate);
const prometheus = installed("prometheus");

/** Serves what a service exposes. */
async function exposed() {
  let count = 0;
  const server = createServer((_, response) => {
    count += 10;
    response.setHeader("content-type", "text/plain");
    response.end(
      `# TYPE http_server_request_duration_seconds histogram\nhttp_server_request_duration_seconds_bucket{le="+Inf"} ${count}\nhttp_server_request_duration_seconds_count ${count}\nhttp_server_request_duration_seconds_sum ${count / 10}\n`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    target: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

describe.skipIf(prometheus === null)(`what vanishes from a real Prometheus ${prometheus ?? ""}`, () => {
  const now = Date.UTC(2026, 2, 6, 12);
  let history: RunningServer;
  beforeAll(async () => {
    const services = ["front", "stock", "mail"];
    history = await startPrometheus(folder, {
      history: scrapes({
        services,
        from: now - 9 * DAY,
        to: now + 2 * HOUR,
        every: MINUTE,
        happenings: [{ service: "stock", from: now + 10 * MINUTE, to: now + DAY, unseen: true }],
        fillsFrom: now,
        fillsEvery: DAY,
      }),
    });
  });
  afterAll(() => history?.stop());

  it("is told as no data, once; and a Prometheus that does not answer as one blindness, which ends", async () => {
    let at = now;
    const db = await openStateDatabase(":memory:");
    const store = new InvestigationRepository(db);
    const channel = new RecordingChannel();
    const source = (url: string) =>
      new PrometheusMetrics({ url, templates, scrapeInterval: MINUTE, timeout: 5_000, now: () => at });
    let metrics = source(history.url);
    const investigator = new Investigator({
      store,
      feedback: new FeedbackRepository(db),
      agent: { investigate: async () => report({}), answer: () => Promise.reject(new Error("not asked")) },
      channel,
      picture: async () => null,
      now: () => at,
      log: quiet,
    });
    const watcher = new Watcher({
      metrics: {
        services: () => metrics.services(),
        metrics: (service) => metrics.metrics(service),
        query: (query) => metrics.query(query),
        red: (query) => metrics.red(query),
      },
      changes: { changes: async () => [] },
      graph: async () => ({ nodes: ["front", "stock", "mail"], edges: [] }),
      latest: () => metrics.latest(),
      store,
      memory: store,
      investigator,
      channel,
      clock: { now: () => at, speed: 1 },
      wall: () => at,
      log: quiet,
      options: { step: MINUTE, falseAlarmsPerWeek: 0.5, historyDays: 9 },
    });
    await watcher.prepare();
    const pass = async (minutes: number) => {
      for (let minute = 0; minute < minutes; minute++) {
        at += MINUTE;
        await watcher.tick();
      }
      for (const id of investigator.running) await investigator.finished(id);
    };
    await pass(40);
    const incidents = await store.unresolvedIncidents();
    expect(incidents.map(({ title }) => title)).toEqual(["stock: no data"]);
    expect(new Set(incidents.flatMap(({ anomalies }) => anomalies.map(({ kind }) => kind)))).toEqual(new Set(["missing"]));
    const gone = incidents[0]?.anomalies[0]?.startedAt ?? 0;
    // A rate looks back over four scrapes, and two of them make one.
    expect(Math.abs(gone - (now + 10 * MINUTE))).toBeLessThanOrEqual(4 * MINUTE);
    expect(channel.told).toEqual([]);

    metrics = source("http://127.0.0.1:9");
    await pass(20);
    expect(channel.told.map(({ text }) => text)).toEqual([expect.stringMatching(/^I am blind since \d\d:\d\d UTC: Prometheus/)]);
    metrics = source(history.url);
    await pass(15);
    expect(channel.told.slice(1).map(({ text }) => text)).toEqual([expect.stringMatching(/^I see again/)]);
    expect(await store.unresolvedIncidents()).toHaveLength(1);
  });

  it("is asked about: whether its scrape target is up, and whether anything else of it is heard", async () => {
    const shop = await exposed();
    const other = await exposed();
    const server = await startPrometheus(join(folder, "live"), {
      config: {
        global: { scrape_interval: "1s", scrape_timeout: "1s" },
        scrape_configs: [
          { job_name: "shop", static_configs: [{ targets: [shop.target] }] },
          { job_name: "other", static_configs: [{ targets: [other.target] }] },
        ],
      },
    });
    try {
      const source = new PrometheusMetrics({
        url: server.url,
        templates,
        scrapeInterval: SECOND,
        timeout: 5_000,
        now: () => Date.now(),
      });
      await vi.waitUntil(async () => (await source.presence("shop", Date.now())).targets?.up === 1, {
        timeout: 15_000,
        interval: 300,
      });
      expect((await source.presence("shop", Date.now())).series).toBeGreaterThan(0);
      await shop.stop();
      await vi.waitUntil(async () => (await source.presence("shop", Date.now())).targets?.down === 1, {
        timeout: 15_000,
        interval: 300,
      });
      expect(await source.presence("shop", Date.now())).toEqual({ targets: { up: 0, down: 1, gone: 0 }, series: 0 });
      expect((await source.presence("other", Date.now())).targets?.up).toBe(1);
      expect(await source.presence("nobody", Date.now())).toEqual({ targets: null, series: 0 });
      // With the server itself gone there is no answer, which is not the same as "nothing".
      await server.stop();
      await expect(source.presence("shop", Date.now())).rejects.toThrow(/Prometheus/);
    } finally {
      await server.stop();
      await other.stop();
    }
  });
});
