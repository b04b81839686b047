import { createHash } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../../src/actions/digest.ts";
import { DEFAULT_POLICY, type Policy } from "../../../src/actions/index.ts";
import type { MetricSource } from "../../../src/domain/telemetry.ts";
import { verifyAudit } from "../../../src/store/audit.ts";
import { actionWorld, START, type WorldOptions } from "../../support/action-world.ts";
import { steppedMetrics } from "../../support/fake-targets.ts";

/** The numbers are those of the checklist "bad input tried → expected result": what runs, how it is verified and undone, and the trail. */

const policy = (changed: Partial<Policy>): Policy => ({ ...DEFAULT_POLICY, ...changed });
const worse = (at: number, changed: number | null) => (changed !== null && at >= changed ? 0.16 : 0.115);

describe("what may be asked for", () => {
  it.each([
    ["*", { flag: "*", percent: 0 }],
    ["a path", { flag: "../etc/passwd", percent: 0 }],
    ["a command", { flag: "new-layout;rm -rf", percent: 0 }],
    ["a name of 10 kB", { flag: "x".repeat(10_000), percent: 0 }],
    ["too much", { flag: "new-layout", percent: 101 }],
    ["no number", { flag: "new-layout", percent: "0" }],
    ["infinity", { flag: "new-layout", percent: Number.POSITIVE_INFINITY }],
    ["an extra argument", { flag: "new-layout", percent: 0, force: true }],
    ["a missing argument", { percent: 0 }],
  ])("27: %s is refused by the schema, before anybody sees a card", async (_what, args) => {
    const world = await actionWorld();
    // Not even the target is asked about it.
    world.flags.list = () => Promise.reject(new Error("asked the target"));
    expect((await world.fileWish(args)).ok).toBe(false);
    expect(world.shown).toEqual([]);
  });

  it("27: an action outside the catalogue is refused", async () => {
    const world = await actionWorld();
    for (const action of ["delete_database", "constructor", "", "toggle_feature_flag "]) {
      expect(await world.fileWish(undefined, { action })).toMatchObject({ ok: false });
    }
    expect(world.shown).toEqual([]);
  });

  it("28: a target that is not in the inventory, or whose name only looks like one that is, is refused", async () => {
    const world = await actionWorld();
    for (const flag of ["other-layout", "new-lаyout", "new-layout\u200b", "NEW-LAYOUT"]) {
      expect((await world.fileWish({ flag, percent: 0 })).ok).toBe(false);
    }
    const limited = await actionWorld({
      context: {
        policy: policy({ actions: { toggle_feature_flag: { allowed: true, environments: ["staging", "prοduction"] } } }),
      },
    });
    expect(await limited.fileWish()).toMatchObject({ refusal: expect.stringContaining("not in production") });
    expect(world.shown).toEqual([]);
  });

  it("30: no approval is offered when the dry run fails or hangs", async () => {
    const down = await actionWorld();
    down.flags.unreadable = true;
    expect(await down.fileWish()).toMatchObject({ ok: false, refusal: expect.stringContaining("provider is down") });
    const hanging = await actionWorld();
    hanging.flags.list = () => new Promise(() => {});
    expect(await hanging.fileWish()).toMatchObject({ ok: false, refusal: expect.stringContaining("no answer") });
    expect([...down.shown, ...hanging.shown]).toEqual([]);
  });

  it("30: what the dry run says at the moment of running must be what the card said", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    // Same fingerprint, other services: the blast radius on the card no longer holds.
    world.flags.services = ["shelf", "till"];
    await world.click(proposal);
    await world.passes(1);
    expect(await world.state(proposal)).toBe("stale");
    expect(await world.outcome(proposal)).toContain("services");
    expect(world.flags.asked).toEqual([]);
  });
});

