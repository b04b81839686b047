import { Resvg } from "@resvg/resvg-js";
import { describe, expect, it } from "vitest";
import { investigationCard } from "../../../src/chat/cards/investigation.ts";
import { proposalCard } from "../../../src/chat/cards/proposal.ts";
import { adaptiveCard, detailsCard, EVERYONE } from "../../../src/chat/teams/adaptive.ts";
import { approveForm, denyForm, feedbackForm } from "../../../src/chat/teams/forms.ts";
import { escapeTeams, teamsMarkdown } from "../../../src/chat/teams/markdown.ts";
import { cardMessage } from "../../../src/chat/teams/messages.ts";
import { Pictures, smallPng } from "../../../src/chat/teams/picture.ts";
import { ASKED_ANEW, type ProposalState } from "../../../src/domain/proposal.ts";
import { finished, fullReport, HOSTILE, pending, picture, running } from "../../support/chat-samples.ts";
import { actionsOf, wordsOf } from "../../support/fake-teams.ts";
import { judgeActivity, judgeCard } from "../../support/fake-teams-cards.ts";

const APPROVER = { approver: true, refreshFor: [] };
const STATES: ProposalState[] = [
  ..."draft pending approved executing verifying verified denied expired cancelled superseded stale unknown".split(" "),
  ..."rolling_back undone rolled_back rollback_failed failed".split(" "),
] as ProposalState[];

