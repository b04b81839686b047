import { mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { DEFAULT_NAMES, type DemoHandle, startDemo } from "../../../src/demo/index.ts";
import { MINUTE } from "../../../src/domain/time.ts";
import { FlagdFile } from "../../../src/targets/flagd/index.ts";
import { GitopsRepository } from "../../../src/targets/gitops/index.ts";
import { startReceiver } from "../../support/otlp-server.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const NAMES = {
  ...DEFAULT_NAMES,
  services: Object.fromEntries(
    Object.keys(DEFAULT_NAMES.services).map((role, index) => [role, `unit-${index}`]),
  ) as typeof DEFAULT_NAMES.services,
  harmfulFlag: "f-1",
  decoyFlags: ["f-2", "f-3", "f-4"],
};

async function start(more: Partial<Parameters<typeof startDemo>[0]> = {}) {
  const receiver = await startReceiver({ maxBytes: 32_000_000 });
  closing.push(receiver.close);
  const folder = more.folder ?? join(mkdtempSync(join(tmpdir(), "vigil-demo-")), "demo");
  const options = { folder, receiverUrl: receiver.url, speed: 600, historyDays: 0.25, seed: 3, resumeFrom: null, ...more };
  const demo: DemoHandle = await startDemo(options);
  closing.push(demo.stop);
  return { receiver, demo, folder };
}

describe("the demo shop as a process", () => {
  it("fills history, goes live, obeys the real flag file, and goes on where it stopped", async () => {
    const { receiver, demo, folder } = await start({ names: NAMES });
    const begin = demo.clock.now();
    await demo.ready;
    expect(new Date(begin).toISOString()).toContain("T02:30:00");
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(demo.flagFile).mode & 0o777).toBe(0o600);
    expect((await receiver.store.services()).toSorted()).toEqual(Object.values(NAMES.services).toSorted());

    const latency = async (from: number, to: number) => {
      const red = { service: NAMES.services.api, signal: "latency", from, to, step: MINUTE } as const;
      const { points } = await receiver.store.red(red);
      return { minutes: points.length, mean: points.reduce((sum, { value }) => sum + value, 0) / points.length };
    };
    const before = await latency(begin - 120 * MINUTE, begin);
    expect(before.minutes).toBe(120);

    const { since } = await demo.play("flag");
    const flags = new FlagdFile({ file: demo.flagFile, environment: demo.environment, now: () => demo.clock.now() });
    expect((await flags.get("f-1"))?.percent).toBe(28);
    const under = () => latency(since + 2 * MINUTE, demo.clock.now() - 2 * MINUTE);
    await expect.poll(async () => (await under()).minutes).toBeGreaterThanOrEqual(20);
    const after = await under();
    expect(after.mean / before.mean).toBeGreaterThan(1.08);
    expect(after.mean / before.mean).toBeLessThan(1.16);

    await demo.play("bad-deploy");
    const deploys = new GitopsRepository({ folder: demo.repository, environment: demo.environment, now: () => demo.clock.now() });
    expect((await flags.get("f-1"))?.percent).toBe(1);
    expect(await deploys.get(NAMES.services.checkout)).toMatchObject({ version: "4.8.0" });
    await demo.play("reset");
    expect(await deploys.get(NAMES.services.checkout)).toMatchObject({ version: "4.7.3" });
    await demo.stop();
    const stopped = demo.clock.now();

    const again = await start({ folder, names: NAMES, resumeFrom: stopped });
    expect(Math.abs(again.demo.clock.now() - stopped)).toBeLessThan(MINUTE);
    await again.demo.ready;
  });

  it("keeps what the receiver cannot store and sends it again, losing nothing", async () => {
    const first = await start();
    await first.demo.ready;
    const port = Number(new URL(first.receiver.url).port);
    expect(port).toBeGreaterThan(0);
    const begin = first.demo.clock.now();
    const failing = first.receiver.store.appendMetrics;
    first.receiver.store.appendMetrics = () => {
      throw new Error("disk full");
    };
    await sleep(1_000);
    first.receiver.store.appendMetrics = failing;
    const to = Math.floor((begin + 8 * MINUTE) / MINUTE) * MINUTE;
    const from = to - 30 * MINUTE;
    const red = { service: "api", signal: "rate", from, to, step: MINUTE } as const;
    await expect.poll(async () => (await first.receiver.store.red(red)).points.length).toBe(30);
  });

  it("back-fills its whole history through the receiver before it goes live", async () => {
    const { demo, receiver } = await start({ historyDays: 0.5 });
    const begin = demo.clock.now();
    await demo.ready;
    const red = { service: "api", signal: "rate", from: begin - 720 * MINUTE, to: begin, step: MINUTE } as const;
    expect((await receiver.store.red(red)).points).toHaveLength(720);
  });
});
