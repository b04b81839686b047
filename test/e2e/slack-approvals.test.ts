import { afterEach, describe, expect, it } from "vitest";
import { DEFAULT_POLICY } from "../../src/actions/index.ts";
import type { Policy } from "../../src/actions/policy.ts";
import { MINUTE } from "../../src/domain/time.ts";
import { HeldBackDigest } from "../../src/flows/held-back.ts";
import { InvestigationRepository } from "../../src/store/investigations.ts";
import { silentLog, until } from "../support/fake-handlers.ts";
import { eventOf, type SlackPost } from "../support/fake-slack.ts";
import { type SlackDesk, slackDesk } from "../support/slack-desk.ts";

/** Checklist of approvals, from the click in Slack to the flag that moves or does not. */

let desk: SlackDesk | null = null;

async function opened(options: Parameters<typeof slackDesk>[0] = {}): Promise<SlackDesk> {
  desk = await slackDesk(options);
  return desk;
}

afterEach(async () => {
  expect(desk?.slack.refused ?? []).toEqual([]);
  await desk?.close();
  desk = null;
});

const texts = (post: SlackPost) => JSON.stringify(post.blocks);
const twoApprovals: Policy = {
  ...DEFAULT_POLICY,
  tiers: { ...DEFAULT_POLICY.tiers, T2: { approvals: 2, requesterMayApprove: false, emoji: true, reason: false } },
};
const count = (kind: string, rows: Awaited<ReturnType<SlackDesk["audit"]>>) => rows.filter((row) => row.kind === kind).length;

