import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { START, actionWorld as world } from "../../support/action-world.ts";

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
    await passes(30);
    expect(await state(proposal)).toBe("rolled_back");
    expect((await actions.get(proposal.id))?.outcome).toMatch(/^got worse/);
    expect(flags.percent).toBe(25);
    expect(flags.writes).toHaveLength(2);
  });

  it("is undone when nothing tells that it helped", async () => {
    const { actions, proposed, click, state, passes } = await world({ latency: () => 0.115 });
    const proposal = await proposed();
    await click(proposal);
    await passes(40);
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
    const { fileWish, shown } = await world();
    expect((await fileWish(args)).ok).toBe(false);
    expect(shown).toEqual([]);
  });

  it.each([
    [{ flag: "new-layout", percent: 101 }, "percent may be at most 100"],
    [{ flag: "new-layout", percent: -1 }, "percent must be at least 0"],
    [{ flag: "new-layout" }, "percent must be given as a number"],
    [{ flag: "new-layout", percent: 0, force: true }, "toggle_feature_flag takes no force"],
  ])("says of %j what is wrong in a person's words", async (args, refusal) => {
    expect(await (await world()).fileWish(args)).toMatchObject({ ok: false, refusal });
  });

  it("files the same wish once", async () => {
    const { proposed } = await world();
    expect((await proposed()).id).toBe((await proposed()).id);
  });
});

describe("a restart", () => {
  it("in the middle of a verification goes on with it and writes nothing again", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "vigil-actions-")), "vigil.db");
    const first = await world({ file });
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
