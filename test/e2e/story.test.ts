import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStateDatabase } from "../../src/store/state.ts";
import { openTelemetryStore } from "../../src/store/telemetry/index.ts";
import { type RunningVigil, startVigil } from "./app.ts";
import { installedChromium, openBrowser } from "./browser.ts";
import { Channel } from "./channel.ts";

const chromium = installedChromium();
const pictures = resolve(import.meta.dirname, "screenshots");
const MINUTES = 60_000;

/** A Vigil of its own, seen in a browser. */
async function watched(folder: string): Promise<{ vigil: RunningVigil; browser: Browser; page: Page }> {
  mkdirSync(pictures, { recursive: true });
  // A few days of history teach the baselines enough for a test; the demo loads two weeks.
  const vigil = await startVigil(folder, { VIGIL_DEMO_HISTORY_DAYS: "8" });
  const browser = await openBrowser(chromium ?? "");
  const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
  await page.goto(vigil.url);
  return { vigil, browser, page };
}

/** Share of the demo's harmful flag as its file says it, in per cent. */
function shareOfTheFlag(folder: string): number | undefined {
  const { flags } = JSON.parse(readFileSync(join(folder, "demo/flags.json"), "utf8")) as {
    flags: Record<string, { targeting: { fractional?: [string, number][] } }>;
  };
  return flags["catalog-cache-v2-keys"]?.targeting.fractional?.[0]?.[1];
}

async function approveLast(page: Page): Promise<void> {
  await page.getByTestId("proposal-card").last().getByTestId("approve").click();
  await page.getByTestId("dialog-confirm").click();
}

const stateOfLast = (page: Page) => page.getByTestId("proposal-card").last().getByTestId("proposal-state").textContent();

