import { describe, expect, it } from "vitest";
import { answerCard } from "../../../src/chat/cards/answer.ts";
import { investigationCard } from "../../../src/chat/cards/investigation.ts";
import { proposalCard } from "../../../src/chat/cards/proposal.ts";
import { cardMessages, foldMessages } from "../../../src/chat/slack/blocks.ts";
import { readable, streamMarkdown } from "../../../src/chat/slack/mrkdwn.ts";
import { approveModal, denyModal, detailsModal, feedbackModal, homeView } from "../../../src/chat/slack/views.ts";
import { answerMessage } from "../../../src/chat/teams/messages.ts";
import { answer, finished, fullReport, HOSTILE, home, pending, proposal, running } from "../../support/chat-samples.ts";
import { judgeBlocks, judgeView } from "../../support/fake-slack-blocks.ts";

const manyApprovals = (reason: string) =>
  ["ana", "ben", "cal", "dee"].map((name) => ({ user: `slack:${name}`, at: Date.UTC(2026, 10, 24, 14, 3), reason }));
const emoji = { approve: "white_check_mark", deny: "no_entry", tiers: ["T1", "T2"] };
const huge = `${HOSTILE}\n${"🦩&<".repeat(9_000)}`;

function wrongWith(card: Parameters<typeof foldMessages>[0]): string[] {
  const { root, overflow } = cardMessages(card, emoji);
  const all = [root, ...overflow, ...foldMessages(card)];
  return all.flatMap((message) => [...judgeBlocks(message.blocks, "message"), ...(message.text.trim() ? [] : ["no text"])]);
}