describe("what runs", () => {
  it("29: a target that moved between card and click is not touched", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    // By nothing that the card shows: only the fingerprint tells.
    world.flags.pinned = true;
    await world.click(proposal);
    await world.passes(1);
    expect(await world.state(proposal)).toBe("stale");
    expect(world.flags.asked).toEqual([]);
  });

  it("29: a target that moves in the last moment refuses the write itself", async () => {
    const world = await actionWorld({ context: { checkpoint: async (point) => (point === "claimed" ? move() : undefined) } });
    const move = async () => {
      world.flags.percent = 40;
    };
    const proposal = await world.proposed();
    await world.click(proposal);
    await world.passes(1);
    expect(await world.state(proposal)).toBe("stale");
    expect(world.flags.percent).toBe(40);
    expect(world.flags.writes).toEqual([]);
  });

  it.each([
    ["in the database", false],
    ["by file or environment", true],
  ])("31: a stop %s between approval and claim is seen by the claim", async (_where, outside) => {
    let stopFile: string | null = null;
    const world = await actionWorld({
      context: {
        stoppedOutside: () => stopFile,
        checkpoint: async (point) => {
          if (point !== "checked") return;
          if (outside) stopFile = "the file STOP exists";
          // Set without cancelling anything: only the claim itself can notice.
          else
            await world.db.insertInto("switches").values({ name: "stop", by: "web:jonas", reason: "drill", at: START }).execute();
        },
      },
    });
    const proposal = await world.proposed();
    await world.click(proposal);
    await world.passes(1);
    expect(await world.state(proposal)).toBe("cancelled");
    expect(world.flags.asked).toEqual([]);
  });

  it("31: a stop cancels what waits, lets nobody approve or file, and is lifted only by two approvers", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    const nonce = world.actions.nonceFor(proposal) ?? "";
    await world.actions.stop("web:jonas", "drill");
    expect(await world.state(proposal)).toBe("cancelled");
    expect((await world.click(proposal, { nonce })).accepted).toBe(false);
    expect((await world.fileWish()).ok).toBe(false);
    expect(await world.actions.resume("slack:U9")).toContain("Only approvers");
    expect(await world.actions.resume("web:jonas")).toContain("1 more");
    expect(await world.actions.resume("web:jonas")).toContain("1 more");
    expect(await world.actions.resume("web:maya")).toBe("Going on.");
    expect((await world.fileWish()).ok).toBe(true);
    expect(world.flags.asked).toEqual([]);
  });

  it.each([
    ["finish", "verified", 0],
    ["rollBack", "rolled_back", 25],
  ] as const)("31: a stop during a run follows the policy %s", async (onStop, end, percent) => {
    const world = await actionWorld({ context: { policy: policy({ onStop }) } });
    const proposal = await world.proposed();
    await world.click(proposal);
    await world.passes(2);
    expect(await world.state(proposal)).toBe("verifying");
    await world.actions.stop("web:jonas", "drill");
    await world.passes(16);
    expect(await world.state(proposal)).toBe(end);
    expect(world.flags.percent).toBe(percent);
  });

  it("32: limits, freezes and locks refuse by name, and are judged again in the claiming transaction", async () => {
    const limits = { ...DEFAULT_POLICY.limits, perTargetPerHour: 1 };
    const world = await actionWorld({ context: { policy: policy({ limits }) } });
    const first = await world.proposed({ flag: "new-layout", percent: 10 });
    const second = await world.proposed({ flag: "new-layout", percent: 5 });
    await world.click(first);
    await world.passes(1);
    expect(await world.state(first)).toBe("verifying");
    await world.click(second);
    await world.passes(1);
    expect(["stale", "cancelled"]).toContain(await world.state(second));
    await world.passes(16);
    expect(await world.fileWish({ flag: "new-layout", percent: 3 })).toMatchObject({
      refusal: expect.stringContaining("limits.perTargetPerHour"),
    });

    const frozen = await actionWorld({
      context: {
        policy: policy({
          freeze: [
            {
              from: new Date(START + 60_000).toISOString(),
              to: new Date(START + 600_000).toISOString(),
              reason: "year end",
              environments: [],
              services: [],
            },
          ],
        }),
      },
    });
    const before = await frozen.proposed();
    frozen.clocks.wall += 120_000;
    await frozen.click(before);
    await frozen.actions.settle();
    expect(await frozen.state(before)).toBe("cancelled");
    expect(await frozen.outcome(before)).toContain("year end");
    expect(await frozen.fileWish({ flag: "new-layout", percent: 3 })).toMatchObject({
      refusal: expect.stringContaining("year end"),
    });
    expect(frozen.flags.asked).toEqual([]);
  });

  it("32: a target that something else holds is left alone, whatever it looks like", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    await world.db.insertInto("locks").values({ target: proposal.target, proposal_id: "PRO-99" }).execute();
    await world.click(proposal);
    await world.passes(1);
    expect(await world.state(proposal)).toBe("stale");
    expect(await world.outcome(proposal)).toContain("PRO-99 is in flight");
    expect(world.flags.asked).toEqual([]);
  });

  it("32: two actions of two proposals claimed in the same moment on one target: one runs", async () => {
    const world = await actionWorld();
    const [one, two] = [await world.proposed({ flag: "new-layout", percent: 10 }), await world.proposed()];
    await Promise.all([world.click(one), world.click(two, { actor: "web:jonas" })]);
    await world.actions.settle();
    const states = [await world.state(one), await world.state(two)];
    expect(states.filter((state) => state === "verifying")).toHaveLength(1);
    expect(world.flags.writes).toHaveLength(1);
  });

  it("33: a refusal of the target ends the run with nothing changed", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    world.flags.next = "refuse";
    await world.click(proposal);
    await world.passes(1);
    expect(await world.state(proposal)).toBe("failed");
    expect(world.flags.percent).toBe(25);
  });

  it("33: an answer that was lost is settled by reading the target, never by sending again", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    world.flags.next = "lose-response";
    await world.click(proposal);
    await world.passes(17);
    expect(await world.state(proposal)).toBe("verified");
    expect(world.flags.asked).toHaveLength(1);
  });

  it.each(["lose-request", "hang"] as const)(
    "33: when the request may still arrive (%s), it is waited for, then handed to people",
    async (next) => {
      const world = await actionWorld();
      const proposal = await world.proposed();
      world.flags.next = next;
      await world.click(proposal);
      await world.actions.settle();
      expect(await world.state(proposal)).toBe("executing");
      await world.passes(5);
      expect(await world.state(proposal)).toBe("unknown");
      expect(world.flags.asked).toHaveLength(1);
      expect(world.pages[0]).toContain(proposal.id);
      // Nothing more is tried on that target for a while.
      expect(await world.fileWish({ flag: "new-layout", percent: 3 })).toMatchObject({
        refusal: expect.stringContaining("rests until"),
      });
    },
  );

  it("33: a request that arrives late is noticed and watched", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    world.flags.next = "lose-request";
    await world.click(proposal);
    await world.actions.settle();
    world.flags.percent = 0;
    await world.passes(17);
    expect(await world.state(proposal)).toBe("verified");
  });

  it("33: a target that cannot be read back is handed to people", async () => {
    const world = await actionWorld({
      context: {
        checkpoint: async (point) => {
          if (point === "sent") world.flags.unreadable = true;
        },
      },
    });
    const proposal = await world.proposed();
    await world.click(proposal);
    await world.passes(5);
    expect(await world.state(proposal)).toBe("unknown");
    expect(await world.outcome(proposal)).toContain("cannot be read back");
  });
});

