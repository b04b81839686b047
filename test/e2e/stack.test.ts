import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MINUTE } from "../../src/domain/time.ts";
import { PrometheusMetrics } from "../../src/sources/prometheus/index.ts";
import { PRESETS, redTemplate } from "../../src/sources/prometheus/presets.ts";
import { openTelemetryStore } from "../../src/store/telemetry/index.ts";
import { type DemoStack, startDemoStack } from "../stack/demo-stack.ts";
import { installed } from "../support/servers.ts";
import { Channel } from "./channel.ts";

const prometheus = installed("prometheus");

describe.skipIf(prometheus === null)("the flag story with a real Prometheus and a real Unleash", () => {
  const folder = mkdtempSync(join(tmpdir(), "vigil-stack-"));
  let stack: DemoStack;
  let channel: Channel;

  beforeAll(async () => {
    stack = await startDemoStack(folder, {
      // A baseline that knows each day of the week.
      historyDays: 8,
      scenario: "none",
    });
    channel = new Channel(stack.vigil);
    await stack.vigil.ready();
  }, 480_000);
  afterAll(async () => {
    await stack?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("is noticed in Prometheus, told by Unleash's webhook, tested and rolled back in Unleash, and verified in Prometheus", async () => {
    expect((await stack.vigil.state()).watchedSeries).toBe(27);
    const store = await openTelemetryStore(join(folder, "state/telemetry.db"));
    expect(await store.metrics()).toEqual([]);
    store.close();

    const quietUntil = (await stack.vigil.state()).telemetryTime;
    await stack.vigil.play("flag");
    expect(await stack.share()).toBe(28);
    await expect.poll(() => channel.proposals().at(-1)?.state, { timeout: 240_000, interval: 500 }).toBe("pending");
    const raised = (await stack.vigil.state()).telemetryTime;
    const proposal = channel.proposals().at(-1);
    const report = channel.investigations().at(-1)?.report;
    expect(report?.headline).toContain("catalog-cache-v2-keys");
    expect(report?.causalTest?.verdict).toBe("causal");
    expect(report?.notUsed).toEqual([]);

    await channel.approve(proposal?.id ?? "");
    await expect.poll(() => stack.share()).toBeLessThanOrEqual(1);
    await expect.poll(() => channel.proposals().at(-1)?.state, { timeout: 240_000, interval: 500 }).toBe("verified");
    const verified = (await stack.vigil.state()).telemetryTime;

    const source = new PrometheusMetrics({
      url: stack.prometheus.url,
      templates: PRESETS.opentelemetry.map(redTemplate),
      scrapeInterval: 30_000,
      timeout: 10_000,
      now: () => verified,
    });
    const latency = async (from: number, to: number) => {
      const { points } = await source.red({ service: "api", signal: "latency", step: MINUTE, from, to });
      return points.reduce((sum, { value }) => sum + value, 0) / points.length;
    };
    const before = await latency(quietUntil - 30 * MINUTE, quietUntil);
    const during = await latency(raised - 10 * MINUTE, raised);
    expect(during / before).toBeGreaterThan(1.08);
    expect((await latency(verified - 3 * MINUTE, verified)) / during).toBeLessThan(0.95);
  }, 900_000);
});