describe("who approves", () => {
  it("12: a click or an emoji of somebody outside the approver group changes nothing, is told privately, and is audited", async () => {
    const { slack, proposed, state, told, audit, flags } = await opened();
    const { proposal, card } = await proposed();
    await slack.click("U3CAL", card, "vigil_approve");
    await told("U3CAL", "not among the approvers");
    await slack.react("reaction_added", "U4DEE", "white_check_mark", card);
    await told("U4DEE", "not among the approvers");
    expect(await state(proposal)).toBe("pending");
    expect(flags.writes).toEqual([]);
    expect((await audit()).filter(({ kind }) => kind === "refused").map(({ actor }) => actor)).toEqual([
      "slack:U3CAL",
      "slack:U4DEE",
    ]);
    expect(slack.find("not among the approvers")).toBeUndefined();
  });

  it("13: the requester does not approve an own T2 wish, by button or emoji", async () => {
    const { slack, proposed, state, told } = await opened();
    const { proposal, card } = await proposed({ requester: "slack:U1ANA" });
    await slack.click("U1ANA", card, "vigil_approve");
    await told("U1ANA", "someone else must approve it");
    await slack.react("reaction_added", "U1ANA", "white_check_mark", card);
    await until("both refusals", () => slack.ephemerals.length === 2);
    expect(await state(proposal)).toBe("pending");
  });

  it("13: one person who clicks twice, or clicks and reacts, is one voice where two are needed", async () => {
    const { slack, proposed, state, told, actions } = await opened({ context: { policy: twoApprovals } });
    const { proposal, card } = await proposed();
    await slack.click("U1ANA", card, "vigil_approve");
    await told("U1ANA", "1 more approval needed");
    await slack.click("U1ANA", card, "vigil_approve");
    await slack.react("reaction_added", "U1ANA", "white_check_mark", card);
    await until("the refusals", () => slack.ephemerals.length === 3);
    expect(await state(proposal)).toBe("pending");
    await until("the first voice on the card", () => texts(card).includes("1 of 2"));
    await slack.click("U2BEN", card, "vigil_approve");
    await told("U2BEN", "running it now");
    expect((await actions.get(proposal.id))?.approvals.map(({ user }) => user)).toEqual(["slack:U1ANA", "slack:U2BEN"]);
  });

  it.each([
    ["guest", { is_restricted: true }],
    ["outsider of a shared channel", { team_id: "T0OTHER", is_stranger: true }],
    ["deactivated user", { deleted: true }],
    ["bot user", { is_bot: true }],
  ])("14: a %s is refused even when the group still lists them, and it is audited", async (_who, user) => {
    const { slack, proposed, state, audit } = await opened();
    slack.groups.set("S0ONCALL", ["U9OUT"]);
    slack.users.set("U9OUT", { id: "U9OUT", ...user });
    const { proposal, card } = await proposed();
    await slack.click("U9OUT", card, "vigil_approve");
    await slack.react("reaction_added", "U9OUT", "white_check_mark", card);
    await until("both refusals", () => slack.ephemerals.length === 2);
    expect(await state(proposal)).toBe("pending");
    expect(count("refused", await audit())).toBe(2);
  });

  it("15: when the group cannot be read the answer is no, in time for Slack", async () => {
    const { slack, proposed, state, told } = await opened();
    const { proposal, card } = await proposed();
    slack.fail("usergroups.users.list", { error: "internal_error" }, { retryAfter: 30 }, "hang");
    await slack.click("U1ANA", card, "vigil_approve");
    await told("U1ANA", "I cannot check whether you may approve");
    await slack.click("U2BEN", card, "vigil_approve");
    const { after } = await slack.click("U1ANA", card, "vigil_approve");
    expect(after).toBeLessThan(3_000);
    await until("three refusals", () => slack.ephemerals.filter(({ text }) => text.includes("cannot check")).length === 3);
    expect(await state(proposal)).toBe("pending");
  });

  it("15: with no approvers configured nobody may approve", async () => {
    const { slack, proposed, state, told } = await opened({ rules: () => ({ users: new Set() }) });
    const { proposal, card } = await proposed();
    await slack.click("U1ANA", card, "vigil_approve");
    await told("U1ANA", "not among the approvers");
    expect(await state(proposal)).toBe("pending");
  });

  it("16: an approver who has left the group by the time it would run is no approver", async () => {
    const { slack, proposed, state, clocks, flags } = await opened({ context: { policy: twoApprovals } });
    const { proposal, card } = await proposed();
    await slack.click("U1ANA", card, "vigil_approve");
    slack.groups.set("S0ONCALL", ["U2BEN"]);
    // Membership is kept for a minute at most.
    clocks.wall += 61_000;
    await slack.click("U2BEN", card, "vigil_approve");
    await until("the end", async () => (await state(proposal)) === "cancelled");
    await until("the card", () => texts(card).includes("may not approve any more"));
    expect(flags.writes).toEqual([]);
  });

  it("17, 18: words, whoever they claim to be from, and a thumbs-up change no state", async () => {
    const { slack, proposed, state, flags } = await opened();
    const { proposal, card } = await proposed();
    for (const words of ["I approve", "approved by <@U1ANA>", "yes, do it", ":white_check_mark:", "/vigil approve PRO-1"])
      await slack.mention("U1ANA", words, card.thread_ts);
    await slack.react("reaction_added", "U1ANA", "+1", card);
    await slack.react("reaction_added", "U1ANA", "thumbsup::skin-tone-2", card);
    expect(await slack.command("U1ANA", "approve PRO-1")).toMatchObject({ text: expect.stringContaining("I do not know") });
    await until("the answers", () => slack.thread(card.thread_ts).filter(({ stream }) => stream).length >= 5);
    expect(await state(proposal)).toBe("pending");
    expect(flags.writes).toEqual([]);
  });
});