/** The story as a newcomer sees it: the real command, the real page in a real browser, a real flag file and a real repository. */
describe.skipIf(!chromium)("the incident that never happened", { timeout: 12 * MINUTES, sequential: true }, () => {
  const folder = mkdtempSync(join(tmpdir(), "vigil-story-"));
  const repository = join(folder, "demo/deployments");
  let vigil: RunningVigil;
  let browser: Browser;
  let page: Page;
  let channel: Channel;

  const photograph = (name: string) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  const proposal = () => page.getByTestId("proposal-card").last();
  const apiLatency = async (from: number, to: number) => {
    const store = await openTelemetryStore(join(folder, "telemetry.db"));
    const { points } = await store.red({ service: "api", signal: "latency", from, to, step: 60_000 });
    store.close();
    return points.reduce((sum, { value }) => sum + value, 0) / points.length;
  };

  beforeAll(async () => {
    ({ vigil, browser, page } = await watched(folder));
    channel = new Channel(vigil);
    await page.getByTestId("progress").waitFor({ timeout: 60_000 });
    await photograph("1-loading");
    await vigil.ready();
  }, 4 * MINUTES);

  afterAll(async () => {
    await browser?.close();
    await vigil?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, MINUTES);

  it("notices a raised flag unasked, tests it on test traffic, rolls it back when told, verifies, and takes the verdict", async () => {
    const quietUntil = (await vigil.state()).telemetryTime;
    expect(await page.getByTestId("investigation-card").count()).toBe(0);
    await page.getByTestId("scenario-flag").click();

    const card = page.getByTestId("investigation-card").last();
    await card.waitFor({ timeout: 120_000 });
    await photograph("2-posted");
    await card.getByTestId("picture").waitFor({ timeout: 60_000 });
    await proposal().waitFor({ timeout: 150_000 });
    await photograph("3-proposed");
    expect(await card.textContent()).toContain("catalog-cache-v2-keys");
    await expect.poll(() => channel.investigations().at(-1)?.report?.seenBefore.text, { timeout: 30_000 }).toContain("INC-31");
    expect(shareOfTheFlag(folder)).toBeGreaterThan(20);
    const raised = (await vigil.state()).telemetryTime;

    await approveLast(page);
    await expect.poll(() => shareOfTheFlag(folder), { timeout: 60_000 }).toBeLessThanOrEqual(1);
    await expect.poll(() => stateOfLast(page), { timeout: 150_000 }).toMatch(/verified/i);
    await photograph("4-verified");
    const verified = (await vigil.state()).telemetryTime;
    const [before, during, after] = [
      await apiLatency(quietUntil - 30 * MINUTES, quietUntil),
      await apiLatency(raised - 10 * MINUTES, raised),
      await apiLatency(verified - 2 * MINUTES, verified),
    ];
    expect(during / before).toBeGreaterThan(1.08);
    expect(after / during).toBeLessThan(0.95);

    await card.getByTestId("verdict-correct").click();
    const state = await openStateDatabase(join(folder, "vigil.db"));
    await expect
      .poll(() => state.selectFrom("feedback").select(["verdict", "via"]).where("via", "!=", "inferred").execute(), {
        timeout: 30_000,
      })
      .toEqual([{ verdict: "correct", via: "button" }]);
    await state.destroy();
    await photograph("5-judged");
  });

  it("answers an engineer's question in the thread", async () => {
    await page.getByTestId("composer-text").fill("what changed in the last hour?");
    await page.getByTestId("composer-send").click();
    await expect
      .poll(() => page.getByTestId("answer-card").last().textContent(), { timeout: 60_000 })
      .toContain("catalog-cache-v2-keys");
    await photograph("6-answered");
  });

  it("proposes what a person asks for in the channel, and does not let them approve it themselves", async () => {
    const before = await page.getByTestId("proposal-card").count();
    const flags = readFileSync(join(folder, "demo/flags.json"), "utf8");
    await page.getByTestId("composer-text").fill("turn checkout-express-button off, please");
    await page.getByTestId("composer-send").click();
    await expect
      .poll(() => page.getByTestId("answer-card").last().textContent(), { timeout: 60_000 })
      .toContain("you cannot give it yourself");
    await expect.poll(() => page.getByTestId("proposal-card").count(), { timeout: 30_000 }).toBe(before + 1);
    expect(await proposal().textContent()).toContain("off for everybody");
    await approveLast(page);
    await expect.poll(() => page.getByTestId("toast").last().textContent(), { timeout: 30_000 }).toMatch(/asked for/i);
    expect(await stateOfLast(page)).toMatch(/awaits approval/i);
    expect(readFileSync(join(folder, "demo/flags.json"), "utf8")).toBe(flags);
  });

  it("reverts a bad deploy by a commit in the repository", async () => {
    const before = await page.getByTestId("proposal-card").count();
    await vigil.play("bad-deploy");
    await expect.poll(() => page.getByTestId("proposal-card").count(), { timeout: 180_000 }).toBe(before + 1);
    await approveLast(page);
    await expect
      .poll(() => execFileSync("git", ["-C", repository, "log", "-1", "--format=%an %s"], { encoding: "utf8" }), {
        timeout: 60_000,
      })
      .toMatch(/^Vigil Revert checkout from 4\.8\.0/);
    await expect.poll(() => stateOfLast(page), { timeout: 150_000 }).toMatch(/verified/i);
    await photograph("7-reverted");
  });

  it("finds the confirmed investigation first when the same trouble comes again, whatever happened in between", async () => {
    const before = channel.proposals().length;
    const [confirmed] = channel.investigations();
    await vigil.play("flag");
    await expect.poll(() => channel.proposals().length, { timeout: 180_000 }).toBe(before + 1);
    await expect.poll(() => channel.investigations().at(-1)?.state, { timeout: 30_000 }).toBe("done");
    const again = channel.investigations().at(-1);
    expect(again?.id).not.toBe(confirmed?.id);
    expect(again?.report?.hypotheses[0]?.statement).toContain("catalog-cache-v2-keys: 1% on → 28% on");
    expect(again?.report?.seenBefore.text).toMatch(new RegExp(`^Perhaps, in ${confirmed?.id} `));
    await approveLast(page);
    await expect.poll(() => stateOfLast(page), { timeout: 150_000 }).toMatch(/verified/i);
  });
});

describe.skipIf(!chromium)("an action that does not help", { timeout: 12 * MINUTES }, () => {
  it("is undone by itself, also across kill -9, and nothing is done twice", async () => {
    const folder = mkdtempSync(join(tmpdir(), "vigil-undo-"));
    let { vigil, browser, page } = await watched(folder);
    try {
      await vigil.ready();
      await vigil.play("rollback-no-help");
      await page.getByTestId("proposal-card").waitFor({ timeout: 180_000 });
      await approveLast(page);
      await expect.poll(() => shareOfTheFlag(folder), { timeout: 60_000 }).toBeLessThanOrEqual(1);

      await vigil.stop("SIGKILL");
      vigil = await startVigil(folder, {}, Number(new URL(vigil.url).port));
      await vigil.ready();
      await page.goto(vigil.url);

      // The whole card, so that a failure says why.
      const card = () => page.getByTestId("proposal-card").last().textContent();
      await expect.poll(card, { timeout: 180_000 }).toContain("read back as it was; since then no worse than before the action");
      expect(await stateOfLast(page)).toMatch(/rolled back/i);
      expect(shareOfTheFlag(folder)).toBeGreaterThan(20);
      await page.screenshot({ path: join(pictures, "8-undone.png"), fullPage: true });
      const state = await openStateDatabase(join(folder, "vigil.db"));
      expect(await state.selectFrom("executions").select("proposal_id").execute()).toHaveLength(1);
      await state.destroy();
    } finally {
      await browser.close();
      await vigil.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