describe("cards in Teams", () => {
  it.each(STATES)("a proposal that is %s is a card that Teams takes, with buttons only while it waits", (state) => {
    const card = proposalCard({
      ...pending({ state, outcome: "latency fell by 9.8 %" }),
      nonce: state === "pending" || ASKED_ANEW.has(state) ? "nonce" : null,
    });
    for (const view of [EVERYONE, APPROVER, { approver: false, refreshFor: ["29:ana"] }]) {
      const drawn = adaptiveCard(card, view);
      expect(judgeCard(drawn)).toEqual([]);
      const verbs = actionsOf(drawn as Record<string, unknown>).map(({ verb }) => verb);
      expect(verbs.includes("approve")).toBe(state === "pending" && view.approver);
      expect(verbs.includes("again")).toBe(ASKED_ANEW.has(state));
    }
    expect(judgeCard(detailsCard(card))).toEqual([]);
  });

  it.each([
    ["running", running()],
    ["finished", finished()],
    ["unknown", finished({ outcome: "unknown", confidence: 0.2, hypotheses: [] })],
  ])("an investigation that is %s is a message that Teams takes", (_state, view) => {
    const message = cardMessage(investigationCard(view), EVERYONE);
    expect(judgeActivity(message as unknown as Record<string, unknown>, false)).toEqual([]);
  });

  it("binds the card to the bytes that will run: target, change, digest", () => {
    const words = wordsOf(adaptiveCard(proposalCard(pending()), APPROVER)) + wordsOf(detailsCard(proposalCard(pending())));
    for (const part of [
      "flag:catalog-cache-v2-keys",
      "28% on → 1% on",
      '{"flag":"catalog-cache-v2-keys","percent":1}',
      "61eb7732fbed496c7b1fd65712b885a1235864bf252f72b423622e5dc8e56425",
    ])
      expect(words).toContain(part);
  });

  it("carries the anomaly's picture in a few kilobytes, as a PNG that others can read", async () => {
    const png = await smallPng(picture());
    expect(png.length).toBeLessThan(8_000);
    const shown = new Resvg(
      `<svg xmlns="http://www.w3.org/2000/svg" width="480" height="173"><image width="480" height="173" href="data:image/png;base64,${png.toString("base64")}"/></svg>`,
    ).render().pixels;
    // The orange of the series is there, and most of the ground is white.
    let [orange, white] = [0, 0];
    for (let at = 0; at < shown.length; at += 4) {
      const [red = 0, green = 0, blue = 0] = shown.subarray(at, at + 3);
      if (red > 220 && green > 110 && green < 170 && blue < 120) orange += 1;
      if (red > 250 && green > 250 && blue > 250) white += 1;
    }
    expect(orange).toBeGreaterThan(200);
    expect(white).toBeGreaterThan(20_000);
    const card = investigationCard(finished());
    const drawn = adaptiveCard(card, { ...EVERYONE, picture: `data:image/png;base64,${png.toString("base64")}` });
    expect(judgeCard(drawn)).toEqual([]);
    expect(JSON.stringify(drawn)).toContain(
      card.body.find(({ type }) => type === "picture") ? '"altText":"latency of storefront' : "?",
    );
    expect(await new Pictures().of({ ...card, body: [] })).toBeNull();
  });

  it("45: more than fits goes behind Details, and the card stays within Teams' size", () => {
    const [evidence] = fullReport().evidence;
    const many = Array.from({ length: 60 }, (_, index) => ({
      ...(evidence as NonNullable<typeof evidence>),
      id: `E${index + 1}`,
      summary: "🦩".repeat(1_400),
    }));
    const card = investigationCard(finished({ evidence: many }));
    const drawn = adaptiveCard(card);
    expect(judgeCard(drawn)).toEqual([]);
    expect(wordsOf(drawn)).toContain("The rest is behind Details.");
    expect(actionsOf(drawn as Record<string, unknown>).map(({ title }) => title)).toContain("Details");
    expect(judgeCard(detailsCard(card))).toEqual([]);
  });

  it("45: a single text beyond the size is cut between runs, not lost", () => {
    const card = { ...investigationCard(running()), body: [{ type: "text" as const, markdown: "🦩".repeat(12_000) }] };
    const drawn = adaptiveCard(card);
    expect(judgeCard(drawn)).toEqual([]);
    expect(wordsOf(drawn)).toContain("🦩🦩");
  });

  it("41: text of others stays text: no Markdown, no link, nothing unseen", () => {
    const [evidence] = fullReport().evidence;
    const hostile = { ...(evidence as NonNullable<typeof evidence>), title: HOSTILE, summary: HOSTILE };
    const drawn = adaptiveCard(investigationCard(finished({ headline: HOSTILE, evidence: [hostile] })));
    expect(judgeCard(drawn)).toEqual([]);
    const shown = JSON.stringify(drawn);
    // TextRun is the only element with text of others, and Teams parses nothing in it.
    expect(shown).not.toContain('"TextBlock"');
    expect(["https://evil", "\u202e", "\u200b"].filter((live) => shown.includes(live))).toEqual([]);
  });

  it("links to evidence only where it is a web address", () => {
    const [evidence] = fullReport().evidence;
    const linked = (link: string) =>
      adaptiveCard(investigationCard(finished({ evidence: [{ ...(evidence as NonNullable<typeof evidence>), link }] })));
    expect(JSON.stringify(linked("https://grafana.example/d/1"))).toContain('"url":"https://grafana.example/d/1"');
    expect(JSON.stringify(linked("javascript:alert(1)"))).not.toContain("OpenUrl");
  });

  it("leads from an evidence id to the page only where the page's address is known", () => {
    const card = investigationCard(finished());
    const page = "https://vigil.example/sre/";
    const drawn = adaptiveCard(card, { ...EVERYONE, pageUrl: page });
    expect(judgeCard(drawn)).toEqual([]);
    const address = `"url":"https://vigil.example/sre/evidence/${card.id}/E1"`;
    expect(JSON.stringify(drawn)).toContain(address);
    expect(JSON.stringify(detailsCard(card, page))).toContain(address);
    expect(JSON.stringify([adaptiveCard(card), detailsCard(card)])).not.toContain("/evidence/");
  });

  it("forms are cards that Teams takes", () => {
    const [reasoned] = proposalCard(pending({ reasonNeeded: true })).buttons;
    if (reasoned?.type !== "approve") throw new Error("no button");
    for (const form of [
      denyForm("PRO-1.1.n", { conversation: "19:x", message: "1" }),
      approveForm(reasoned, { conversation: "19:x", message: "1" }),
      feedbackForm("INV-1", "correct"),
      feedbackForm("INV-1", null),
    ])
      expect(judgeCard(form)).toEqual([]);
  });

  it("escapes what Markdown or HTML would take for a mark", () => {
    expect(escapeTeams("*a* <b> [c](https://d) www.e.f 1. g")).toBe(
      "\\*a\\* &lt;b&gt; \\[c\\](https:\u2060//d) www\u2060.e.f 1. g",
    );
    expect(teamsMarkdown("**bold** `x<y` [E1] [E2]", (id) => (id === "E1" ? 1 : null))).toBe("**bold** `x&lt;y` [1] `E2`");
    expect(teamsMarkdown("- one\n- two")).toBe("- one\n- two");
  });
});
