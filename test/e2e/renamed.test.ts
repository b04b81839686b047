import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config.ts";
import { DEFAULT_NAMES, type ShopNames } from "../../src/demo/index.ts";
import { Channel } from "./channel.ts";

const MINUTES = 60_000;

/** No name tells anything: what is found is found from evidence. */
const NAMES: ShopNames = {
  services: Object.fromEntries(
    Object.keys(DEFAULT_NAMES.services).map((role, index) => [role, `unit-${(index * 7 + 3) % 10}${"abcdefghi"[index]}`]),
  ) as ShopNames["services"],
  harmfulFlag: "f-61",
  decoyFlags: ["f-17", "f-80", "f-33"],
  metrics: { hitRatio: "m.alpha", poolInUse: "m.beta", poolWaiting: "m.gamma", cpu: "m.delta", memory: "m.epsilon" },
};

describe("the demo with every service, flag and metric renamed", { timeout: 14 * MINUTES, sequential: true }, () => {
  const folder = mkdtempSync(join(tmpdir(), "vigil-renamed-"));
  let app: App;
  let channel: Channel;

  beforeAll(async () => {
    const config = loadConfig(
      {
        VIGIL_DATA_DIR: folder,
        VIGIL_PORT: "0",
        VIGIL_DEMO_HISTORY_DAYS: "8",
        VIGIL_DEMO_SCENARIO: "none",
        VIGIL_LOG_LEVEL: "error",
      },
      folder,
    );
    app = await startApp({ ...config, knowledge: { ...config.knowledge, folders: [] } }, { names: NAMES });
    channel = new Channel({ url: app.url, folder });
    await app.ready;
  }, 14 * MINUTES);

  afterAll(async () => {
    await app?.close();
    rmSync(folder, { recursive: true, force: true });
  }, MINUTES);

  /** Plays a scenario and waits for the cause that the investigation it caused settles on. */
  async function causeOf(scenario: string): Promise<string> {
    const before = channel.investigations().length;
    await app.demo?.play(scenario as Parameters<NonNullable<App["demo"]>["play"]>[0]);
    const cause = () => {
      const found = channel.investigations().slice(before);
      const told = found.find(({ state, report }) => state === "done" && report?.outcome === "cause_found");
      return told?.report?.hypotheses[0]?.statement ?? null;
    };
    await expect.poll(cause, { timeout: 360_000, interval: 500 }).not.toBeNull();
    await app.demo?.play("reset");
    // The next trouble is another incident: wait until the watcher has closed this one.
    await expect.poll(() => channel.openIncidents(), { timeout: 360_000, interval: 500 }).toEqual([]);
    return cause() ?? "";
  }

  it("finds the flag", async () => {
    expect(await causeOf("flag")).toContain("f-61");
  });

  it("finds the deploy", async () => {
    const cause = await causeOf("bad-deploy");
    expect(cause).toContain(NAMES.services.checkout);
    expect(cause).toContain("4.8.0");
  });

  it("finds the first mover of a cascade", async () => {
    expect(await causeOf("cascade")).toContain(NAMES.services.payments);
  });
});
