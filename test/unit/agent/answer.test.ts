import { describe, expect, it } from "vitest";
import { createSreAgent } from "../../../src/agent/index.ts";
import { understand } from "../../../src/agent/offline/question.ts";
import { fakeWorld, NOW, PLAIN } from "../../support/fake-agent-world.ts";

const PROMPTS = `${import.meta.dirname}/../../../prompts`;
const SERVICES = [PLAIN.web, PLAIN.api, PLAIN.store, PLAIN.other];

async function ask(question: string, inThread = false) {
  const world = fakeWorld("flag");
  const agent = createSreAgent(world.deps, { prompts: PROMPTS });
  const nothing = { onStep: () => {} };
  const signal = new AbortController().signal;
  const request = { investigationId: "INV-1", anomalies: world.anomalies, question: null, requester: "vigil" };
  const report = inThread ? await agent.investigate(request, nothing, signal) : null;
  const investigation = report && { id: "INV-1", anomalies: world.anomalies, report };
  const filed = world.filed.length;
  const answer = await agent.answer({ question, history: [], investigation, requester: "web:maya" }, nothing, signal);
  expect(world.filed.length).toBe(filed);
  return answer;
}

describe("understanding a question", () => {
  it.each([
    ["what changed since 02:00?", "changes", null, null],
    ["have we seen this before?", "seen_before", null, null],
    ["what changed before 02:00?", "changes", null, null],
    ["have we ever rolled out a cache key change?", "changed_before", null, null],
    ["was something like this deployed before? a similar release perhaps", "changed_before", null, null],
    ["show me p95 of checkout since 2am", "metric", "checkout", "latency_p95"],
    ["compare checkout latency with last week", "compare", "checkout", "latency"],
    ["who is on call for checkout?", "owner", "checkout", null],
    ["why do you think so?", "why_so", null, null],
    ["what is the blast radius of checkout?", "blast_radius", "checkout", null],
    ["is anything wrong?", "health", null, null],
    ["why is the orders db slow?", "why", "orders-db", "latency"],
    ["why is chekout slow", "why", "checkout", "latency"],
  ])("%s", (text, intent, service, signal) => {
    expect(understand(text, SERVICES, NOW, null)).toMatchObject({ intent, service, signal });
  });

  it("reads times in UTC", () => {
    expect(understand("what changed since 02:00?", SERVICES, NOW, null).from).toBe("2026-06-10T02:00:00.000Z");
    expect(understand("show p95 of checkout since 11pm", SERVICES, NOW, null).from).toBe("2026-06-09T23:00:00.000Z");
  });
});

describe("answering offline", () => {
  it("finds past changes by meaning among what was written about them", async () => {
    const world = fakeWorld("flag");
    const hit = (documentId: string, type: string | undefined, title: string) => ({
      documentId,
      kind: "note" as const,
      title,
      file: "",
      score: 1,
      excerpt: "Entries are read under another layout of their names.",
      services: [PLAIN.api],
      metadata: { ...(type ? { type } : {}), author: "Ana" },
      why: "meaning 0.71",
    });
    const asked: object[] = [];
    const search = async (query: { top: number; text: string }) => {
      asked.push(query);
      return [hit("N-1", undefined, "A note"), hit("change:c-7", "change", "basket-keys: 0% on → 20% on")];
    };
    const deps = { ...world.deps, knowledge: { ...world.deps.knowledge, search } };
    const answer = await createSreAgent(deps, { prompts: PROMPTS }).answer(
      { question: "have we ever rolled out another layout of keys?", history: [], investigation: null, requester: "web:maya" },
      { onStep: () => {} },
      new AbortController().signal,
    );
    expect(asked).toMatchObject([{ kinds: ["note"], text: expect.stringContaining("layout of keys") }]);
    expect(answer.text).toContain("change:c-7");
    expect(answer.text).not.toContain("N-1");
    expect(answer.evidence[0]).toMatchObject({ tool: "search_past_changes", facts: { found: 1, "change:c-7.author": "Ana" } });
  });

  it("lists what changed in the window, with evidence", async () => {
    const answer = await ask("what changed since yesterday?");
    expect(answer.text).toContain(PLAIN.flag);
    expect(answer.text).toContain("[E1]");
    expect(answer.evidence).toHaveLength(1);
  });

  it("shows a percentile and offers the nearest names for an unknown service", async () => {
    expect((await ask("show me p95 of checkout since 2am")).text).toMatch(/latency_p95.*ms/);
    expect((await ask("why is chekcuot-service slow?")).text).toContain("checkout");
  });

  it("names the owner and the blast radius", async () => {
    expect((await ask("who owns checkout?")).text).toContain("team-pay");
    expect((await ask("what is the blast radius of checkout?")).text).toContain("storefront");
  });

  it("explains itself from the report of the thread", async () => {
    const answer = await ask("why do you think so?", true);
    expect(answer.text).toContain("What speaks for it");
    expect(answer.cost.toolCalls).toBe(0);
  });

  it("investigates why a service is slow and attaches the report without filing anything", async () => {
    const answer = await ask("why is checkout slow?");
    expect(answer.report?.hypotheses[0]).toMatchObject({ cause: "flag", changeId: "c-flag" });
    expect(answer.text).toContain(PLAIN.flag);
  });
});
