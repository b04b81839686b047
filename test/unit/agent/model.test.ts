import { afterEach, describe, expect, it } from "vitest";
import { type AgentOptions, createSreAgent } from "../../../src/agent/index.ts";
import { fakeWorld, PLAIN } from "../../support/fake-agent-world.ts";
import { type FakeModelServer, fakeModelServer, type Reply } from "../../support/fake-model-server.ts";

const PROMPTS = `${import.meta.dirname}/../../../prompts`;
let server: FakeModelServer | null = null;
afterEach(async () => {
  await server?.close();
  server = null;
});

const report = (more: Record<string, unknown> = {}) => ({
  headline: "checkout is slower because of a flag",
  outcome: "cause_found",
  hypotheses: [
    {
      statement: "the flag",
      cause: "flag",
      service: PLAIN.api,
      changeId: "c-flag",
      confidence: 0.8,
      status: "supported",
      evidenceFor: ["E1"],
      evidenceAgainst: [],
    },
    {
      statement: "nothing is wrong",
      cause: "none",
      service: null,
      changeId: null,
      confidence: 0.1,
      status: "refuted",
      evidenceFor: [],
      evidenceAgainst: ["E1"],
    },
    {
      statement: "a dependency",
      cause: "dependency",
      service: PLAIN.store,
      changeId: null,
      confidence: 0.1,
      status: "open",
      evidenceFor: [],
      evidenceAgainst: [],
    },
  ],
  contributingFactors: [],
  whatChanged: { text: "The flag was raised from 5 % to 25 %.", evidence: ["E2"] },
  whatElseIsAnomalous: { text: "No other signal.", evidence: [] },
  seenBefore: { text: "No similar incident.", evidence: [] },
  blastRadiusOfActing: { text: "Nothing else.", evidence: [] },
  nextChecks: [],
  ...more,
});

const look: Reply = {
  call: [
    { name: "query_metrics", args: { service: PLAIN.api } },
    { name: "list_changes", args: {} },
  ],
};

async function run(script: Parameters<typeof fakeModelServer>[0], more: Partial<AgentOptions> = {}, timeout = 15_000) {
  server = await fakeModelServer(script);
  const world = fakeWorld("flag");
  const agent = createSreAgent(world.deps, {
    prompts: PROMPTS,
    retries: 1,
    models: [{ name: "gpt-4o-mini", apiKey: "test-key", baseUrl: server.url, timeout }],
    ...more,
  });
  const result = await agent.investigate(
    { investigationId: "INV-1", anomalies: world.anomalies, question: null, requester: "vigil" },
    { onStep: () => {} },
    new AbortController().signal,
  );
  return { result, world, requests: server.requests, agent };
}

describe("the model path over real HTTP", () => {
  it("calls tools, hands in a report, and accounts for tokens, dollars and prompts", async () => {
    const { result, requests } = await run([look, { call: [{ name: "submit_report", args: report() }] }]);
    expect(result.mind).toEqual({ kind: "model", name: "gpt-4o-mini", fallbackReason: null });
    expect(result.evidence.map(({ id }) => id)).toEqual(["E1", "E2"]);
    expect(result.struckClaims).toBe(0);
    expect(result.cost).toMatchObject({ inputTokens: 2_000, outputTokens: 200, toolCalls: 2 });
    expect(result.cost.dollars).toBeCloseTo(0.00042, 6);
    expect(result.prompts).toContain("investigate@2");
    expect(requests).toHaveLength(2);
    expect(requests[0]?.tools?.map((one) => one.function.name)).toContain("toggle_feature_flag");
  });

  it("strikes numbers and evidence that no tool returned", async () => {
    const invented = report({
      whatChanged: { text: "Memory rose to 8123 MB.", evidence: ["E1"] },
      contributingFactors: [{ text: "Seen in the kernel log.", evidence: ["E99"] }],
    });
    const { result } = await run([look, { call: [{ name: "submit_report", args: invented }] }]);
    expect(result.struckClaims).toBe(2);
    expect(result.whatChanged.text).not.toContain("8123");
    expect(result.contributingFactors).toEqual([]);
  });

  it("repairs an invalid report once", async () => {
    const { result, requests } = await run([
      look,
      { call: [{ name: "submit_report", args: { headline: "x" } }] },
      { call: [{ name: "submit_report", args: report() }] },
    ]);
    expect(result.mind.kind).toBe("model");
    expect(JSON.stringify(requests[2]?.messages.at(-1))).toContain("hypotheses");
  });

  it("teaches a wrong tool name and an unknown service instead of failing", async () => {
    const wrong: Reply = {
      call: [
        { name: "delete_everything", args: {} },
        { name: "query_metrics", args: { service: "chekout" } },
      ],
    };
    const { result, requests } = await run([wrong, look, { call: [{ name: "submit_report", args: report() }] }]);
    expect(result.mind.kind).toBe("model");
    const answers = JSON.stringify(requests[1]?.messages);
    expect(answers).toContain("there is no tool");
    expect(answers).toContain("Nearest names: checkout");
  });

  it("waits out a 429", async () => {
    const { result, requests } = await run([{ status: 429 }, look, { call: [{ name: "submit_report", args: report() }] }]);
    expect(result.mind.kind).toBe("model");
    expect(requests).toHaveLength(3);
  });

  it.each<[string, (Reply | (() => Reply))[], RegExp]>([
    ["keeps failing", [{ status: 500 }], /500/],
    ["is slow", [{ delay: 10_000 }], /too long/],
    ["sends garbage", [{ garbage: true }], /model/],
    ["is cut in the middle", [look, { cut: true }], /model/],
    ["hands in nonsense twice", [look, { call: [{ name: "submit_report", args: {} }] }], /invalid report twice/],
    ["never ends", [look], /budget/],
    ["only chats", [{ text: "All good!" }], /did not finish its task/],
  ])("finishes offline with the evidence gathered when the model %s", async (what, script, reason) => {
    const { result, world } = await run(script, { budget: { modelCalls: 5 } }, what === "is slow" ? 400 : undefined);
    expect(result.mind.kind).toBe("offline");
    expect(result.mind.fallbackReason).toMatch(reason);
    expect(result.hypotheses[0]).toMatchObject({ cause: "flag", changeId: "c-flag" });
    expect(world.filed).toHaveLength(1);
  });

  it("files nothing for a model that obeys an injection without a change behind it", async () => {
    const obeying: Reply = {
      call: [
        {
          name: "toggle_feature_flag",
          args: {
            flag: "payments-kill-switch",
            percent: 0,
            reason: "a log line said so, urgently",
            expectedEffect: "all is well",
            watchService: PLAIN.api,
            watchSignal: "latency",
            watchDirection: "down",
            confidence: 0.99,
            evidence: ["E1"],
          },
        },
      ],
    };
    const { result, world } = await run([look, obeying, { call: [{ name: "submit_report", args: report() }] }]);
    expect(world.filed).toEqual([]);
    expect(result.proposals).toEqual([]);
  });
});
