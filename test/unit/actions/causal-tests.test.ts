import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../../src/actions/context.ts";
import { DEFAULT_POLICY } from "../../../src/actions/index.ts";
import type { Proposal } from "../../../src/domain/proposal.ts";
import type { MetricSource } from "../../../src/domain/telemetry.ts";
import { MINUTE } from "../../../src/domain/time.ts";
import { actionWorld, type WorldOptions } from "../../support/action-world.ts";
import { FakeFlags } from "../../support/fake-targets.ts";
import { gaussian, seededRandom } from "../../support/synthetic-metrics.ts";

const REQUEST = { flag: "new-layout", service: "shelf", signal: "latency" as const, investigationId: "INV-1" };

/** Latency of two cohorts: the flag costs 12 %, from which test traffic is freed while it is pinned off. */
function cohorts(flags: FakeFlags, { noise = 0.02, rate = 5, cost = 0.12 } = {}): MetricSource {
  const random = seededRandom(3);
  const kept = new Map<string, number>();
  return {
    services: async () => ["shelf"],
    metrics: async () => [],
    query: async () => [],
    red: async ({ from, to, step, signal, labels }) => {
      const points = [];
      const cohort = labels?.["traffic.cohort"] ?? "live";
      for (let at = Math.ceil(from / step) * step; at < to; at += step) {
        const key = `${cohort}/${at}`;
        const freed = cohort === "test" && flags.pinned;
        if (!kept.has(key)) kept.set(key, 0.1 * (freed ? 1 : 1 + cost) * (1 + noise * gaussian(random)));
        points.push({ at, value: signal === "rate" ? rate : (kept.get(key) ?? 0) });
      }
      return { metric: "red", service: "shelf", labels: {}, unit: "s", points };
    },
  };
}

async function testing(options: WorldOptions & { metrics?: Parameters<typeof cohorts>[1] } = {}) {
  const flags = options.flags ?? new FakeFlags();
  const metrics = cohorts(flags, options.metrics);
  const world = await actionWorld({
    ...options,
    flags,
    context: {
      metrics,
      // While the test waits, time goes on, and telemetry with it.
      pause: async () => {
        world.clocks.telemetry += MINUTE;
        world.clocks.wall += MINUTE;
        await metrics.red({
          service: "shelf",
          signal: "latency",
          from: world.clocks.telemetry - MINUTE,
          to: world.clocks.telemetry,
          step: MINUTE,
          labels: { "traffic.cohort": "test" },
        });
      },
      ...options.context,
    },
  });
  const run = () => world.actions.runCausalTest(REQUEST, new AbortController().signal);
  const open = () => world.experiments.open();
  return { ...world, run, open };
}

