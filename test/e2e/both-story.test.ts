import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStateDatabase } from "../../src/store/state.ts";
import { until } from "../support/fake-handlers.ts";
import { FakeSlack, type SlackPost } from "../support/fake-slack.ts";
import { ANA, BEN, CHANNEL, FakeTeams, TENANT, wordsOf } from "../support/fake-teams.ts";
import { freePort, startVigil } from "./app.ts";
import { HISTORY_DAYS, loadedDemo } from "./loaded-demo.ts";

const MINUTES = 60_000;
const texts = (post: SlackPost) => JSON.stringify(post.blocks);
const toast = (body: Record<string, unknown>) => (body.task ? (body.task as { value: unknown }).value : body.value);

/** The demo's story with the real command in its own process: Teams over real HTTP, Slack beside it, one incident. */
describe("the incident that never happened, in Teams and Slack at once", { timeout: 10 * MINUTES }, () => {
  it("is noticed, explained, approved in Teams, verified in both, and judged", async () => {
    const folder = mkdtempSync(join(tmpdir(), "vigil-both-"));
    await loadedDemo(folder);
    const [teams, slack, port] = await Promise.all([FakeTeams.start(), FakeSlack.start(), freePort()]);
    teams.signed = false;
    teams.endpoint = `http://127.0.0.1:${port}/api/messages`;
    const config = join(folder, "vigil.yaml");
    writeFileSync(
      config,
      JSON.stringify({
        demo: { enabled: true },
        slack: { channel: "C0INC", apiUrl: slack.apiUrl, approvers: ["U1ANA"] },
        teams: {
          tenantId: TENANT,
          channel: CHANNEL,
          port,
          serviceUrl: teams.serviceUrl,
          serviceHosts: [teams.host],
          approvers: [ANA.aadObjectId],
        },
      }),
    );
    const vigil = await startVigil(folder, {
      NODE_ENV: "test",
      VIGIL_CONFIG: config,
      VIGIL_DEMO_HISTORY_DAYS: String(HISTORY_DAYS),
      SLACK_BOT_TOKEN: "xoxb-test",
      SLACK_APP_TOKEN: "xapp-test",
    });
    const shareOfTheFlag = () => {
      const { flags } = JSON.parse(readFileSync(join(folder, "demo/flags.json"), "utf8")) as {
        flags: Record<string, { targeting: { fractional?: [string, number][] } }>;
      };
      return flags["catalog-cache-v2-keys"]?.targeting.fractional?.[0]?.[1] ?? Number.NaN;
    };
    try {
      await vigil.ready();
      await vigil.play("flag");
      const inTeams = await until("the proposal in Teams", () => teams.find("Awaits approval"), 5 * MINUTES);
      const inSlack = await until(
        "the proposal in Slack",
        () => slack.posts.find((post) => texts(post).includes("vigil_approve")),
        60_000,
      );
      const incident = await until("the report in Teams", () =>
        // In the proposal's own thread: a machine that stalls may bring a second trouble.
        teams.messages.find(
          ({ activity, conversation }) =>
            conversation === inTeams.conversation && JSON.stringify(activity).includes("Four questions"),
        ),
      );
      expect(wordsOf(teams.cardOf(incident))).toContain("catalog-cache-v2-keys");
      expect(shareOfTheFlag()).toBeGreaterThan(20);

      // An engineer asks in the thread; the answer cites its evidence.
      await teams.say(BEN, "what changed in the last hour?", incident.conversation);
      const answer = await until(
        "the answer",
        () => teams.messages.find(({ activity }) => String(activity.text).includes("[1]")),
        120_000,
      );
      expect(answer.conversation).toBe(incident.conversation);

      expect(toast(await teams.press(BEN, inTeams, "Approver? Show the buttons"))).toContain("not among the approvers");
      expect(toast(await teams.press(ANA, inTeams, "Yes, approve"))).toContain("running it now");
      await until("the flag to go back", () => shareOfTheFlag() <= 1, 150_000);
      await until("the verdict in Teams", () => wordsOf(teams.cardOf(inTeams)).includes("Verified"), 150_000);
      await until("the verdict in Slack", () => texts(inSlack).includes("Verified"), 60_000);
      expect(texts(inSlack)).toContain(ANA.aadObjectId);
      await until("the verdict as a message", () => teams.find("**Verified.**"));

      expect(toast(await teams.press(BEN, incident, "✓ Correct"))).toContain("noted as correct");
      const state = await openStateDatabase(join(folder, "vigil.db"));
      const votes = await state.selectFrom("feedback").select(["verdict", "via"]).where("via", "=", "button").execute();
      await state.destroy();
      expect(votes).toEqual([{ verdict: "correct", via: "button" }]);
      await until("the vote on Slack's card", () => slack.posts.some((post) => /\d correct/.test(texts(post))), 60_000);
      expect([...teams.refused, ...slack.refused]).toEqual([]);
    } finally {
      await vigil.stop();
      await Promise.all([teams.stop(), slack.stop()]);
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