describe("a reason with each approval", () => {
  const wide: Policy = {
    ...DEFAULT_POLICY,
    services: { shelf: { allowed: true, minimumTier: "T3", actions: {} } },
  };
  const typed = (text: string) => ({ reason: { text: { type: "plain_text_input", value: text } } });
  /** Presses Approve and waits for the form. */
  const press = async ({ slack }: SlackDesk, user: string, card: SlackPost) => {
    const forms = () => slack.views.filter(({ kind }) => kind === "open");
    const before = forms().length;
    await slack.click(user, card, "vigil_approve_reason");
    return until("the form", () => forms()[before]);
  };

  it("is asked for in a form, stands on the card as words that do nothing, and in the audit trail", async () => {
    const one = await opened({ context: { policy: wide } });
    const { slack, proposed, state, told, audit, flags, passes } = one;
    const { proposal, card } = await proposed();
    expect(texts(card)).toContain("0 of 2, each with a reason that everyone reads");
    expect(texts(card)).toContain("An emoji does not approve here");

    expect(JSON.stringify((await press(one, "U1ANA", card)).view)).toContain("new-layout");
    // Blanks are no reason; the form stays open and says so.
    expect((await slack.submit("U1ANA", typed(" \n "))).payload).toMatchObject({
      response_action: "errors",
      errors: { reason: expect.stringContaining("needs a reason with each approval") },
    });
    expect((await slack.submit("U1ANA", typed("x".repeat(501)))).payload).toMatchObject({
      errors: { reason: expect.stringContaining("at most 500 characters") },
    });
    expect(await state(proposal)).toBe("pending");
    const secret = ["xoxb", "123456789012", "abcdefghijkl"].join("-");
    const nasty = `doubled <!channel> <@U2BEN> <https://evil.example|here> *now* ${secret}`;
    expect((await slack.submit("U1ANA", typed(nasty))).payload).toEqual({});
    await told("U1ANA", "1 more approval needed");
    await until("the first voice on the card", () => texts(card).includes("1 of 2 approvals, by somebody else, with a reason"));
    expect(texts(card)).toContain("U1ANA");
    expect(texts(card)).toContain("doubled &lt;!channel&gt; &lt;@U2BEN&gt;");
    expect(texts(card)).not.toMatch(/<[!@]|<https?:/);
    expect(texts(card)).toContain("[redacted Slack token]");

    await press(one, "U2BEN", card);
    await slack.submit("U2BEN", typed("agreed, the runbook says so"));
    await told("U2BEN", "running it now");
    await until("the flag", async () => {
      await passes(1);
      return flags.writes.length === 1;
    });
    const reasons = (await audit()).filter(({ kind }) => kind === "approved").map(({ data }) => JSON.parse(data).reason);
    expect(reasons).toEqual([
      expect.stringMatching(/^doubled <!channel>.*\[redacted Slack token\]$/),
      "agreed, the runbook says so",
    ]);
    await until(
      "both reasons on the decided card",
      () => texts(card).includes("Approved by") && texts(card).includes("agreed, the runbook"),
    );
    expect(JSON.stringify(slack.posts)).not.toContain(secret);
  });

  it("cannot be given by an emoji, nor left out by a forged button; both are told what to press", async () => {
    const { slack, proposed, state, told, audit } = await opened({ context: { policy: wide } });
    const { proposal, card } = await proposed();
    await slack.react("reaction_added", "U1ANA", "white_check_mark", card);
    await told("U1ANA", "which an emoji cannot give: press Approve on the card");
    await slack.click("U2BEN", card, "vigil_approve_reason", { action_id: "vigil_approve" });
    await told("U2BEN", "T3 needs a reason with each approval");
    expect(await state(proposal)).toBe("pending");
    expect(count("refused", await audit())).toBe(2);
  });

  it("24: a form that is sent too late, by a stranger, or over a newer card approves nothing", async () => {
    const one = await opened({ context: { policy: wide } });
    const { slack, proposed, state, clocks, told } = one;
    const { proposal, card } = await proposed();
    await press(one, "U3CAL", card);
    expect((await slack.submit("U3CAL", typed("because"))).payload).toMatchObject({
      errors: { reason: expect.stringContaining("not among the approvers") },
    });
    await press(one, "U1ANA", card);
    clocks.wall += 5 * MINUTE;
    expect((await slack.submit("U1ANA", typed("because"))).payload).toMatchObject({
      errors: { reason: expect.stringContaining("It expired") },
    });
    await until("the expired card", () => !texts(card).includes("vigil_approve"));
    expect(await state(proposal)).toBe("expired");
    const old = {
      ...card,
      blocks: [
        {
          type: "actions",
          elements: [{ type: "button", action_id: "vigil_approve_reason", value: `${proposal.id}.1.${"n".repeat(22)}` }],
        },
      ],
    };
    await slack.click("U1ANA", old as SlackPost, "vigil_approve_reason");
    await told("U1ANA", "too late for that");
  });
});

