import { describe, expect, it } from "vitest";
import { DEFAULT_POLICY, type Policy } from "../../../src/actions/index.ts";
import { proposalCard } from "../../../src/chat/cards/proposal.ts";
import { LONGEST_REASON, type Proposal } from "../../../src/domain/proposal.ts";
import { MINUTE } from "../../../src/domain/time.ts";
import { type ActionWorld, actionWorld } from "../../support/action-world.ts";
import { seededRandom } from "../../support/synthetic-metrics.ts";

/** The numbers are those of the checklist "bad input tried → expected result": who may decide, and how long an approval lives. */

const policy = (changed: Partial<Policy>): Policy => ({ ...DEFAULT_POLICY, ...changed });
const twoNeeded = policy({
  services: { shelf: { allowed: true, minimumTier: "T3", actions: {} } },
});

/** Nothing was decided and nothing ran, and the refusal is on record. */
async function expectUntouched({ db, flags, state }: ActionWorld, proposal: Proposal, audited = true) {
  expect(await state(proposal)).toBe("pending");
  expect(flags.asked).toEqual([]);
  if (!audited) return;
  const refused = await db.selectFrom("audit").selectAll().where("kind", "=", "refused").execute();
  expect(refused.map(({ subject }) => subject)).toContain(proposal.id);
}

