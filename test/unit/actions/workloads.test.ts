import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { restartService } from "../../../src/actions/catalogue/restart-service.ts";
import { rollBackDeploy } from "../../../src/actions/catalogue/roll-back-deploy.ts";
import { scaleService } from "../../../src/actions/catalogue/scale-service.ts";
import type { DeployState, DeployTarget } from "../../../src/actions/ports.ts";
import { WorkloadFile } from "../../../src/targets/workload-file/index.ts";
import { actionWorld, START, type WorldOptions } from "../../support/action-world.ts";

/** Restart and scale through the real executor on a real workload file. */
async function workloadWorld(options: WorldOptions = {}) {
  const file = join(mkdtempSync(join(tmpdir(), "vigil-workloads-")), "workloads.json");
  writeFileSync(file, JSON.stringify({ workloads: { shelf: { replicas: 3 } } }));
  const clock = { now: () => START };
  const workloads = new WorkloadFile({ file, environment: "production", now: () => clock.now() });
  const world = await actionWorld({
    ...options,
    context: { catalogue: [restartService(workloads), scaleService(workloads)], targetTimeout: 2_000, ...options.context },
  });
  clock.now = () => world.clocks.telemetry;
  return { ...world, workloads };
}
const worse = (at: number, changed: number | null) => (changed !== null && at >= changed ? 0.16 : 0.115);

describe("a restart", () => {
  const restart = [{ service: "shelf" }, { action: "restart_service" }] as const;

  it("is waited for until the copies are up, and then verified", async () => {
    const world = await workloadWorld();
    const proposal = await world.proposed(...restart);
    expect(proposal).toMatchObject({ target: "workload:shelf", wantedState: "3 copies, all fresh" });
    await world.click(proposal);
    await world.actions.settle();
    expect(await world.state(proposal)).toBe("executing");
    await world.passes(17);
    expect(await world.state(proposal)).toBe("verified");
    expect((await world.workloads.get("shelf"))?.restartMark).not.toBeNull();
  });

  it("that did not help has nothing to undo: people are called", async () => {
    const world = await workloadWorld({ latency: worse });
    const proposal = await world.proposed(...restart);
    await world.click(proposal);
    await world.passes(17);
    expect(await world.state(proposal)).toBe("unknown");
    expect(await world.outcome(proposal)).toContain("nothing to undo");
    expect(world.pages).toHaveLength(1);
  });

  it("whose copies never come up is handed to people", async () => {
    const world = await workloadWorld();
    const proposal = await world.proposed(...restart);
    await world.click(proposal);
    await world.actions.settle();
    // Only the wall clock goes on: the copies stay where they are.
    for (let minute = 0; minute < 12; minute++) {
      world.clocks.wall += 60_000;
      await world.actions.settle();
    }
    expect(await world.state(proposal)).toBe("unknown");
    expect(await world.outcome(proposal)).toContain("did not come up in time");
  });
});

describe("a deploy that is undone", () => {
  it("is waited for while it settles, sent once, and then read back", async () => {
    const deploys = { version: "2.0", mark: 0, settling: false, writes: 0 };
    const state = (): DeployState => ({
      service: "shelf",
      environment: "production",
      version: deploys.version,
      previousVersion: deploys.version === "2.0" ? "1.9" : "2.0",
      reference: String(deploys.mark),
      settling: deploys.settling,
      fingerprint: `${deploys.version}@${deploys.mark}`,
    });
    const change = async (version: string, settling: boolean) => {
      Object.assign(deploys, { version, settling, mark: deploys.mark + 1, writes: deploys.writes + 1 });
      return state();
    };
    const target: DeployTarget = {
      environment: "production",
      list: async () => [state()],
      get: async () => state(),
      rollBack: () => change("1.9", false),
      setVersion: (_service, version) => change(version, true),
    };
    const world = await actionWorld({ latency: worse, context: { catalogue: [rollBackDeploy(target)] } });
    const proposal = await world.proposed({ service: "shelf" }, { action: "roll_back_deploy" });
    await world.click(proposal);
    await world.passes(9);
    expect(await world.state(proposal)).toBe("rolling_back");
    deploys.settling = false;
    await world.passes(1);
    expect(await world.state(proposal)).toBe("undone");
    await world.passes(16);
    expect(await world.state(proposal)).toBe("rolled_back");
    expect(deploys).toMatchObject({ version: "2.0", writes: 2 });
  });
});

describe("scaling", () => {
  const scale = (replicas: number) => [{ service: "shelf", replicas }, { action: "scale_service" }] as const;

  it("sets the number of copies, and sets it back when it did harm", async () => {
    const good = await workloadWorld();
    const more = await good.proposed(...scale(5));
    await good.click(more);
    await good.passes(18);
    expect(await good.state(more)).toBe("verified");
    expect((await good.workloads.get("shelf"))?.replicas).toBe(5);

    const bad = await workloadWorld({ latency: worse });
    const wrong = await bad.proposed(...scale(5));
    await bad.click(wrong);
    await bad.passes(40);
    expect(await bad.state(wrong)).toBe("rolled_back");
    expect((await bad.workloads.get("shelf"))?.replicas).toBe(3);
  });

  it("down goes in steps, up at once", async () => {
    const world = await workloadWorld();
    expect((await world.proposed(...scale(6))).stages).toBeUndefined();
    expect((await world.proposed(...scale(1))).stages?.map(({ state }) => state)).toEqual(["2 copies", "1 copy"]);
  });

  it.each([[0], [501], [2.5], [3]])("to %d copies is refused", async (replicas) => {
    const world = await workloadWorld();
    expect((await world.fileWish(...scale(replicas))).ok).toBe(false);
    expect(world.shown).toEqual([]);
  });
});