describe("what is verified", () => {
  it("35: a signal that got worse is undone once, read back, told, and counted by the breaker", async () => {
    const world = await actionWorld({ latency: worse });
    const proposal = await world.proposed();
    await world.click(proposal);
    await world.passes(30);
    expect(await world.state(proposal)).toBe("rolled_back");
    expect(await world.outcome(proposal)).toMatch(
      /^got worse.*read back as it was; since then no worse than before the action: .* samples$/,
    );
    expect(world.flags.percent).toBe(25);
    expect(world.flags.asked).toHaveLength(2);
    expect(world.pages).toEqual([]);
    await world.passes(90);
    const again = await world.proposed({ flag: "new-layout", percent: 1 });
    await world.click(again);
    await world.passes(50);
    expect(await world.state(again)).toBe("rolled_back");
    await world.passes(90);
    expect(await world.fileWish()).toMatchObject({ refusal: expect.stringContaining("failedVerificationsUntilReadOnly") });
  });

  it("35: no evidence of help is undone as well", async () => {
    const world = await actionWorld({ latency: () => 0.115 });
    const proposal = await world.proposed();
    await world.click(proposal);
    await world.passes(40);
    expect(await world.state(proposal)).toBe("rolled_back");
    expect(await world.outcome(proposal)).toMatch(/^no evidence of help/);
  });

  const steady = steppedMetrics(() => 0.115);
  const down: MetricSource = {
    ...steady,
    red: (query) => (query.to > START + 60_000 ? Promise.reject(new Error("connection refused")) : steady.red(query)),
  };
  it.each<[string, WorldOptions]>([
    ["is down", { context: { metrics: down } }],
    ["is empty", { latency: (at) => (at >= START ? null : 0.115) }],
    ["says NaN", { latency: (at) => (at >= START ? Number.NaN : 0.115) }],
    ["said NaN all along", { latency: () => Number.NaN }],
    ["went stale", { latency: (at) => (at >= START + 180_000 ? null : 0.115) }],
  ])("36: when the metric source %s, it is people who judge: never verified", async (_what, options) => {
    const world = await actionWorld(options);
    const proposal = await world.proposed();
    await world.click(proposal);
    await world.passes(30);
    expect(await world.state(proposal)).toBe("unknown");
    expect(await world.outcome(proposal)).toMatch(/too little data|not verified/);
    expect(world.flags.percent).toBe(0);
    expect(world.pages).toHaveLength(1);
  });

  it("36: data that comes a few steps late is waited for where time runs fast, and only there", async () => {
    for (const [speed, end] of [
      [60, "verified"],
      [1, "unknown"],
    ] as const) {
      let now = START;
      const world = await actionWorld({
        latency: (at, changed) => (at > START && at > now - 7 * 60_000 ? null : changed !== null && at >= changed ? 0.1 : 0.115),
        context: { clock: { now: () => now, speed } },
      });
      const proposal = await world.proposed();
      await world.click(proposal);
      for (let minute = 0; minute < 40; minute++) {
        now += 60_000;
        await world.passes(1);
      }
      expect(await world.state(proposal)).toBe(end);
    }
  });

  it.each<[string, (at: number, changed: number | null) => number | null, string]>([
    [
      "is worse than before the action",
      (at) => (at >= START + 60_000 ? 0.16 : 0.115),
      "yet the signal is worse than before the action",
    ],
    ["falls silent", (at, changed) => (changed !== null ? 0.16 : at < START ? 0.115 : null), "cannot be told (no data arrived"],
  ])(
    "35: an undo after which the signal %s is said to be so, people are called, and nothing more is run",
    async (_what, latency, words) => {
      const world = await actionWorld({ latency });
      const proposal = await world.proposed();
      await world.click(proposal);
      const seen = new Set<string | undefined>();
      for (let minute = 0; minute < 50; minute++) {
        await world.passes(1);
        seen.add(await world.state(proposal));
      }
      expect([...seen]).toEqual(["verifying", "undone", "unknown"]);
      expect(await world.outcome(proposal)).toContain(words);
      expect(world.flags.percent).toBe(25);
      expect(world.flags.asked).toHaveLength(2);
      expect(world.pages).toHaveLength(1);
      expect(world.pages[0]).toContain("put back and read back as it was");
      const kinds = (await world.db.selectFrom("audit").select("kind").execute()).map(({ kind }) => kind);
      expect(kinds.slice(-4)).toEqual(["verifying", "rolling_back", "undone", "unknown"]);
    },
  );

  it("35: what somebody changes while an undo is watched stays, and is not taken for the undo's doing", async () => {
    const world = await actionWorld({ latency: worse });
    const proposal = await world.proposed();
    await world.click(proposal);
    for (let minute = 0; (await world.state(proposal)) !== "undone" && minute < 20; minute++) await world.passes(1);
    world.flags.percent = 3;
    await world.passes(20);
    expect(await world.state(proposal)).toBe("unknown");
    expect(await world.outcome(proposal)).toContain("was changed since");
    expect(world.flags.percent).toBe(3);
    expect(world.flags.asked).toHaveLength(2);
  });

  it("37: an undo that fails is not tried again: people are called, and nothing runs until they have looked", async () => {
    for (const failure of ["refuse", "lose-request", "hang"] as const) {
      const world = await actionWorld({
        latency: worse,
        context: {
          checkpoint: async (point) => {
            if (point === "undo-claimed") world.flags.next = failure;
          },
        },
      });
      const proposal = await world.proposed();
      await world.click(proposal);
      await world.passes(20);
      expect(await world.state(proposal)).toBe("rollback_failed");
      expect(world.flags.asked).toHaveLength(2);
      expect(world.pages).toHaveLength(1);
      expect(await world.fileWish({ flag: "new-layout", percent: 3 })).toMatchObject({
        refusal: expect.stringContaining("undo of"),
      });
    }
  });

  it("37: an undo whose answer was lost is settled by reading the target", async () => {
    const world = await actionWorld({
      latency: worse,
      context: {
        checkpoint: async (point) => {
          if (point === "undo-claimed") world.flags.next = "lose-response";
        },
      },
    });
    const proposal = await world.proposed();
    await world.click(proposal);
    await world.passes(40);
    expect(await world.state(proposal)).toBe("rolled_back");
    expect(world.flags.asked).toHaveLength(2);
  });

  it("37: what a person changed after the action is theirs: it is not undone over their heads", async () => {
    for (const moment of ["before the undo is decided", "in the last moment"]) {
      const world = await actionWorld({ latency: worse });
      const restore = world.flags.restore.bind(world.flags);
      world.flags.restore = (...args) => {
        world.flags.percent = 7;
        return restore(...args);
      };
      const proposal = await world.proposed();
      await world.click(proposal);
      await world.passes(1);
      if (moment !== "in the last moment") world.flags.percent = 7;
      await world.passes(16);
      expect(world.flags.asked).toHaveLength(moment === "in the last moment" ? 2 : 1);
      expect(await world.state(proposal)).toBe("unknown");
      expect(await world.outcome(proposal)).toContain("changed since");
      expect(world.flags.percent).toBe(7);
      expect(world.pages).toHaveLength(1);
    }
  });
});

