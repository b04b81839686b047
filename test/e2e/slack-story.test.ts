import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { until } from "../support/fake-handlers.ts";
import { BOT, FakeSlack, type SlackPost } from "../support/fake-slack.ts";
import { type RunningVigil, showLogOfFailure, startVigil } from "./app.ts";
import { Channel } from "./channel.ts";
import { HISTORY_DAYS } from "./loaded-demo.ts";

const MINUTES = 60_000;

/** The flag story as somebody lives it in Slack: the real command with its demo, against the fake Slack. */
describe("the incident that never happened, in Slack", { timeout: 10 * MINUTES }, () => {
  // Each try has a world of its own.
  let folder: string;
  let slack: FakeSlack;
  let vigil: RunningVigil;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "vigil-slack-story-"));
    slack = await FakeSlack.start();
    const config = join(folder, "vigil.yaml");
    writeFileSync(config, `demo:\n  enabled: true\n  historyDays: ${HISTORY_DAYS}\nslack:\n  approvers: [U1ANA]\n`);
    vigil = await startVigil(join(folder, "state"), {
      VIGIL_CONFIG: config,
      SLACK_BOT_TOKEN: "xoxb-story",
      SLACK_APP_TOKEN: "xapp-story",
      SLACK_CHANNEL: "C0INC",
      SLACK_API_URL: slack.apiUrl,
    });
    await vigil.ready();
  }, 14 * MINUTES);

  afterEach(async ({ task }) => {
    showLogOfFailure(task, vigil);
    await vigil?.stop();
    await slack?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, MINUTES);

  const texts = (post: SlackPost) => JSON.stringify(post.blocks);
  const said = (post: SlackPost) => `${post.text} ${post.stream?.markdown ?? ""} ${texts(post)}`;
  const subject = (post: SlackPost) => String(post.metadata?.event_payload.subject ?? "");

  it("is posted unasked, explained in the thread, approved by a button and not by everybody, and verified", async () => {
    expect(slack.posts).toEqual([]);
    await vigil.play("flag");
    const root = await until(
      "the first post",
      () => slack.posts.find((post) => subject(post).startsWith("investigation:")),
      2 * MINUTES,
    );
    expect([...root.text].length).toBeLessThanOrEqual(200);
    const card = await until(
      "the proposal",
      () => slack.thread(root.ts).find((post) => subject(post).startsWith("proposal:")),
      2 * MINUTES,
    );
    expect(card.broadcast).toBe(true);
    await until("the cause", () => /catalog-cache-v2-keys/.test(root.text), MINUTES);
    await until(
      "the reasoning and the evidence",
      () => slack.thread(root.ts).find((post) => texts(post).includes("Four questions")),
      MINUTES,
    );
    await until("the picture", () => slack.files.find(({ thread }) => thread === root.ts), MINUTES);

    await slack.click("U2BEN", card, "vigil_approve");
    await until("Ben's refusal", () =>
      slack.ephemerals.find(({ user, text }) => user === "U2BEN" && text.includes("not among the approvers")),
    );
    expect(await slack.command("U1ANA", "status")).toMatchObject({ text: expect.stringContaining("PRO-1") });
    await slack.click("U1ANA", card, "vigil_approve");
    await until("Ana's answer", () => slack.ephemerals.find(({ user }) => user === "U1ANA"));
    await until("the card's end", () => texts(card).includes("Verified"), 2 * MINUTES);
    await until(
      "the verdict as a message of its own",
      () => slack.thread(root.ts).find((post) => post !== card && /verified/i.test(post.text)),
      MINUTES,
    );
    // The flag has moved, and the page shows the same.
    const { flags } = JSON.parse(readFileSync(join(folder, "state/demo/flags.json"), "utf8")) as {
      flags: Record<string, { targeting: { fractional?: [string, number][] } }>;
    };
    expect(flags["catalog-cache-v2-keys"]?.targeting.fractional?.[0]?.[1]).toBeLessThan(25);
    const channel = new Channel(vigil);
    expect(channel.card(subject(card))?.badge).toBe("Verified");

    // A person's vote counts beside the one that was inferred from the outcome.
    await until("the inferred vote", () => channel.votes().some(({ via }) => via === "inferred"), MINUTES);
    await slack.react("reaction_added", "U2BEN", "+1", root);
    const votes = await until("Ben's vote", () => {
      const all = channel.votes();
      return all.some(({ via }) => via === "reaction") ? all : null;
    });
    expect(votes).toContainEqual({ user: "slack:U2BEN", verdict: "correct", via: "reaction" });
    expect(votes.filter(({ via }) => via === "inferred")).toHaveLength(1);

    const before = new Set(slack.thread(root.ts));
    await slack.mention("U1ANA", "which change caused this?", root.ts);
    await until(
      "an answer in the thread",
      () =>
        slack
          .thread(root.ts)
          .find((post) => !before.has(post) && post.user === BOT.user_id && /catalog-cache-v2-keys/.test(said(post))),
      2 * MINUTES,
    );
  });
});