describe("authorisation", () => {
  it("12: a click by somebody outside the approvers is refused, changes nothing, and is audited", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    const reply = await world.click(proposal, { actor: "slack:U9" });
    expect(reply).toMatchObject({ accepted: false, text: expect.stringContaining("not among the approvers") });
    await expectUntouched(world, proposal);
  });

  it("13: a requester may not approve a T2 of their own, and one person counts once for T3, under each of their accounts", async () => {
    const own = await actionWorld();
    const mine = await own.proposed(undefined, { requester: "web:maya" });
    expect(mine.risk.tier).toBe("T2");
    expect((await own.click(mine)).text).toContain("someone else must approve");
    await expectUntouched(own, mine);

    const wide = await actionWorld({
      context: { policy: { ...twoNeeded, people: { Maya: ["web:maya", "web:maya-phone"] } } },
    });
    const proposal = await wide.proposed();
    expect(proposal).toMatchObject({ neededApprovals: 2, risk: { tier: "T3" } });
    const why = { reason: "latency doubled" };
    expect((await wide.click(proposal, why)).text).toContain("1 more approval");
    expect((await wide.click(proposal, why)).accepted).toBe(false);
    expect((await wide.click(proposal, { ...why, actor: "web:maya-phone" })).accepted).toBe(false);
    expect(await wide.state(proposal)).toBe("pending");
    expect((await wide.click(proposal, { ...why, actor: "web:jonas" })).accepted).toBe(true);
    await wide.passes(1);
    expect(wide.flags.writes).toHaveLength(1);
  });

  it("15: when the lookup of approvers fails or hangs, the answer is no", async () => {
    for (const isApprover of [() => Promise.reject(new Error("timeout")), () => new Promise<boolean>(() => {})]) {
      const world = await actionWorld({ context: { isApprover } });
      const proposal = await world.proposed();
      expect((await world.click(proposal)).text).toContain("cannot check");
      await expectUntouched(world, proposal);
    }
    const nobody = await actionWorld({ context: { isApprover: async () => false } });
    const proposal = await nobody.proposed();
    expect((await nobody.click(proposal)).accepted).toBe(false);
  });

  it("16: an approver who was removed after approving, and before it ran, no longer counts", async () => {
    let member = true;
    const world = await actionWorld({ context: { isApprover: async () => member } });
    const proposal = await world.proposed();
    world.actions.onChange(({ state }) => {
      if (state === "approved") member = false;
    });
    await world.click(proposal);
    await world.passes(1);
    expect(await world.state(proposal)).toBe("cancelled");
    expect(await world.outcome(proposal)).toContain("may not approve any more");
    expect(world.flags.asked).toEqual([]);
  });

  it("18: an emoji is an approval only where policy lets it be for the tier", async () => {
    const refused = await actionWorld({
      context: { policy: policy({ tiers: { ...DEFAULT_POLICY.tiers, T2: { ...DEFAULT_POLICY.tiers.T2, emoji: false } } }) },
    });
    const proposal = await refused.proposed();
    expect((await refused.click(proposal, { via: "emoji" })).text).toContain("emoji does not count");
    await expectUntouched(refused, proposal);
    const allowed = await actionWorld();
    expect((await allowed.click(await allowed.proposed(), { via: "emoji" })).accepted).toBe(true);
  });

  describe("a reason with each approval", () => {
    const wide = () => actionWorld({ context: { policy: twoNeeded } });

    it("is needed for T3 by default, is not for T2, and stands in proposal and audit trail", async () => {
      expect(DEFAULT_POLICY.tiers).toMatchObject({ T1: { reason: false }, T2: { reason: false }, T3: { reason: true } });
      const world = await wide();
      const proposal = await world.proposed();
      expect(proposal).toMatchObject({ risk: { tier: "T3" }, reasonNeeded: true });
      for (const reason of [null, "", " \n\t ", "\u200b\u2060", "\u202e"])
        expect((await world.click(proposal, { reason })).text).toContain("needs a reason with each approval (tiers.T3.reason)");
      expect((await world.click(proposal, { via: "emoji", reason: null })).text).toContain("press Approve on the card");
      await expectUntouched(world, proposal);

      expect((await world.click(proposal, { reason: "latency\n doubled " })).text).toContain("1 more approval");
      expect((await world.click(proposal, { actor: "web:jonas" })).accepted).toBe(false);
      world.clocks.wall += 1_000;
      expect(await world.state(proposal)).toBe("pending");
      expect((await world.click(proposal, { actor: "web:jonas", reason: "the runbook says so" })).accepted).toBe(true);
      await world.passes(1);
      expect(world.flags.writes).toHaveLength(1);
      expect((await world.actions.get(proposal.id))?.approvals).toMatchObject([
        { user: "web:maya", reason: "latency doubled" },
        { user: "web:jonas", reason: "the runbook says so" },
      ]);
      const rows = await world.db.selectFrom("audit").selectAll().where("kind", "=", "approved").orderBy("seq").execute();
      expect(rows.map(({ data }) => JSON.parse(data).reason)).toEqual(["latency doubled", "the runbook says so"]);

      const usual = await actionWorld();
      const small = await usual.proposed();
      expect(small.reasonNeeded).toBeUndefined();
      expect((await usual.click(small)).accepted).toBe(true);
    });

    it("is redacted before it is stored, is one line, and is refused rather than cut when it is too long", async () => {
      const world = await wide();
      const proposal = await world.proposed();
      const long = await world.click(proposal, { reason: "x".repeat(LONGEST_REASON + 1) });
      expect(long).toMatchObject({
        accepted: false,
        text: expect.stringContaining(`${LONGEST_REASON} characters and this one has ${LONGEST_REASON + 1}`),
      });
      expect((await world.click(proposal, { reason: "😀".repeat(LONGEST_REASON) })).accepted).toBe(true);
      const secret = ["xoxb", "123456789012", "abcdefghijkl"].join("-");
      await world.click(proposal, { actor: "web:jonas", reason: `token ${secret}\u202e\nforged line` });
      const stored = JSON.stringify([
        await world.db.selectFrom("decisions").selectAll().execute(),
        await world.db.selectFrom("audit").selectAll().execute(),
      ]);
      expect(stored).toContain("token [redacted Slack token] forged line");
      expect(stored).not.toContain(secret);
      expect(stored).not.toContain("\u202e");
    });

    it("of a denial is redacted too, and cut: a denial never fails for its words", async () => {
      const world = await wide();
      const proposal = await world.proposed();
      const denied = await world.click(proposal, { verdict: "deny", reason: `password=hunter2 ${"x".repeat(2_000)}` });
      expect(denied.accepted).toBe(true);
      expect(await world.outcome(proposal)).toContain("password=[redacted secret]");
      expect((await world.outcome(proposal))?.length).toBeLessThan(LONGEST_REASON + 50);
    });

    it("that is missing where one was needed makes an approval count for nothing when it would run", async () => {
      const world = await wide();
      const proposal = await world.proposed();
      world.actions.onChange(async ({ state }) => {
        if (state === "approved") await world.db.updateTable("decisions").set({ reason: null }).execute();
      });
      await world.click(proposal, { reason: "latency doubled" });
      await world.click(proposal, { actor: "web:jonas", reason: "so it did" });
      await world.passes(1);
      expect(await world.outcome(proposal)).toContain("fewer approvals than it needs");
      expect(world.flags.writes).toEqual([]);
    });

    it("is asked for by a new card when policy has come to need it since", async () => {
      const policyNow = { ...twoNeeded, tiers: { ...twoNeeded.tiers, T3: { ...twoNeeded.tiers.T3, reason: false } } };
      const world = await actionWorld({ context: { policy: policyNow } });
      const proposal = await world.proposed();
      policyNow.tiers.T3 = { ...policyNow.tiers.T3, reason: true };
      expect((await world.click(proposal, { reason: "latency doubled" })).text).toContain("ask for it in words");
      policyNow.tiers.T3 = { ...policyNow.tiers.T3, reason: false };
      await world.click(proposal);
      await world.click(proposal, { actor: "web:jonas" });
      expect(await world.state(proposal)).toBe("approved");
      policyNow.tiers.T3 = { ...policyNow.tiers.T3, reason: true };
      await world.passes(1);
      expect(await world.outcome(proposal)).toContain("needs a reason with each approval now");
    });
  });
});

