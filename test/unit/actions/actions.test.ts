import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { rollBackDeploy } from "../../../src/actions/catalogue/roll-back-deploy.ts";
import { toggleFeatureFlag } from "../../../src/actions/catalogue/toggle-feature-flag.ts";
import { type ActionContext, Actions, DEFAULT_POLICY } from "../../../src/actions/index.ts";
import { causalEffect } from "../../../src/diagnosis/causal-test.ts";
import type { Proposal } from "../../../src/domain/proposal.ts";
import { MINUTE } from "../../../src/domain/time.ts";
import { verifyAudit } from "../../../src/store/audit.ts";
import { ProposalRepository } from "../../../src/store/proposals.ts";
import { openStateDatabase } from "../../../src/store/state.ts";
import { FakeFlags, noDeploys, steppedMetrics } from "../../support/fake-targets.ts";

const START = Date.UTC(2026, 10, 24, 3);

/** A world in which time passes only when the test says so. `latency` tells the level at a time, given when the flag was lowered. */
async function world(
  options: {
    latency?: (at: number, loweredAt: number | null) => number | null;
    context?: Partial<ActionContext>;
    file?: string;
    flags?: FakeFlags;
  } = {},
) {
  const flags = options.flags ?? new FakeFlags();
  const clocks = { telemetry: START, wall: START };
  let loweredAt: number | null = null;
  const latency = options.latency ?? ((at, lowered) => (lowered !== null && at >= lowered ? 0.1 : 0.115));
  const file = options.file ?? join(mkdtempSync(join(tmpdir(), "vigil-actions-")), "vigil.db");
  const db = await openStateDatabase(file);
  const store = new ProposalRepository(db, () => clocks.wall);
  const shown: Proposal[] = [];
  const actions = new Actions(
    {
      store,
      catalogue: [toggleFeatureFlag(flags), rollBackDeploy(noDeploys)],
      flags,
      metrics: steppedMetrics((at) => latency(at, loweredAt)),
      policy: DEFAULT_POLICY,
      graph: async () => ({ nodes: ["front", "shelf"], edges: [{ caller: "front", callee: "shelf", calls: 9 }] }),
      catalog: async () => [{ name: "shelf", description: "", owner: "books", tier: 2, dependsOn: [] }],
      isApprover: async (actor) => actor.startsWith("web:"),
      stoppedOutside: () => null,
      clock: { now: () => clocks.telemetry, speed: 1 },
      now: () => clocks.wall,
      key: Buffer.alloc(32, 1),
      step: MINUTE,
      approvalTtl: 5 * MINUTE,
      verificationWindow: 15 * MINUTE,
      causalWindow: 15 * MINUTE,
      log: pino({ level: "silent" }),
      ...options.context,
    },
    causalEffect,
  );
  actions.onChange((proposal) => {
    shown.push(proposal);
    if (proposal.state === "verifying") loweredAt ??= clocks.telemetry;
  });
  const file1 = (args: object = { flag: "new-layout", percent: 0 }, requester = "vigil") =>
    actions.file({
      action: "toggle_feature_flag",
      args: args as Record<string, unknown>,
      reason: "because",
      expectedEffect: "latency goes down",
      watch: { service: "shelf", signal: "latency", direction: "down", since: START - 30 * MINUTE },
      confidence: 0.9,
      investigationId: "INV-1",
      requester,
    });
  const proposed = async () => {
    const filed = await file1();
    if (!filed.ok) throw new Error(filed.refusal);
    return filed.proposal;
  };
  const click = (proposal: Proposal, more: Partial<Parameters<Actions["decide"]>[0]> = {}) =>
    actions.decide({
      proposalId: proposal.id,
      rev: proposal.rev,
      nonce: actions.nonceFor(proposal) ?? "",
      verdict: "approve",
      reason: null,
      actor: "web:maya",
      name: "Maya",
      via: "button",
      ...more,
    });
  const state = async (proposal: Proposal) => (await actions.get(proposal.id))?.state;
  const passes = async (minutes: number) => {
    for (let minute = 0; minute < minutes; minute++) {
      clocks.telemetry += MINUTE;
      await actions.settle();
    }
  };
  return { actions, clocks, db, file, flags, store, shown, file1, proposed, click, state, passes };
}

