import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStateDatabase } from "../../src/store/state.ts";
import { openTelemetryStore } from "../../src/store/telemetry/index.ts";
import { installedChromium } from "./browser.ts";
import { type Watched, watched } from "./watched.ts";

const chromium = installedChromium();
const MINUTES = 60_000;

/** The story as a newcomer sees it: the real command, the real page in a real browser, a real flag file and a real repository. */
describe.skipIf(!chromium)("the incident that never happened", { timeout: 15 * MINUTES }, () => {
  // What happens builds on what happened before: each try has a world of its own and begins at the beginning.
  let world: Watched;
  beforeEach(async () => {
    world = await watched(chromium ?? "", "loading");
    await world.page.getByTestId("progress").waitFor({ timeout: MINUTES });
    await world.photograph("1-loading");
    await world.vigil.ready();
  }, 14 * MINUTES);
  afterEach(({ task }) => world?.close(task), MINUTES);

  const apiLatency = async (from: number, to: number) => {
    const store = await openTelemetryStore(join(world.folder, "telemetry.db"));
    const { points } = await store.red({ service: "api", signal: "latency", from, to, step: 60_000 });
    store.close();
    return points.reduce((sum, { value }) => sum + value, 0) / points.length;
  };

  /** Resolves to the ids of the investigation that was confirmed and of its proposal. */
  async function raisedFlag(): Promise<{ confirmed: string; rollback: string }> {
    const { page, vigil, channel, photograph, shareOfTheFlag } = world;
    const quietUntil = (await vigil.state()).telemetryTime;
    expect(await page.getByTestId("investigation-card").count()).toBe(0);
    await page.getByTestId("scenario-flag").click();

    const card = page.getByTestId("investigation-card").last();
    await card.waitFor({ timeout: 120_000 });
    await photograph("2-posted");
    await card.getByTestId("picture").waitFor({ timeout: 60_000 });
    const rollback = await world.proposed(/catalog-cache-v2-keys/);
    await photograph("3-proposed");
    expect(await card.textContent()).toContain("catalog-cache-v2-keys");
    await expect.poll(() => channel.investigations().at(-1)?.report?.seenBefore.text).toContain("INC-31");
    expect(shareOfTheFlag()).toBeGreaterThan(20);
    const raised = (await vigil.state()).telemetryTime;

    await world.approve(rollback);
    await expect.poll(shareOfTheFlag, { timeout: 60_000 }).toBeLessThanOrEqual(1);
    await world.verified(rollback);
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
    const state = await openStateDatabase(join(world.folder, "vigil.db"));
    await expect
      .poll(() => state.selectFrom("feedback").select(["verdict", "via"]).where("via", "!=", "inferred").execute(), {
        timeout: 30_000,
      })
      .toEqual([{ verdict: "correct", via: "button" }]);
    await state.destroy();
    await photograph("5-judged");
    return { confirmed: channel.investigations()[0]?.id ?? "", rollback };
  }

  async function question(): Promise<void> {
    const { page, photograph } = world;
    await page.getByTestId("composer-text").fill("what changed in the last hour?");
    await page.getByTestId("composer-send").click();
    await expect
      .poll(() => page.getByTestId("answer-card").last().textContent(), { timeout: 60_000 })
      .toContain("catalog-cache-v2-keys");
    await photograph("6-answered");
  }

  async function wish(): Promise<void> {
    const { page, channel, folder } = world;
    const before = channel.proposals().length;
    const flags = readFileSync(join(folder, "demo/flags.json"), "utf8");
    await page.getByTestId("composer-text").fill("turn checkout-express-button off, please");
    await page.getByTestId("composer-send").click();
    await expect
      .poll(() => page.getByTestId("answer-card").last().textContent(), { timeout: 60_000 })
      .toContain("you cannot give it yourself");
    const wished = await world.proposed(/checkout-express-button/);
    expect(channel.proposals()).toHaveLength(before + 1);
    expect(await world.proposalCard(wished).textContent()).toContain("off for everybody");
    await world.approve(wished);
    await expect.poll(() => page.getByTestId("toast").last().textContent()).toMatch(/asked for/i);
    expect(await world.proposalCard(wished).getByTestId("proposal-state").textContent()).toMatch(/awaits approval/i);
    expect(readFileSync(join(folder, "demo/flags.json"), "utf8")).toBe(flags);
  }

  async function badDeploy(): Promise<void> {
    await world.vigil.play("bad-deploy");
    const revert = await world.proposed(/4\.8\.0/);
    await world.approve(revert);
    const repository = join(world.folder, "demo/deployments");
    await expect
      .poll(() => execFileSync("git", ["-C", repository, "log", "-1", "--format=%an %s"], { encoding: "utf8" }), {
        timeout: 60_000,
      })
      .toMatch(/^Vigil Revert checkout from 4\.8\.0/);
    await world.verified(revert);
    await world.photograph("7-reverted");
  }

  async function again({ confirmed, rollback }: { confirmed: string; rollback: string }): Promise<void> {
    const { channel } = world;
    await world.vigil.play("flag");
    const second = await world.proposed(/catalog-cache-v2-keys/, [rollback]);
    const investigation = () =>
      channel.investigations().find(({ id }) => id === channel.proposals().find((one) => one.id === second)?.investigationId);
    await expect.poll(() => investigation()?.state, { timeout: 60_000 }).toBe("done");
    expect(investigation()?.id).not.toBe(confirmed);
    const report = investigation()?.report;
    expect(report?.hypotheses[0]?.statement).toContain("catalog-cache-v2-keys: 1% on → 28% on");
    expect(report?.seenBefore.text).toMatch(new RegExp(`^Perhaps, in ${confirmed} `));
    await world.approve(second);
    await world.verified(second);
  }

  it("is noticed unasked, tested, rolled back when told, verified and judged; and what is asked, wished and seen again follows", async () => {
    const begun = Date.now();
    const took: string[] = [];
    /** Names the part of the story in which something fails. */
    const part = async <T>(name: string, happen: () => Promise<T>): Promise<T> => {
      const from = Date.now();
      try {
        return await happen();
      } catch (error) {
        throw new Error(`The story, ${Math.round((from - begun) / 1_000)} s after its beginning: "${name}" failed`, {
          cause: error,
        });
      } finally {
        took.push(`${name} ${((Date.now() - from) / 1_000).toFixed(1)} s`);
      }
    };
    const first = await part(
      "notices a raised flag unasked, tests it on test traffic, rolls it back when told, verifies, and takes the verdict",
      raisedFlag,
    );
    await part("answers an engineer's question in the thread", question);
    await part("proposes what a person asks for in the channel, and does not let them approve it themselves", wish);
    await part("reverts a bad deploy by a commit in the repository", badDeploy);
    await part("finds the confirmed investigation first when the same trouble comes again, whatever happened in between", () =>
      again(first),
    );
    console.info(took.join("\n"));
  });
});