describe("a crash", () => {
  const POINTS = [
    "decided",
    "checked",
    "claimed",
    "sent",
    "read-back",
    "verifying",
    "sampled",
    "undo-claimed",
    "undo-sent",
    "undo-read-back",
    "undone",
    "undo-sampled",
    "ended",
  ];

  it.each(POINTS)("38: at the point '%s' leads to no second execution, and to an end", async (where) => {
    const file = join(mkdtempSync(join(tmpdir(), "vigil-crash-")), "vigil.db");
    let armed = true;
    let died: () => void = () => {};
    const death = new Promise<void>((resolve) => {
      died = resolve;
    });
    const first = await actionWorld({
      file,
      latency: worse,
      context: {
        checkpoint: (point) => {
          if (!armed || point !== where) return Promise.resolve();
          armed = false;
          died();
          // A process that is gone never comes to its next line.
          return new Promise(() => {});
        },
      },
    });
    const proposal = await first.proposed();
    void first.click(proposal);
    void (async () => {
      while (armed) {
        first.clocks.telemetry += 60_000;
        first.clocks.wall += 60_000;
        await first.actions.settle();
      }
    })();
    await death;

    // As the first process left it: worse from the action until its undoing, which may be the second's.
    const second = await actionWorld({
      file,
      flags: first.flags,
      latency: (at) => (at > START && first.flags.percent < 25 ? 0.16 : 0.115),
    });
    Object.assign(second.clocks, first.clocks);
    await second.passes(60);
    const state = await second.state(proposal);
    expect(["rolled_back", "unknown", "expired"]).toContain(state);
    const keys = first.flags.asked.map(({ idempotencyKey }) => idempotencyKey).filter((key) => !key.endsWith("undo"));
    expect(keys.length).toBeLessThanOrEqual(1);
    if (state === "rolled_back") expect(first.flags.percent).toBe(25);
    expect((await second.db.selectFrom("locks").selectAll().execute()).length).toBe(0);
    expect((await verifyAudit(second.db)).broken).toBeNull();
  });

  it("38: an error in the middle of a run does not leave it hanging until a restart", async () => {
    let fail = true;
    const world = await actionWorld({
      context: {
        checkpoint: async (point) => {
          if (point !== "sent" || !fail) return;
          fail = false;
          throw new Error("out of memory");
        },
      },
    });
    const proposal = await world.proposed();
    await world.click(proposal);
    await world.passes(17);
    expect(await world.state(proposal)).toBe("verified");
    expect(world.flags.asked).toHaveLength(1);
  });

  it("38: with two processes on one store, one looks after what is in flight", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "vigil-two-")), "vigil.db");
    const first = await actionWorld({ file, context: { holder: "a" } });
    const second = await actionWorld({
      file,
      flags: first.flags,
      latency: (at) => (at > START ? 0.1 : 0.115),
      context: { holder: "b" },
    });
    const proposal = await first.proposed();
    await Promise.all([first.click(proposal), second.click(proposal, { actor: "web:jonas" })]);
    for (let minute = 0; minute < 20; minute++) {
      Object.assign(second.clocks, first.clocks);
      await Promise.all([first.passes(1), second.passes(1)]);
    }
    expect(await first.state(proposal)).toBe("verified");
    expect(first.flags.asked).toHaveLength(1);

    // While the first is in charge the second touches nothing; when the first falls silent, the second takes over.
    const waiting = await first.proposed({ flag: "new-layout", percent: 3 });
    await first.actions.settle();
    second.clocks.wall = waiting.expiresAt;
    await first.switches.lease("executor", "a", waiting.expiresAt - 1_000, 20_000);
    await second.actions.settle();
    expect(await first.state(waiting)).toBe("pending");
    second.clocks.wall += 30_000;
    await second.actions.settle();
    expect(await first.state(waiting)).toBe("expired");
  });
});