describe("an approved action", () => {
  it("runs once, is watched, and is verified when the signal comes down", async () => {
    const { flags, proposed, click, state, passes, shown } = await world();
    const proposal = await proposed();
    expect(proposal).toMatchObject({
      state: "pending",
      risk: { tier: "T2" },
      neededApprovals: 1,
      summary: "flag new-layout in production: 25% on → 0% on",
    });
    expect(flags.percent).toBe(25);
    expect(await click(proposal)).toMatchObject({ accepted: true });
    await passes(16);
    expect(await state(proposal)).toBe("verified");
    expect(flags.percent).toBe(0);
    expect(flags.writes).toHaveLength(1);
    expect(shown.map((one) => one.state)).toEqual(["pending", "approved", "executing", "verifying", "verified"]);
  });

  it("is undone once, by itself, when the signal got worse", async () => {
    const { actions, flags, proposed, click, state, passes } = await world({
      latency: (at, lowered) => (lowered !== null && at >= lowered ? 0.16 : 0.115),
    });
    const proposal = await proposed();
    await click(proposal);
    await passes(16);
    expect(await state(proposal)).toBe("rolled_back");
    expect((await actions.get(proposal.id))?.outcome).toMatch(/^got worse/);
    expect(flags.percent).toBe(25);
    expect(flags.writes).toHaveLength(2);
  });

  it("is undone when nothing tells that it helped", async () => {
    const { actions, proposed, click, state, passes } = await world({ latency: () => 0.115 });
    const proposal = await proposed();
    await click(proposal);
    await passes(20);
    expect(await state(proposal)).toBe("rolled_back");
    expect((await actions.get(proposal.id))?.outcome).toMatch(/^no evidence of help/);
  });

  it("is never called verified when the metrics fall silent: people are asked", async () => {
    const { flags, proposed, click, state, passes } = await world({ latency: (at) => (at >= START ? null : 0.115) });
    const proposal = await proposed();
    await click(proposal);
    await passes(25);
    expect(await state(proposal)).toBe("unknown");
    expect(flags.percent).toBe(0);
  });

  it("is not run when the target moved since, nor when the write is refused", async () => {
    const moved = await world();
    const proposal = await moved.proposed();
    moved.flags.percent = 40;
    await moved.click(proposal);
    await moved.passes(1);
    expect(await moved.state(proposal)).toBe("stale");
    expect(moved.flags.writes).toEqual([]);
  });
});

describe("an approval", () => {
  it("counts until 299.9 s and not from 300.0 s on", async () => {
    const early = await world();
    const first = await early.proposed();
    early.clocks.wall += 299_900;
    expect(await early.click(first)).toMatchObject({ accepted: true });

    const late = await world();
    const second = await late.proposed();
    late.clocks.wall += 300_000;
    expect(await late.click(second)).toMatchObject({ accepted: false, text: expect.stringContaining("expired") });
    expect(await late.state(second)).toBe("expired");
    expect(late.flags.writes).toEqual([]);
  });

  it("is refused when the clock was set back before the proposal", async () => {
    const { clocks, proposed, click } = await world();
    const proposal = await proposed();
    clocks.wall -= 10 * MINUTE;
    expect((await click(proposal)).accepted).toBe(false);
  });

  it("of a hundred clicks at once, one wins and one execution runs", async () => {
    const { flags, proposed, click, state, passes } = await world();
    const proposal = await proposed();
    const replies = await Promise.all(Array.from({ length: 100 }, (_, index) => click(proposal, { actor: `web:user${index}` })));
    expect(replies.filter(({ accepted }) => accepted)).toHaveLength(1);
    await passes(16);
    expect(await state(proposal)).toBe("verified");
    expect(flags.writes).toHaveLength(1);
  });

  it("and a denial at once: exactly one wins", async () => {
    const { proposed, click } = await world();
    const proposal = await proposed();
    const replies = await Promise.all([click(proposal), click(proposal, { verdict: "deny", actor: "web:jonas", reason: "no" })]);
    expect(replies.filter(({ accepted }) => accepted)).toHaveLength(1);
  });

  it.each([
    ["an altered nonce", { nonce: "AAAAAAAAAAAAAAAAAAAAAA" }],
    ["another revision", { rev: 2 }],
    ["another proposal", { proposalId: "PRO-99" }],
    ["somebody who is no approver", { actor: "slack:U1" }],
  ])("is refused with %s, and nothing runs", async (_what, altered) => {
    const { flags, proposed, click, state } = await world();
    const proposal = await proposed();
    expect((await click(proposal, altered)).accepted).toBe(false);
    expect(await state(proposal)).toBe("pending");
    expect(flags.writes).toEqual([]);
  });

  it("is refused when approvers cannot be looked up", async () => {
    const { proposed, click, state } = await world({ context: { isApprover: () => Promise.reject(new Error("timeout")) } });
    const proposal = await proposed();
    expect((await click(proposal)).text).toContain("cannot check");
    expect(await state(proposal)).toBe("pending");
  });

  it("of one's own wish is refused from T2 on", async () => {
    const { file1, click } = await world();
    const filed = await file1(undefined, "web:maya");
    if (!filed.ok) throw new Error(filed.refusal);
    expect((await click(filed.proposal)).text).toContain("someone else must approve");
  });

  it("does not run while everything is stopped, and resuming needs two", async () => {
    const { actions, flags, proposed, click, state, file1 } = await world();
    const proposal = await proposed();
    await actions.stop("web:jonas", "drill");
    expect(await state(proposal)).toBe("cancelled");
    expect((await click(proposal)).accepted).toBe(false);
    expect((await file1()).ok).toBe(false);
    expect(await actions.resume("web:jonas")).toContain("1 more");
    expect(await actions.resume("web:jonas")).toContain("1 more");
    expect(await actions.resume("web:maya")).toBe("Going on.");
    expect((await file1()).ok).toBe(true);
    expect(flags.writes).toEqual([]);
  });
});