describe("Block Kit", () => {
  it("leads from an evidence id to the page only where the page's address is known, and never from text of others", () => {
    const [first] = fullReport().evidence;
    const evidence = ["E1", "E2|x>", "E3"].map((id) => ({ ...first!, id, title: HOSTILE, summary: huge }));
    const view = finished({ evidence });
    const linked = foldMessages(investigationCard(view), "https://vigil.example/sre/");
    expect(linked.flatMap(({ blocks }) => judgeBlocks(blocks, "message"))).toEqual([]);
    const { id } = view.investigation;
    expect(JSON.stringify(linked).match(/<https?:[^>]*>/g)).toEqual([
      `<https://vigil.example/sre/evidence/${id}/E1|E1>`,
      `<https://vigil.example/sre/evidence/${id}/E3|E3>`,
    ]);
    expect(JSON.stringify(foldMessages(investigationCard(view)))).not.toContain("/evidence/");
    const hidden = { ...view, investigation: { ...view.investigation, audience: "slack:C9" } };
    expect(JSON.stringify(foldMessages(investigationCard(hidden), "https://vigil.example"))).not.toContain("/evidence/");
  });

  it("leads from an answer's evidence to what was looked at, and never sends the path by itself", () => {
    const [first] = fullReport().evidence;
    const evidence = [{ ...first!, id: "E1", link: "/logs?service=shelf&from=1&to=2" }];
    const card = answerCard("m", answer("Slow [E1].", { evidence }));
    const address = "https://vigil.example/logs?service=shelf&from=1&to=2";
    const slack = foldMessages(card, "https://vigil.example");
    expect(slack.flatMap(({ blocks }) => judgeBlocks(blocks, "message"))).toEqual([]);
    expect(JSON.stringify(slack)).toContain(`<${address.replaceAll("&", "&amp;")}|E1>`);
    expect(JSON.stringify(foldMessages(card))).not.toContain("/logs?");
    const teams = (pageUrl: string | null) => JSON.stringify(answerMessage(card, "Slow [E1].", evidence, pageUrl));
    expect(teams("https://vigil.example")).toContain(`"url":"${address}"`);
    expect(teams(null)).not.toContain("/logs?");
  });

  it("45: takes every card, however large, and puts the rest into the thread", () => {
    const [first] = fullReport().evidence;
    const evidence = Array.from({ length: 500 }, (_, index) => ({
      ...first!,
      id: `E${index + 1}`,
      title: huge,
      summary: huge,
      args: { huge },
    }));
    const [hypothesis] = fullReport().hypotheses;
    const hypotheses = Array.from({ length: 80 }, () => ({ ...hypothesis!, statement: huge }));
    const cited = { text: huge, evidence: ["E1"] };
    const report = {
      headline: huge,
      evidence,
      hypotheses,
      whatChanged: cited,
      seenBefore: cited,
      contributingFactors: Array(60).fill(cited),
      nextChecks: Array(60).fill(huge),
    };
    const view = finished(report);
    const steps = Array.from({ length: 300 }, (_, index) => ({
      id: `s${index}`,
      title: huge,
      state: "done" as const,
      outcome: huge,
      startedAt: 0,
      duration: 1,
    }));
    const large = investigationCard({ ...view, investigation: { ...view.investigation, steps } });
    expect(wrongWith(large)).toEqual([]);
    expect(foldMessages(large).length).toBeGreaterThan(1);
    expect(wrongWith(investigationCard({ ...running(), investigation: { ...running().investigation, steps } }))).toEqual([]);
    const lines = Array.from({ length: 40 }, () => ({ factor: huge, value: huge, points: 1 }));
    const wild = pending({
      summary: huge,
      reason: huge,
      undo: huge,
      currentState: huge,
      wantedState: huge,
      outcome: huge,
      risk: { tier: "T2", score: 9, lines },
      args: { huge },
    });
    expect(wrongWith(proposalCard(wild))).toEqual([]);
    expect(judgeView(detailsModal(proposalCard(wild)))).toEqual([]);
    expect(wrongWith(answerCard("m", answer(huge, { evidence })))).toEqual([]);
    expect(wrongWith(answerCard("m", answer("")))).toEqual([]);
    const crowd = Array.from({ length: 60 }, () => ({ proposal: proposal({ summary: huge, id: huge }), yours: true }));
    const wide = {
      stopped: huge,
      mind: huge,
      awaiting: crowd,
      running: crowd.map(() => ({ id: huge, title: huge, startedAt: 0 })),
      figures: crowd.map(() => ({ name: huge, value: huge })),
      undelivered: crowd.map(() => ({ surface: huge, count: 2, reason: huge })),
    };
    const links = new Map(crowd.map(() => [`proposal:${huge}`, "https://team.slack.example/archives/C1/p1"]));
    expect(judgeView(homeView(home(wide), links, huge))).toEqual([]);
    expect(judgeView(homeView(home(), new Map(), null))).toEqual([]);
    expect(judgeView(denyModal("{}"))).toEqual([]);
    const reasoned = proposalCard(
      pending({ summary: huge, reasonNeeded: true, neededApprovals: 5, approvals: manyApprovals("x&".repeat(250)) }),
    );
    expect(wrongWith(reasoned)).toEqual([]);
    const [approve] = reasoned.buttons;
    expect(approve?.type === "approve" && judgeView(approveModal(approve, "{}"))).toEqual([]);
    expect(judgeView(feedbackModal("INV-1"))).toEqual([]);
  });

  it("41: makes pings, mentions and links of others inert", () => {
    const cards = [
      investigationCard(finished({ headline: HOSTILE, nextChecks: [HOSTILE] })),
      proposalCard(pending({ summary: HOSTILE, reason: HOSTILE })),
      proposalCard(pending({ reasonNeeded: true, neededApprovals: 5, approvals: manyApprovals(HOSTILE) })),
      answerCard("m", answer(HOSTILE)),
    ];
    for (const card of cards) {
      const { root, overflow } = cardMessages(card, emoji);
      // Slack shows plain_text as it stands; only mrkdwn and the message's text have live marks.
      const shown = JSON.stringify([root, ...overflow, ...foldMessages(card)], (_key, value) =>
        value?.type === "plain_text" ? null : value,
      );
      expect(shown).not.toMatch(/<(?:[!@#]|https?:)/);
      // Slack would turn bare addresses into links where it is not told to leave text verbatim.
      expect(shown.split('"verbatim":true')).toHaveLength(shown.split('"type":"mrkdwn"').length);
    }
  });

  it("41: streams have no live addresses either", () => {
    const streamed = streamMarkdown(HOSTILE);
    expect(streamed).not.toContain("://");
    expect(streamed).not.toMatch(/<[!@]/);
    expect(streamed).toContain("\\[link\\]\\(");
  });

  it("reads what people wrote as they meant it", () => {
    expect(readable("<@U0VIGIL> why is <#C1|checkout> &gt; 200 ms? see <https://x.example|this>")).toBe(
      "why is checkout > 200 ms? see this",
    );
  });
});
