import { afterEach, describe, expect, it } from "vitest";
import { teamsSurface } from "../../src/chat/teams/index.ts";
import { until } from "../support/fake-handlers.ts";
import type { SlackPost } from "../support/fake-slack.ts";
import { ANA, actionsOf, FakeTeams, type TeamsMessage, teamsOptions, wordsOf } from "../support/fake-teams.ts";
import { type SlackDesk, slackDesk } from "../support/slack-desk.ts";

const texts = (post: SlackPost) => JSON.stringify(post.blocks);
const toast = (body: Record<string, unknown>) => (body.task ? (body.task as { value: unknown }).value : body.value);

describe("one proposal in Slack and in Teams", () => {
  let desk: SlackDesk;
  let teams: FakeTeams;

  /** Both chats on one gate, one executor and one outbox; Teams' tokens are signed and checked. */
  async function opened() {
    teams = await FakeTeams.start();
    let endpoint = () => "";
    desk = await slackDesk({
      others: ({ store, db }) => {
        const surface = teamsSurface({
          ...teamsOptions(teams, store, db),
          mayApprove: async (id) => id === ANA.aadObjectId,
          openIdMetadataUrl: teams.openIdMetadataUrl,
          pace: { gap: 0 },
        });
        endpoint = () => surface.url;
        return [surface];
      },
      otherRules: { teams: { users: new Set([ANA.aadObjectId]) } },
    });
    teams.endpoint = endpoint();
    const { proposal, card: inSlack } = await desk.proposed();
    const inTeams = await until("the card in Teams", () => teams.find("Awaits approval"));
    await until("its place", () => desk.store.ref(`proposal:${proposal.id}`, "teams"));
    return { proposal, inSlack, inTeams };
  }

  afterEach(async () => {
    await desk.close();
    await teams.stop();
    expect(teams.refused).toEqual([]);
    expect(desk.slack.refused).toEqual([]);
  });

  const teamsWords = (message: TeamsMessage) => wordsOf(teams.cardOf(message));

  it("approved in Teams, it runs once, and the card in Slack loses its buttons and shows the verdict", async () => {
    const { proposal, inSlack, inTeams } = await opened();
    expect(texts(inSlack)).toContain("vigil_approve");
    expect(toast(await teams.press(ANA, inTeams, "Yes, approve"))).toContain("running it now");
    await until("the card in Slack", () => !texts(inSlack).includes("vigil_approve"));
    expect(texts(inSlack)).toContain(ANA.aadObjectId);
    // Slack's button, pressed a moment too late from an old screen, does nothing.
    expect(await desk.state(proposal)).not.toBe("pending");
    await until("the watch", async () => (await desk.state(proposal)) === "verifying");
    await desk.passes(16);
    await until("the verdict in Slack", () => texts(inSlack).includes("Verified"));
    await until("the verdict in Teams", () => teamsWords(inTeams).includes("Verified"));
    expect(desk.flags.writes).toHaveLength(1);
    await until("the verdict as a message of Teams' thread", () => teams.find("**Verified.**"));
  });

  it("approved in Slack, the card in Teams loses its buttons for everybody and shows the verdict", async () => {
    const { proposal, inSlack, inTeams } = await opened();
    const yes = actionsOf(await teams.seenBy(ANA, inTeams)).find(({ title }) => title === "Yes, approve");
    await desk.slack.click("U1ANA", inSlack, "vigil_approve");
    await until("the card in Teams", () => teamsWords(inTeams).includes("slack:U1ANA"));
    expect(actionsOf(await teams.seenBy(ANA, inTeams)).map(({ title }) => title)).toEqual(["Details"]);
    // The button of the earlier view is still on somebody's screen.
    expect(toast(await teams.pressAction(ANA, inTeams, yes ?? {}))).toContain("Too late");
    await until("the watch", async () => (await desk.state(proposal)) === "verifying");
    await desk.passes(16);
    await until("the verdict in Teams", () => teamsWords(inTeams).includes("Verified"));
    expect(desk.flags.writes).toHaveLength(1);
  });

  it("20: pressed in both at the same moment, it runs once", async () => {
    const { proposal, inSlack, inTeams } = await opened();
    const yes = actionsOf(await teams.seenBy(ANA, inTeams)).find(({ title }) => title === "Yes, approve");
    const [answer] = await Promise.all([
      teams.pressAction(ANA, inTeams, yes ?? {}),
      desk.slack.click("U1ANA", inSlack, "vigil_approve"),
    ]);
    await until("the decision", async () => (await desk.state(proposal)) !== "pending");
    await until("the write", () => desk.flags.writes.length > 0);
    const approved = (await desk.audit()).filter(({ kind }) => kind === "approved");
    expect(approved).toHaveLength(1);
    expect(String(toast(answer))).toMatch(/running it now|Too late|faster/);
    expect(desk.flags.writes).toHaveLength(1);
  });

  it("21: denied with a reason in Teams, it cannot be approved in Slack any more", async () => {
    const { proposal, inSlack, inTeams } = await opened();
    const form = await teams.press(ANA, inTeams, "Deny…");
    expect(toast(await teams.submit(ANA, inTeams, form, { reason: "wait" }))).toContain("Denied");
    await desk.slack.click("U1ANA", inSlack, "vigil_approve").catch(() => undefined);
    expect(await desk.state(proposal)).toBe("denied");
    expect(desk.flags.writes).toEqual([]);
    await until("the card in Slack", () => texts(inSlack).includes("Denied"));
  });
});