describe("the life of an approval", () => {
  it("19: a click at 299.9 s counts, one at 300.0 s does not, and the card says so", async () => {
    const early = await actionWorld();
    const first = await early.proposed();
    early.clocks.wall += 299_900;
    expect(await early.click(first)).toMatchObject({ accepted: true });

    const late = await actionWorld();
    const second = await late.proposed();
    late.clocks.wall += 300_000;
    expect(await late.click(second)).toMatchObject({ accepted: false, text: expect.stringContaining("expired") });
    expect(await late.state(second)).toBe("expired");
    expect(late.shown.at(-1)).toMatchObject({ id: second.id, state: "expired" });
    expect(late.flags.asked).toEqual([]);
  });

  it("19: the deadline is judged when the decision is committed, not when the click arrived", async () => {
    const world = await actionWorld({
      context: {
        // The lookup takes until after the deadline.
        isApprover: async () => {
          world.clocks.wall += 6 * MINUTE;
          return true;
        },
      },
    });
    const proposal = await world.proposed();
    expect(await world.click(proposal)).toMatchObject({ accepted: false, text: expect.stringContaining("expired") });
    await world.passes(1);
    expect(world.flags.asked).toEqual([]);
  });

  it("19: what was approved in time but could not run for half a minute after the deadline does not run", async () => {
    const world = await actionWorld({ context: { checkpoint: async (point) => (point === "checked" ? pause() : undefined) } });
    const pause = async () => {
      world.clocks.wall += 6 * MINUTE;
    };
    const proposal = await world.proposed();
    await world.click(proposal);
    await world.actions.settle();
    expect(await world.state(proposal)).toBe("expired");
    expect(world.flags.asked).toEqual([]);
  });

  it("20: of a hundred clicks in the same moment, one approves and one execution runs", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, index) => world.click(proposal, { actor: `web:user${index % 50}` })),
    );
    expect(replies.filter(({ accepted }) => accepted)).toHaveLength(1);
    await world.passes(1);
    expect(world.flags.asked).toHaveLength(1);
  });

  it("21: of an approval and a denial at once exactly one wins, and a denial after the run began comes too late", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    const replies = await Promise.all([
      world.click(proposal),
      world.click(proposal, { verdict: "deny", actor: "web:jonas", reason: "no" }),
    ]);
    expect(replies.filter(({ accepted }) => accepted)).toHaveLength(1);

    const other = await actionWorld();
    const running = await other.proposed();
    const { nonce } = { nonce: other.actions.nonceFor(running) ?? "" };
    await other.click(running);
    await other.passes(1);
    const late = await other.click(running, { verdict: "deny", actor: "web:jonas", nonce });
    expect(late).toMatchObject({ accepted: false, text: expect.stringContaining("Too late") });
  });

  it.each([
    ["nonce", { nonce: "AAAAAAAAAAAAAAAAAAAAAA" }],
    ["revision", { rev: 2 }],
    ["proposal", { proposalId: "PRO-99" }],
  ])("22: an altered %s is refused", async (_what, altered) => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    expect((await world.click(proposal, altered)).accepted).toBe(false);
    await expectUntouched(world, proposal, !("proposalId" in altered));
  });

  it("23: the card of a revision that was replaced is superseded", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    const oldNonce = world.actions.nonceFor(proposal) ?? "";
    const body = JSON.stringify({ ...proposal, rev: 2 });
    await world.db.updateTable("proposals").set({ rev: 2, body }).where("id", "=", proposal.id).execute();
    const reply = await world.click(proposal, { nonce: oldNonce });
    expect(reply).toMatchObject({ accepted: false, text: expect.stringContaining("superseded") });
    expect(world.flags.asked).toEqual([]);
  });

  it("24: a form that was opened before the deadline and sent after it decides nothing", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    const nonce = world.actions.nonceFor(proposal) ?? "";
    world.clocks.wall += 5 * MINUTE;
    expect((await world.click(proposal, { nonce, verdict: "deny", reason: "typed for long" })).accepted).toBe(false);
    expect(await world.state(proposal)).toBe("expired");
  });

  it("25: a clock that was set back brings no proposal to life", async () => {
    const world = await actionWorld();
    const proposal = await world.proposed();
    world.clocks.wall -= 10 * MINUTE;
    expect((await world.click(proposal)).accepted).toBe(false);
    await world.passes(1);
    expect(await world.state(proposal)).toBe("expired");
    expect(world.flags.asked).toEqual([]);
  });

  it("26: of thirty wishes within a minute only a few become cards, decided or not", async () => {
    const waiting = await actionWorld();
    const filed = await Promise.all(
      Array.from({ length: 30 }, (_, index) => waiting.fileWish({ flag: "new-layout", percent: index / 2 })),
    );
    expect(filed.filter(({ ok }) => ok)).toHaveLength(DEFAULT_POLICY.limits.pendingAtOnce);
    expect(filed.find(({ ok }) => !ok)).toMatchObject({ refusal: expect.stringContaining("pendingAtOnce") });
    expect(waiting.shown).toHaveLength(DEFAULT_POLICY.limits.pendingAtOnce);

    const denying = await actionWorld();
    for (let index = 0; index < 30; index++) {
      const one = await denying.fileWish({ flag: "new-layout", percent: index / 2 });
      if (one.ok) await denying.click(one.proposal, { verdict: "deny" });
      else expect(one.refusal).toContain("proposalsPerHour");
    }
    expect((await denying.actions.list()).length).toBe(DEFAULT_POLICY.limits.proposalsPerHour);
  });
});

