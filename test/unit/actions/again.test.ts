import { describe, expect, it } from "vitest";
import type { Proposal } from "../../../src/domain/proposal.ts";
import { HOUR, MINUTE } from "../../../src/domain/time.ts";
import { type ActionWorld, actionWorld } from "../../support/action-world.ts";

const again = async ({ actions }: ActionWorld, { id, rev }: Proposal, more: object = {}) => {
  const now = await actions.get(id);
  const nonce = (now && actions.nonceFor(now)) ?? "";
  return actions.again({ proposalId: id, rev, nonce, actor: "web:ola", name: "Ola", via: "button", ...more });
};

const filedAgain = async (world: ActionWorld, proposal: Proposal): Promise<Proposal> => {
  const { accepted, text, proposal: anew } = await again(world, proposal);
  if (!accepted || !anew) throw new Error(text);
  return anew;
};

const expiredOne = async (options: Parameters<typeof actionWorld>[0] = {}) => {
  const world = await actionWorld(options);
  const proposal = await world.proposed();
  await world.passes(6);
  expect(await world.state(proposal)).toBe("expired");
  return { world, proposal };
};

describe("proposing anew what ended without having run", () => {
  it("files the same wish as things stand now, for the same requester, and a person may approve it", async () => {
    const { world, proposal } = await expiredOne();
    world.flags.percent = 40;
    const said = await again(world, proposal);
    expect(said).toMatchObject({ accepted: true, text: "PRO-2 asks for it anew; it awaits approval." });
    const anew = said.proposal as Proposal;
    const { action, args, requester, confidence, investigationId, reason } = proposal;
    expect(anew).toMatchObject({ action, args, requester, confidence, investigationId, reason, state: "pending" });
    expect(anew.criterion).toEqual(proposal.criterion);
    expect(anew.currentState).toBe("40% on");
    expect(await world.state(proposal)).toBe("superseded");
    expect(await world.outcome(proposal)).toBe("proposed anew as PRO-2");
    const trail = await world.db.selectFrom("audit").select(["actor", "kind", "subject"]).execute();
    expect(trail).toContainEqual({ actor: "web:ola", kind: "proposed_again", subject: "PRO-1" });
    await world.click(anew);
    await world.passes(20);
    expect(await world.state(anew)).toBe("verified");
  });

  it("serves what found its target moved, what a stop cancelled, and what the target refused; the failure stays one", async () => {
    const world = await actionWorld();
    const moved = await world.proposed();
    world.flags.percent = 40;
    await world.click(moved);
    await world.passes(1);
    expect(await world.state(moved)).toBe("stale");
    const second = await filedAgain(world, moved);
    await world.actions.stop("web:maya", "drill");
    expect(await world.state(second)).toBe("cancelled");
    expect(await again(world, second)).toMatchObject({ accepted: false, text: expect.stringContaining("stopped by web:maya") });
    for (const one of ["web:maya", "web:ben"]) await world.actions.resume(one);
    const third = await filedAgain(world, second);
    world.flags.next = "refuse";
    await world.click(third);
    await world.passes(1);
    expect(await world.state(third)).toBe("failed");
    expect(await again(world, third)).toMatchObject({ accepted: true });
    expect(await world.state(third)).toBe("failed");
  });

  it("files one, however many press", async () => {
    const { world, proposal } = await expiredOne();
    const answers = await Promise.all([1, 2, 3].map(() => again(world, proposal)));
    const ids = new Set(answers.filter(({ accepted }) => accepted).map((one) => one.proposal?.id));
    expect(ids.size).toBe(1);
    expect(await world.actions.list({ states: ["pending"] })).toHaveLength(1);
  });

  it("is refused for what was denied or has run, for a forged or outdated button, and for what is long past", async () => {
    const world = await actionWorld();
    const denied = await world.proposed();
    const nonce = world.actions.nonceFor(denied) ?? "";
    await world.click(denied, { verdict: "deny" });
    expect(await again(world, denied, { nonce })).toMatchObject({
      accepted: false,
      text: expect.stringContaining("PRO-1 is denied"),
    });
    expect(await again(world, denied, { proposalId: "PRO-99" })).toMatchObject({ accepted: false });

    const { world: late, proposal } = await expiredOne();
    expect(await again(late, proposal, { nonce: "AAAAAAAAAAAAAAAAAAAAAA" })).toMatchObject({
      accepted: false,
      text: expect.stringContaining("not one of mine"),
    });
    expect(await again(late, proposal, { rev: 2 })).toMatchObject({ accepted: false });
    late.clocks.wall += 13 * HOUR;
    expect(await again(late, proposal)).toMatchObject({
      accepted: false,
      text: expect.stringContaining("more than 12 hours old"),
    });
    expect(await late.actions.list({ states: ["pending"] })).toEqual([]);
  });

  it("is refused when what is stored is not what was proposed", async () => {
    const { world, proposal } = await expiredOne();
    const body = JSON.stringify({ ...proposal, args: { flag: "new-layout", percent: 100 } });
    await world.db.updateTable("proposals").set({ body }).where("id", "=", proposal.id).execute();
    expect(await again(world, proposal)).toMatchObject({
      accepted: false,
      text: expect.stringContaining("not what was proposed"),
    });
    expect(await world.actions.list({ states: ["pending"] })).toEqual([]);
  });

  it("says so when the target cannot be read, and works once it can", async () => {
    const { world, proposal } = await expiredOne();
    world.flags.unreadable = true;
    expect(await again(world, proposal)).toMatchObject({
      accepted: false,
      text: expect.stringContaining("the provider is down"),
    });
    world.flags.unreadable = false;
    world.clocks.wall += MINUTE;
    expect(await again(world, proposal)).toMatchObject({ accepted: true });
  });
});