describe("steps", () => {
  const raise = { flag: "new-layout", percent: 100 };

  it("raising a flag goes in steps that the card shows, each watched before the next", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed(raise);
    expect(proposal.stages?.map(({ state }) => state)).toEqual(["33% on", "63% on", "100% on"]);
    expect(proposal.summary).toBe("flag new-layout in production: 25% on → 33% on → 63% on → 100% on");
    await world.click(proposal);
    const seen = new Set<number>();
    for (let minute = 0; minute < 50; minute++) {
      await world.passes(1);
      seen.add(world.flags.percent);
    }
    expect([...seen]).toEqual([33, 63, 100]);
    expect(await world.state(proposal)).toBe("verified");
    expect(new Set(world.flags.writes).size).toBe(3);
  });

  it("a step that does harm is undone to where it began, and no further step is taken", async () => {
    const world = await actionWorld({ latency: worse });
    const proposal = await world.proposed(raise);
    await world.click(proposal);
    await world.passes(40);
    expect(await world.state(proposal)).toBe("rolled_back");
    expect(world.flags.percent).toBe(25);
    expect(world.flags.writes).toHaveLength(2);
  });

  it("a stop between steps takes no further one and asks people", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed(raise);
    await world.click(proposal);
    await world.passes(2);
    await world.actions.stop("web:jonas", "drill");
    await world.passes(20);
    expect(await world.state(proposal)).toBe("unknown");
    expect(await world.outcome(proposal)).toContain("stands at 33% on");
    expect(world.flags.percent).toBe(33);
  });
});

