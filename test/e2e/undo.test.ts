import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStateDatabase } from "../../src/store/state.ts";
import { installedChromium } from "./browser.ts";
import { type Watched, watched } from "./watched.ts";

const chromium = installedChromium();
const MINUTES = 60_000;

describe.skipIf(!chromium)("an action that does not help", { timeout: 12 * MINUTES }, () => {
  let world: Watched;
  beforeEach(async () => {
    world = await watched(chromium ?? "", "loaded");
    await world.vigil.ready();
  }, 14 * MINUTES);
  afterEach(({ task }) => world?.close(task), MINUTES);

  it("is undone by itself, also across kill -9, and nothing is done twice", async () => {
    const { shareOfTheFlag } = world;
    await world.vigil.play("rollback-no-help");
    const id = await world.proposed(/catalog-cache-v2-keys/);
    await world.approve(id);
    await expect.poll(shareOfTheFlag, { timeout: 60_000 }).toBeLessThanOrEqual(1);

    await world.restart("SIGKILL");
    // Whether the signal is as before the action is judged at 95 %: now and then chance says no, and people are called.
    await world.channel.ends(id, ["rolled_back", "unknown"]);
    await expect
      .poll(() => world.proposalCard(id).textContent())
      .toMatch(/read back as it was(?:; since then no worse than before the action|, yet the signal is worse)/);
    expect(shareOfTheFlag()).toBeGreaterThan(20);
    await world.photograph("8-undone");
    const state = await openStateDatabase(join(world.folder, "vigil.db"));
    expect(await state.selectFrom("executions").select("proposal_id").execute()).toHaveLength(1);
    await state.destroy();
  });
});