describe("an approval's life", () => {
  it("19: at 299.9 s a click counts; at 300.0 s it is too late, the card says so, nothing runs", async () => {
    const early = await opened();
    const first = await early.proposed();
    early.clocks.wall = first.proposal.createdAt + 299_900;
    await early.slack.click("U1ANA", first.card, "vigil_approve");
    await early.told("U1ANA", "running it now");
    await early.close();
    const { slack, proposed, clocks, state, told, flags } = await opened();
    const { proposal, card } = await proposed();
    clocks.wall = proposal.createdAt + 300_000;
    await slack.click("U1ANA", card, "vigil_approve");
    await told("U1ANA", "It expired at");
    expect(await state(proposal)).toBe("expired");
    await until("the card's end", () => texts(card).includes("Expired") && !texts(card).includes("vigil_approve"));
    expect(flags.writes).toEqual([]);

    // Who comes too late has it proposed anew, also who may not approve.
    await slack.click("U3CAN", card, "vigil_again");
    await told("U3CAN", "PRO-2 asks for it anew");
    await until(
      "the old card points on",
      () => texts(card).includes("proposed anew as PRO-2") && !texts(card).includes("vigil_again"),
    );
    expect(await state(proposal)).toBe("superseded");
  });

  it("20: a hundred clicks at once, of two approvers and in both ways, are one execution", async () => {
    const { slack, proposed, flags, actions, audit, state } = await opened();
    const { proposal, card } = await proposed();
    await Promise.all(
      Array.from({ length: 100 }, (_, index) => {
        const user = index % 2 === 0 ? "U1ANA" : "U2BEN";
        return index % 10 === 0
          ? slack.react("reaction_added", user, "white_check_mark", card)
          : slack.click(user, card, "vigil_approve");
      }),
    );
    await until("every answer", () => slack.ephemerals.length === 100);
    await actions.settle();
    expect(slack.ephemerals.filter(({ text }) => text.includes("running it now"))).toHaveLength(1);
    expect(flags.writes).toHaveLength(1);
    expect(count("approved", await audit())).toBe(1);
    expect(["executing", "verifying"]).toContain(await state(proposal));
  });

  it("21: of Approve and Deny at once exactly one wins; a denial after the start is told that it is too late", async () => {
    const { slack, proposed, flags, actions, audit, state } = await opened();
    const { proposal, card } = await proposed();
    await Promise.all([slack.click("U1ANA", card, "vigil_approve"), slack.react("reaction_added", "U2BEN", "no_entry", card)]);
    await until("both answers", () => slack.ephemerals.length === 2);
    await actions.settle();
    const rows = await audit();
    expect(count("approved", rows) + count("denied", rows)).toBe(1);
    expect(flags.writes).toHaveLength(count("approved", rows));
    if ((await state(proposal)) !== "denied") {
      await slack.react("reaction_added", "U2BEN", "no_entry", card);
      await until("too late", () => slack.ephemerals.find(({ text }) => /too late/i.test(text)));
    }
  });

  it("21: the reason of a denial is kept, and the card shows who and why", async () => {
    const { slack, proposed, state, audit } = await opened();
    const { proposal, card } = await proposed();
    await slack.click("U2BEN", card, "vigil_deny");
    await until("the form", () => slack.views.find(({ kind }) => kind === "open"));
    await slack.submit("U2BEN", { reason: { text: { type: "plain_text_input", value: "sale begins in ten minutes" } } });
    expect(await state(proposal)).toBe("denied");
    expect((await audit()).at(-1)).toMatchObject({ kind: "denied", actor: "slack:U2BEN" });
    expect((await audit()).at(-1)?.data).toContain("sale begins");
    await until("the card", () => texts(card).includes("Denied") && !texts(card).includes("vigil_approve"));
  });

  it("22: a button with another id, revision or secret, or copied into another message, decides nothing", async () => {
    const { slack, proposed, state, audit, flags } = await opened();
    const { proposal, card } = await proposed();
    const value = String(
      card.blocks
        .flatMap((block) => (block.elements as Record<string, unknown>[] | undefined) ?? [])
        .find(({ action_id: id }) => id === "vigil_approve")?.value,
    );
    const [id = "", rev = "", nonce = ""] = value.split(".");
    const copy = { ...card, ts: "1700000009.000100" };
    const elsewhere = { ...card, channel: "C0OTHER" };
    for (const [post, changed] of [
      [card, `PRO-99.${rev}.${nonce}`],
      [card, `${id}.${Number(rev) + 1}.${nonce}`],
      [card, `${id}.${rev}.${nonce.slice(0, -1)}x`],
      [card, "nonsense"],
      [copy, value],
      [elsewhere, value],
    ] as const)
      await slack.click("U1ANA", post, "vigil_approve", { value: changed });
    await until("six refusals", () => slack.ephemerals.length === 6);
    expect(slack.ephemerals.map(({ text }) => text).join()).not.toContain("running it now");
    expect(await state(proposal)).toBe("pending");
    expect(count("approved", await audit())).toBe(0);
    expect(flags.writes).toEqual([]);
    // The live one still works.
    await slack.click("U1ANA", card, "vigil_approve");
    await until("the run", () => flags.writes.length === 1);
  });

  it("23: the card of an earlier revision is superseded", async () => {
    const { slack, proposed, db, told, state } = await opened();
    const { proposal, card } = await proposed();
    await db
      .updateTable("proposals")
      .set({ rev: 2, body: JSON.stringify({ ...proposal, rev: 2 }) })
      .where("id", "=", proposal.id)
      .execute();
    await slack.click("U1ANA", card, "vigil_approve");
    await told("U1ANA", "superseded");
    expect(await state(proposal)).toBe("pending");
  });

  it("24: a form that was opened in time and sent after the expiry shows the error and decides nothing", async () => {
    const { slack, proposed, clocks, state } = await opened();
    const { proposal, card } = await proposed();
    await slack.click("U1ANA", card, "vigil_deny");
    await until("the form", () => slack.views.find(({ kind }) => kind === "open"));
    clocks.wall = proposal.expiresAt;
    const { payload } = await slack.submit("U1ANA", { reason: { text: { type: "plain_text_input", value: "no" } } });
    expect(payload).toMatchObject({ response_action: "errors", errors: { reason: expect.stringContaining("It expired at") } });
    expect(await state(proposal)).toBe("expired");
  });

  it("25: a clock that was set back revives nothing", async () => {
    const { slack, proposed, clocks, state, told, flags } = await opened();
    const { proposal, card } = await proposed();
    clocks.wall = proposal.createdAt - 600_000;
    await slack.click("U1ANA", card, "vigil_approve");
    await told("U1ANA", "It expired at");
    expect(await state(proposal)).toBe("expired");
    expect(flags.writes).toEqual([]);
  });

  it("26: of thirty proposals in a minute only as many become cards as policy allows; one message says what was held back, also across a restart", async () => {
    const { slack, wish, presenter, store, actions, db, clocks } = await opened();
    const digest = () =>
      new HeldBackDigest({ channel: presenter, memory: new InvestigationRepository(db), now: () => clocks.wall, log: silentLog });
    const before = digest();
    actions.onHeldBack((wish) => before.note(wish));
    const results = [];
    for (let percent = 0; percent < 30; percent++)
      results.push(await wish({ args: { flag: "new-layout", percent: percent % 25 } }));
    const refused = results.filter((one) => !one.ok);
    // Eight cards; five wishes were the same as an earlier one.
    expect(refused).toHaveLength(30 - DEFAULT_POLICY.limits.pendingAtOnce - 5);
    expect(refused.map((one) => (one.ok ? "" : one.refusal)).join()).toMatch(/await a decision already/);
    expect(await before.check()).toBe(false);
    clocks.wall += MINUTE;
    const after = digest();
    expect(await after.check()).toBe(true);
    clocks.wall += MINUTE;
    expect([await after.check(), await digest().check()]).toEqual([false, false]);
    await until("the outbox to empty", async () => (await store.nextAt("slack")) === null);
    await presenter.close();
    const cards = slack.posts.filter(({ metadata }) => String(metadata?.event_payload.subject).startsWith("proposal:"));
    expect(cards).toHaveLength(DEFAULT_POLICY.limits.pendingAtOnce);
    const told = slack.posts.filter((post) => texts(post).includes("held back"));
    expect(told).toHaveLength(1);
    expect(told[0]?.thread_ts).toBeNull();
    expect(told[0]?.text).toMatch(/17 proposals were held back/);
    for (const words of ["flag new-layout", "decide the cards that wait", "limits.pendingAtOnce"])
      expect(texts(told[0] as SlackPost)).toContain(words);
  });
});