describe("the trail and the disk", () => {
  it("49: an edited, missing or reordered row is named, a cut tail and a rewritten chain are caught by the anchor", async () => {
    const { db, proposed, click, passes } = await actionWorld();
    await click(await proposed());
    await passes(16);
    const whole = await verifyAudit(db);
    expect(whole).toMatchObject({ broken: null });
    expect(whole.rows).toBeGreaterThanOrEqual(5);
    const anchor = [{ seq: whole.rows, hash: whole.head }];
    const rows = await db.selectFrom("audit").selectAll().orderBy("seq").execute();
    const restore = async () => {
      await db.deleteFrom("audit").execute();
      await db.insertInto("audit").values(rows).execute();
    };

    await db.updateTable("audit").set({ actor: "web:mallory" }).where("seq", "=", 2).execute();
    expect((await verifyAudit(db, anchor)).broken).toEqual({ seq: 2, why: "its content was changed" });
    await db.deleteFrom("audit").where("seq", "=", 2).execute();
    expect((await verifyAudit(db, anchor)).broken).toEqual({ seq: 3, why: "row 2 is missing" });
    await restore();
    await db.updateTable("audit").set({ seq: 99 }).where("seq", "=", 2).execute();
    await db.updateTable("audit").set({ seq: 2 }).where("seq", "=", 3).execute();
    await db.updateTable("audit").set({ seq: 3 }).where("seq", "=", 99).execute();
    expect((await verifyAudit(db)).broken?.seq).toBe(2);
    await restore();
    // Whoever rewrites one row with a fitting hash is betrayed by the next; whoever rewrites them all, by the anchor.
    const forge = async (from: number, to: number) => {
      let previous = rows[from - 2]?.hash ?? "0".repeat(64);
      for (const { hash: _, ...row } of rows.slice(from - 1, to)) {
        const body = { ...row, actor: "web:mallory", prev_hash: previous };
        previous = createHash("sha256").update(canonicalJson(body)).digest("hex");
        await db
          .updateTable("audit")
          .set({ ...body, hash: previous })
          .where("seq", "=", row.seq)
          .execute();
      }
    };
    await forge(2, 2);
    expect((await verifyAudit(db)).broken).toEqual({ seq: 3, why: "it does not follow the row before it" });
    await restore();
    await forge(1, rows.length);
    expect((await verifyAudit(db)).broken).toBeNull();
    expect((await verifyAudit(db, anchor)).broken?.why).toContain("rewritten");
    await restore();
    await db.deleteFrom("audit").where("seq", ">", 1).execute();
    expect((await verifyAudit(db)).broken).toBeNull();
    expect((await verifyAudit(db, anchor)).broken?.why).toContain("the tail was cut");
  });

  it("49: a decision and its audit entry stand or fall together", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    await sql`CREATE TRIGGER full BEFORE INSERT ON audit WHEN NEW.kind = 'approved' BEGIN SELECT RAISE(ABORT, 'disk full'); END`.execute(
      world.db,
    );
    expect((await world.click(proposal)).accepted).toBe(false);
    expect(await world.state(proposal)).toBe("pending");
    expect(await world.db.selectFrom("decisions").selectAll().execute()).toEqual([]);
  });

  it.each(["decisions", "executions", "audit"])(
    "50: when %s can no longer be written, no action runs, and the clicker is told",
    async (table) => {
      const world = await actionWorld();
      const proposal = await world.proposed();
      await sql
        .raw(`CREATE TRIGGER full BEFORE INSERT ON ${table} BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`)
        .execute(world.db);
      const reply = await world.click(proposal);
      await world.passes(1);
      expect(world.flags.asked).toEqual([]);
      if (table !== "executions")
        expect(reply).toMatchObject({ accepted: false, text: expect.stringContaining("cannot write my records") });
      // Reading goes on.
      expect(await world.actions.list()).toHaveLength(1);
    },
  );
});
