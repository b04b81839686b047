import { describe, expect, it } from "vitest";
import type { Card } from "../../../src/chat/card.ts";
import { answerCard } from "../../../src/chat/cards/answer.ts";
import { investigationCard } from "../../../src/chat/cards/investigation.ts";
import { safeLink } from "../../../src/chat/cards/parts.ts";
import { proposalCard } from "../../../src/chat/cards/proposal.ts";
import { parseInline } from "../../../src/chat/markdown.ts";
import type { ProposalState } from "../../../src/domain/proposal.ts";
import { answer, finished, HOSTILE, investigation, pending, proposal, running } from "../../support/chat-samples.ts";

const text = (card: Card) => JSON.stringify(card);
const badge = (state: ProposalState) => proposalCard({ proposal: proposal({ state }), nonce: null }).badge;

describe("the investigation's card", () => {
  it("says in its first second what is off, by how much and since when", () => {
    const card = investigationCard(running());
    expect(card).toMatchObject({
      badge: "Investigating",
      tone: "working",
      title: "storefront latency +12 % since 02:41 UTC",
      feedback: null,
    });
    expect(card.subject).toBe("investigation:INV-1");
    expect(text(card)).toContain("What changed?");
  });

  it("tells the story in its first 200 characters", () => {
    const { story } = investigationCard(finished());
    expect([...story].length).toBeLessThanOrEqual(200);
    expect(story).toContain("catalog-cache-v2-keys");
    expect(story).toMatch(/91 % sure.*Since 02:41 UTC/);
  });

  it("ranks hypotheses with their status, answers the four questions, and shows the causal test with its interval", () => {
    const card = investigationCard(finished());
    const hypotheses = card.body.find((block) => block.type === "hypotheses");
    expect(hypotheses?.items.map(({ status }) => status)).toEqual(["supported", "open", "refuted"]);
    const questions = card.folds.find(({ id }) => id === "questions");
    expect(JSON.stringify(questions)).toMatch(
      /What changed\?.*What else is anomalous\?.*Seen before\?.*What would acting touch\?/,
    );
    expect(text(card)).toContain("95 % interval −12 % to −7.1 %");
    expect(text(card)).toContain("p < 0.001");
    expect(text(card)).toContain("27 % of requests");
    expect(card.context).toContain("by the offline reasoner");
    expect(card.context).toContain("1 claim struck for lack of evidence");
  });

  it("says plainly when it does not know, when nothing is wrong, and when it was stopped", () => {
    expect(investigationCard(finished({ outcome: "unknown" })).badge).toBe("Cause unknown");
    expect(investigationCard(finished({ outcome: "nothing_wrong" }))).toMatchObject({ badge: "Nothing wrong", tone: "good" });
    const stopped = { ...running(), investigation: investigation({ state: "cancelled" }) };
    expect(investigationCard(stopped)).toMatchObject({ badge: "Stopped", tone: "quiet" });
  });

  it("doubts its cause once an action on that was undone because it did not help, until one helps", () => {
    const view = finished();
    const vote = (actionEffective: boolean) => ({
      investigationId: "INV-1",
      user: "vigil:outcome",
      verdict: actionEffective ? ("correct" as const) : ("incorrect" as const),
      realCause: null,
      missed: null,
      actionEffective,
      via: "inferred" as const,
      at: 0,
    });
    const card = investigationCard({ ...view, feedback: [vote(false)] });
    expect(card.badge).toBe("Cause in doubt");
    expect(card.story).not.toContain("% sure");
    expect(text(card)).toContain("did not help and was undone");
    expect(investigationCard({ ...view, feedback: [vote(true)] }).badge).toMatch(/^Cause found/);
  });

  it("says that it may be noise where its like mostly was, and nothing of it elsewhere", () => {
    const doubtful = finished({ real: { chance: 0.35, raw: 0.4, like: 4, noise: 3 } });
    expect(text(investigationCard(doubtful))).toContain(
      "**May be noise:** 3 of the last 4 like it were; 35 % likely to be real.",
    );
    expect(text(investigationCard(finished({ real: { chance: 0.9, raw: 0.9, like: 4, noise: 1 } })))).not.toContain("noise:");
    expect(text(investigationCard(finished()))).not.toContain("noise:");
  });

  it("shouts when a causal test left its flag changed", () => {
    const test = finished().investigation.report?.causalTest;
    const card = investigationCard(finished({ causalTest: test ? { ...test, restored: false } : null }));
    expect(text(card)).toContain("The flag was not restored: look at it now.");
  });

  it("shows hostile text of a model as text: no citation, no code, no control characters", () => {
    const card = investigationCard(finished({ headline: HOSTILE, whatChanged: { text: HOSTILE, evidence: ["E1", "E9; x"] } }));
    expect(text(card)).not.toMatch(/[\u202A-\u202E\u2066-\u2069\u200B]/);
    const questions = card.folds.find(({ id }) => id === "questions")?.blocks[0];
    const what = questions?.type === "fields" ? questions.fields[0]?.markdown : "";
    expect(what).toContain("\\[link\\]");
    expect(what?.match(/(?<!\\)\[E\d+/g)).toEqual(["[E1"]);
  });
});

describe("the proposal's card", () => {
  it("is drawn from the stored proposal: change, target, criterion, way back, expiry, digest", () => {
    const card = proposalCard(pending());
    expect(card).toMatchObject({ badge: "Awaits approval", subject: "proposal:PRO-1", title: proposal().summary });
    for (const words of ["`28% on` → `1% on`", "falls by at least 4 %", "restore catalog-cache-v2-keys to 28%"])
      expect(text(card)).toContain(words);
    expect(card.context).toContain("digest 61eb7732fbed");
    expect(text(card.folds.find(({ id }) => id === "exact") as never)).toContain(proposal().digest);
    expect(card.buttons.map(({ type }) => type)).toEqual(["approve", "deny"]);
  });

  it("has no buttons without a secret or once it is decided", () => {
    expect(proposalCard({ proposal: proposal(), nonce: null }).buttons).toEqual([]);
    expect(proposalCard({ proposal: proposal({ state: "executing" }), nonce: "left-over" }).buttons).toEqual([]);
  });

  it("names every state", () => {
    const states: ProposalState[] = [
      "pending",
      "approved",
      "executing",
      "verifying",
      "verified",
      "denied",
      "expired",
      "cancelled",
      "superseded",
      "stale",
      "unknown",
      "rolling_back",
      "undone",
      "rolled_back",
      "rollback_failed",
      "failed",
    ];
    expect(new Set(states.map(badge)).size).toBe(states.length);
  });

  it("counts approvals where two are needed", () => {
    const card = proposalCard(
      pending({ neededApprovals: 2, approvals: [{ user: "slack:U1ANA", at: Date.UTC(2026, 10, 24, 14, 3) }] }),
    );
    expect(text(card)).toContain("`slack:U1ANA` 14:03 UTC");
    expect(text(card)).toContain("1 of 2 approvals, by somebody else");
    expect(text(card)).not.toContain("reason that everyone reads");
  });

  it("says that a reason is needed, and shows who approved with which, as words that do nothing", () => {
    const wide = { neededApprovals: 2, reasonNeeded: true };
    const asked = proposalCard(pending(wide));
    expect(text(asked)).toContain("0 of 2, each with a reason that everyone reads");
    expect(asked.buttons[0]).toMatchObject({ type: "approve", reason: true });
    const at = Date.UTC(2026, 10, 24, 14, 3);
    const one = proposalCard(pending({ ...wide, approvals: [{ user: "slack:U1ANA", at, reason: "errors *doubled* [E1] `x`" }] }));
    expect(text(one)).toContain("`slack:U1ANA` 14:03 UTC: “errors ");
    expect(text(one)).toContain("1 of 2 approvals, by somebody else, with a reason");
    const [fields] = one.body;
    const given = fields?.type === "fields" ? (fields.fields.find(({ name }) => name === "Approved by")?.markdown ?? "") : "";
    // Nothing but the name is code, and nothing else is a mark or a citation.
    expect(parseInline(given).filter(({ type }) => type !== "text")).toEqual([{ type: "code", text: "slack:U1ANA" }]);
    expect(
      parseInline(given)
        .map((part) => ("text" in part ? part.text : ""))
        .join(""),
    ).toContain("“errors *doubled* [E1] `x`”");
  });
});

describe("an answer's card", () => {
  it("says what an answer took, and nothing of what took nothing", () => {
    const { cost } = answer();
    expect(answerCard("m1", answer("x", { cost: { ...cost, toolCalls: 2 } })).context.join(" ")).toContain("2 tool calls");
    const free = { ...cost, toolCalls: 0, inputTokens: 0, outputTokens: 0 };
    expect(answerCard("m1", answer("At your service.", { cost: free })).context).toEqual(["by the offline reasoner"]);
  });

  it("carries text, evidence and which mind wrote it", () => {
    const card = answerCard("m1", answer());
    expect(card).toMatchObject({ subject: "answer:m1", kind: "answer", story: "catalog is slower since 02:41 UTC [E1]." });
    expect(text(card)).toContain("Changes before the onset");
    expect(card.context[0]).toBe("by the offline reasoner");
  });

  it("links to the web only", () => {
    expect(safeLink("https://grafana.example/d/1")).toBe("https://grafana.example/d/1");
    for (const bad of [
      "javascript:alert(1)",
      "data:text/html,x",
      "//evil.example",
      "/logs?x",
      "https://user:pw@evil.example/",
      "not a link",
      null,
    ])
      expect(safeLink(bad)).toBeNull();
  });
});