describe("what is shown is what runs", () => {
  it("46: over a thousand wishes the card shows byte for byte the arguments that are sent, and nobody changes them in between", async () => {
    const world = await actionWorld({
      context: {
        policy: policy({
          limits: {
            perTargetPerHour: 1e6,
            perServicePerHour: 1e6,
            perDay: 1e6,
            pendingAtOnce: 1e6,
            proposalsPerHour: 1e6,
            cooldownMinutesAfterRollback: 0,
            failedVerificationsUntilReadOnly: 1e6,
          },
        }),
      },
    });
    const { flags } = world;
    const random = seededRandom(7);
    const digests = new Set<string>();
    for (let index = 0; index < 1_000; index++) {
      flags.percent = Math.floor(random() * 101);
      const percent = Math.round(random() * 10_000) / 100;
      if (percent === flags.percent) continue;
      const proposal = await world.proposed({ flag: "new-layout", percent });
      const card = proposalCard({ proposal, nonce: "n" });
      const exact = card.folds.find(({ id }) => id === "exact")?.blocks[0];
      const text = exact?.type === "code" ? exact.text : "";
      expect(/^arguments {4}(.*)$/m.exec(text)?.[1]).toBe(JSON.stringify({ flag: "new-layout", percent }));
      expect(text).toContain(proposal.digest);
      digests.add(proposal.digest);
      // One in forty is run to the end, so that it is the target that says what it got.
      if (index % 40 !== 0) {
        await world.click(proposal, { verdict: "deny" });
        continue;
      }
      await world.click(proposal);
      await world.actions.settle();
      const last = proposal.stages?.[0]?.args.percent ?? percent;
      expect(flags.percent).toBe(last);
      await world.store.move(proposal.id, ["verifying"], "verified", "enough", { actor: "t", kind: "t", subject: "t", data: {} });
    }
    expect(digests.size).toBeGreaterThan(900);
  });

  it.each([
    ["arguments", (one: Proposal) => ({ ...one, args: { flag: "new-layout", percent: 100 } })],
    ["state shown", (one: Proposal) => ({ ...one, wantedState: "0% on, really" })],
    ["number of approvals", (one: Proposal) => ({ ...one, neededApprovals: 0 })],
    ["criterion", (one: Proposal) => ({ ...one, criterion: null })],
    ["deadline", (one: Proposal) => ({ ...one, expiresAt: one.expiresAt + 1 })],
    ["tier", (one: Proposal) => ({ ...one, risk: { ...one.risk, tier: "T1" as const } })],
  ])("46: an approval binds the %s: changed in the store after the click, nothing runs", async (_what, change) => {
    const world = await actionWorld({ context: { checkpoint: async (point) => (point === "checked" ? tamper() : undefined) } });
    const proposal = await world.proposed();
    const tamper = async () => {
      const body = JSON.stringify(change(proposal));
      await world.db.updateTable("proposals").set({ body }).where("id", "=", proposal.id).execute();
    };
    await world.click(proposal);
    await world.actions.settle();
    expect(await world.state(proposal)).toBe("failed");
    expect(await world.outcome(proposal)).toContain("not what was approved");
    expect(world.flags.asked).toEqual([]);
  });
});