describe("after the approval", () => {
  it("51: although Slack refuses, drops and loses, there is one card, which ends right, and one verdict in the thread", async () => {
    const { slack, proposed, passes, state, told } = await opened();
    slack.fail("chat.postMessage", "lost", { retryAfter: 1 }, "drop", "lost");
    const { proposal, card } = await proposed();
    slack.fail("chat.update", { retryAfter: 1 }, "drop", "lost", { error: "internal_error" });
    slack.fail("chat.postMessage", "lost", { retryAfter: 1 });
    await slack.click("U1ANA", card, "vigil_approve");
    await told("U1ANA", "running it now");
    slack.dropConnections();
    await passes(20);
    expect(await state(proposal)).toBe("verified");
    await until("the card's end", () => texts(card).includes("Verified"));
    const verdicts = () => slack.thread(card.thread_ts).filter((post) => post !== card && texts(post).includes("Verified"));
    await until("the verdict", () => verdicts()[0]);
    const subjects = slack.posts.map(({ metadata }) => metadata?.event_payload.subject).filter(Boolean);
    expect(subjects.filter((subject) => subject === `proposal:${proposal.id}`)).toHaveLength(1);
    expect(new Set(subjects).size).toBe(subjects.length);
    expect(verdicts()).toHaveLength(1);
  });

  it("52: with the model down, commands, approval, verification and the kill switch work", async () => {
    const down = () => Promise.reject(new Error("the model is down"));
    const { slack, proposed, wish, passes, state, told } = await opened({ ask: down });
    const asked = await slack.mention("U1ANA", "why is it slow?");
    await until("an apology", () => slack.thread(asked.ts).find((post) => post.text.includes("could not answer")));
    expect(await slack.command("U1ANA", "status")).toMatchObject({ text: expect.stringContaining("Ready") });
    expect(await slack.command("U1ANA", "help")).toMatchObject({ text: expect.stringContaining("/vigil stop") });
    expect(await slack.command("U1ANA", "report")).toMatchObject({ response_type: "ephemeral" });
    expect(await slack.command("U1ANA", "investigate shelf")).toMatchObject({ text: expect.stringContaining("INV-2") });
    expect(await slack.command("U1ANA", "investigate nonsense")).toMatchObject({
      text: expect.stringContaining("I know: shelf"),
    });
    const { proposal, card } = await proposed();
    await slack.click("U1ANA", card, "vigil_approve");
    await told("U1ANA", "running it now");
    await passes(20);
    expect(await state(proposal)).toBe("verified");
    const second = await wish({ args: { flag: "new-layout", percent: 5 } });
    expect(second.ok).toBe(true);
    expect(await slack.command("U3CAL", "stop the sale begins")).toMatchObject({ response_type: "in_channel" });
    expect(second.ok && (await state(second.proposal))).toBe("cancelled");
    expect(await slack.command("U1ANA", "resume")).toMatchObject({ text: expect.stringContaining("1 more approver") });
    expect(await slack.command("U3CAL", "resume")).toMatchObject({ text: expect.stringContaining("Only approvers") });
    expect(await slack.command("U2BEN", "resume")).toMatchObject({ text: "Going on." });
  });

  it("a decision by emoji is audited as one, and a tier that policy keeps from emoji needs the button", async () => {
    const noEmoji: Policy = {
      ...DEFAULT_POLICY,
      tiers: { ...DEFAULT_POLICY.tiers, T2: { approvals: 1, requesterMayApprove: false, emoji: false, reason: false } },
    };
    const strict = await opened({ context: { policy: noEmoji } });
    const first = await strict.proposed();
    expect(texts(first.card)).toContain("T2 needs the button");
    await strict.slack.react("reaction_added", "U1ANA", "white_check_mark", first.card);
    await strict.told("U1ANA", "needs the button");
    expect(await strict.state(first.proposal)).toBe("pending");
    await strict.close();
    const { slack, proposed, flags, audit } = await opened();
    const { card } = await proposed();
    expect(texts(card)).toContain(":white_check_mark: approves");
    await slack.react("reaction_added", "U1ANA", "white_check_mark", card);
    await until("the run", () => flags.writes.length === 1);
    expect((await audit()).find(({ kind }) => kind === "approved")?.data).toContain('"via":"emoji"');
  });

  it("the card that needs a decision is shown in the channel, too; what follows is not", async () => {
    const { slack, proposed, presenter } = await opened();
    const { card } = await proposed();
    expect(card.broadcast).toBe(true);
    await presenter.tell("INV-1", "**Verified.**");
    await until("the verdict", () => slack.posts.find((post) => texts(post).includes("*Verified.*") && !post.broadcast));
    await slack.event(eventOf("message", slack.write("U1ANA", "thanks all", card.thread_ts)));
  });
});