describe("filing", () => {
  it.each([
    [{ flag: "*", percent: 0 }],
    [{ flag: "../etc/passwd", percent: 0 }],
    [{ flag: "new-layout;rm -rf", percent: 0 }],
    [{ flag: "x".repeat(10_000), percent: 0 }],
    [{ flag: "new-layout", percent: 101 }],
    [{ flag: "new-layout", percent: "0" }],
    [{ flag: "new-layout", percent: 0, force: true }],
    [{ percent: 0 }],
    [{ flag: "unknown-flag", percent: 0 }],
  ])("refuses %j before anybody sees a card", async (args) => {
    const { file1, shown } = await world();
    expect((await file1(args)).ok).toBe(false);
    expect(shown).toEqual([]);
  });

  it("files the same wish once", async () => {
    const { proposed } = await world();
    expect((await proposed()).id).toBe((await proposed()).id);
  });

  it("binds exactly what is shown, for many different wishes", async () => {
    const { actions, flags, file1, store } = await world({
      context: { policy: { ...DEFAULT_POLICY, limits: { ...DEFAULT_POLICY.limits, pendingAtOnce: 1_000 } } },
    });
    const digests = new Set<string>();
    for (let index = 0; index < 200; index++) {
      flags.percent = 1 + (index % 97);
      const filed = await file1({ flag: "new-layout", percent: (index * 7) % 101 });
      if (!filed.ok) continue;
      const stored = await store.get(filed.proposal.id);
      expect(stored?.proposal).toEqual(filed.proposal);
      expect(filed.proposal.summary).toContain(`${filed.proposal.args.percent}% on`);
      digests.add(filed.proposal.digest);
    }
    expect(digests.size).toBe((await actions.list()).length);
  });
});

describe("a restart", () => {
  it("in the middle of a verification goes on with it and writes nothing again", async () => {
    const first = await world();
    const proposal = await first.proposed();
    await first.click(proposal);
    await first.passes(2);
    expect(await first.state(proposal)).toBe("verifying");
    await first.db.destroy();

    const second = await world({ file: first.file, flags: first.flags, latency: (at) => (at > START ? 0.1 : 0.115) });
    second.clocks.telemetry = first.clocks.telemetry;
    await second.actions.settle();
    await second.passes(16);
    expect(await second.state(proposal)).toBe("verified");
    expect(first.flags.writes).toHaveLength(1);
  });
});

describe("the audit trail", () => {
  it("names the first row that was edited, missing or cut", async () => {
    const { db, proposed, click, passes } = await world();
    await click(await proposed());
    await passes(16);
    const whole = await verifyAudit(db as never, null);
    expect(whole).toMatchObject({ broken: null });
    expect(whole.rows).toBeGreaterThanOrEqual(5);
    const anchor = { seq: whole.rows, hash: whole.head };

    await db.updateTable("audit").set({ actor: "web:mallory" }).where("seq", "=", 2).execute();
    expect((await verifyAudit(db as never, anchor)).broken).toEqual({ seq: 2, why: "its content was changed" });
    await db.deleteFrom("audit").where("seq", "=", 2).execute();
    expect((await verifyAudit(db as never, anchor)).broken).toEqual({ seq: 3, why: "row 2 is missing" });
    await db.deleteFrom("audit").where("seq", ">", 1).execute();
    expect((await verifyAudit(db as never, anchor)).broken?.why).toContain("the tail was cut");
  });
});