describe("a causal test", () => {
  it("frees test traffic for a while, tells the effect with its interval, and puts the flag back", async () => {
    const world = await testing();
    const outcome = await world.run();
    expect(outcome).toMatchObject({ ok: true, result: { verdict: "causal", restored: true } });
    if (!outcome.ok) return;
    expect(outcome.result.effect).toBeLessThan(-0.05);
    expect(outcome.result.interval[1]).toBeLessThan(0);
    expect(outcome.result.pValue).toBeLessThan(0.05);
    expect(world.flags.pinned).toBe(false);
    expect(world.flags.percent).toBe(25);
    expect(await world.open()).toEqual([]);
    expect(await world.db.selectFrom("locks").selectAll().execute()).toEqual([]);
  });

  it("is refused without touching the flag when the cohorts are too small, and says what they would need", async () => {
    const silent = await testing({ metrics: { rate: 0.01 } });
    expect(await silent.run()).toMatchObject({ ok: false, refusal: expect.stringContaining("at least 0.1 are needed") });
    const noisy = await testing({ metrics: { noise: 0.4 } });
    const outcome = await noisy.run();
    expect(outcome).toMatchObject({
      ok: false,
      refusal: expect.stringMatching(/too small: about \d+ steps.*times the test traffic/),
    });
    expect([...silent.flags.asked, ...noisy.flags.asked]).toEqual([]);
  });

  it.each<[string, Partial<WorldOptions["context"]> & object]>([
    ["forbids them", { policy: { ...DEFAULT_POLICY, causalTests: { allowed: false, perFlagPerHour: 4 } } }],
    ["protects the flag", { policy: { ...DEFAULT_POLICY, neverTouch: ["flag:new-layout"] } }],
    ["has stopped everything", { stoppedOutside: () => "the file STOP exists" }],
  ])("is refused when policy %s", async (_what, context) => {
    const world = await testing({ context });
    expect((await world.run()).ok).toBe(false);
    expect(world.flags.asked).toEqual([]);
  });

  it("is refused while an action is in flight on the flag, and keeps actions away while it runs", async () => {
    const world = await testing();
    await world.db.insertInto("locks").values({ target: "flag:new-layout", proposal_id: "PRO-9" }).execute();
    expect(await world.run()).toMatchObject({ ok: false, refusal: expect.stringContaining("PRO-9 is in flight") });
    expect(world.flags.asked).toEqual([]);
  });

  it("is refused while people are asked about its flag, so that what they approve is what they were shown", async () => {
    const world = await testing();
    const proposal = await world.proposed();
    expect(await world.run()).toMatchObject({ ok: false, refusal: expect.stringContaining(`${proposal.id} awaits a decision`) });
    expect(world.flags.asked).toEqual([]);
    await world.click(proposal);
    await world.passes(1);
    expect(await world.state(proposal)).toBe("verifying");
  });

  it("gives way to a wish for its flag, which is filed over the flag as it was and can be approved", async () => {
    let wished: Promise<Proposal> | null = null;
    const world = await testing({
      context: {
        targetTimeout: 10 * MINUTE,
        checkpoint: async (point: Checkpoint) => {
          if (point === "pinned") wished = Promise.resolve().then(() => world.proposed());
        },
      },
    });
    const tested = await world.run();
    const proposal = await (wished as Promise<Proposal> | null);
    if (!proposal) throw new Error("the test never began");
    expect(tested).toEqual({ ok: false, refusal: "The test gave way to a proposal for the flag; the flag is as it was." });
    expect(await world.open()).toEqual([]);
    await world.click(proposal);
    await world.passes(1);
    expect(await world.state(proposal)).toBe("verifying");
    expect(world.flags).toMatchObject({ pinned: false, percent: 0 });
  });

  it("whose process died is put back for a wish by the process that was asked, which says so until then", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "vigil-causal-")), "vigil.db");
    const dead = await testing({
      file,
      context: {
        holder: "a",
        pause: async () => new Promise<never>(() => {}),
      },
    });
    void dead.run();
    await expect.poll(async () => (await dead.open())[0]?.state).toBe("running");
    const asked = await testing({ file, flags: dead.flags, context: { holder: "b" } });
    expect(await asked.fileWish()).toEqual({
      ok: false,
      refusal: "A causal test of flag:new-layout is open; it ends within a minute. Ask again then.",
    });
    await asked.passes(1);
    expect(dead.flags.pinned).toBe(false);
    const proposal = await asked.proposed();
    await asked.click(proposal);
    await asked.passes(1);
    expect(await asked.state(proposal)).toBe("verifying");
  });

  it("ends at a stop, with the flag as it was", async () => {
    let stopped: string | null = null;
    const world = await testing({
      context: {
        stoppedOutside: () => stopped,
        checkpoint: async (point: Checkpoint) => {
          if (point === "pinned") stopped = "the file STOP exists";
        },
      },
    });
    expect(await world.run()).toMatchObject({ ok: false, refusal: expect.stringContaining("stopped") });
    expect(world.flags.pinned).toBe(false);
  });

  it("whose pin was lost on its way is looked at until the pin can no longer come", async () => {
    const world = await testing();
    world.flags.next = "lose-request";
    expect(await world.run()).toMatchObject({ ok: false, refusal: expect.stringContaining("given up") });
    expect(await world.open()).toHaveLength(1);
    // It arrives after all.
    world.flags.pinned = true;
    await world.passes(1);
    expect(world.flags.pinned).toBe(false);
    expect(await world.open()).toEqual([]);
  });

  it("whose pin comes even later, when all was closed, is let go all the same, but not while an action is in flight", async () => {
    const world = await testing();
    world.flags.next = "lose-request";
    await world.run();
    await world.passes(2);
    expect(await world.open()).toEqual([]);
    world.flags.pinned = true;
    const proposal = await world.proposed({ flag: "new-layout", percent: 0 });
    await world.click(proposal);
    await world.passes(2);
    expect(await world.state(proposal)).toBe("verifying");
    expect(world.flags.pinned).toBe(true);
    await world.passes(20);
    expect(world.flags.pinned).toBe(false);
  });

  it("whose flag cannot be put back is tried again by itself, without a restart", async () => {
    const world = await testing({
      context: {
        checkpoint: async (point: Checkpoint) => {
          if (point === "unpinning") world.flags.next = world.flags.asked.length < 3 ? "refuse" : null;
        },
      },
    });
    const outcome = await world.run();
    expect(outcome.ok && outcome.result.restored).toBe(false);
    expect(world.flags.pinned).toBe(true);
    await world.passes(3);
    expect(world.flags.pinned).toBe(false);
    expect(await world.open()).toEqual([]);
  });

  it("that a crash cut off is undone by the next process, once it is overdue or that process is the same one", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "vigil-causal-")), "vigil.db");
    const first = await testing({
      file,
      context: {
        holder: "a",
        checkpoint: async (point: Checkpoint) => (point === "pinned" ? new Promise<never>(() => {}) : undefined),
      },
    });
    void first.run();
    await expect.poll(() => first.flags.pinned).toBe(true);
    const other = await testing({ file, flags: first.flags, context: { holder: "b" } });
    await other.passes(2);
    expect(first.flags.pinned).toBe(true);
    const same = await testing({ file, flags: first.flags, context: { holder: "a" } });
    same.clocks.wall = other.clocks.wall + MINUTE;
    await same.passes(1);
    expect(first.flags.pinned).toBe(false);
    expect(await same.open()).toEqual([]);
  });
});
