import { type AgentOptions, createSreAgent } from "../../src/agent/index.ts";
import type { AgentDependencies, Progress } from "../../src/agent/types.ts";
import type { Cost, InvestigationReport, InvestigationStep } from "../../src/domain/investigation.ts";
import { type FakeWorld, fakeWorld, PLAIN } from "./fake-agent-world.ts";
import { type ChatRequest, type FakeModelServer, fakeModelServer, KEY, type Reply, type Script } from "./fake-model-server.ts";

const PROMPTS = `${import.meta.dirname}/../../prompts`;

export const look: Reply = {
  call: [
    { name: "query_metrics", args: { service: PLAIN.api } },
    { name: "list_changes", args: {} },
  ],
};

const rival = (statement: string, cause: string, confidence: number, more: Record<string, unknown> = {}) => ({
  statement,
  cause,
  service: null,
  changeId: null,
  confidence,
  status: "open",
  evidenceFor: [],
  evidenceAgainst: [],
  ...more,
});

export const rivals = (confidence = 0.8) => [
  rival("the flag", "flag", confidence, {
    service: PLAIN.api,
    changeId: "c-flag",
    evidenceFor: ["E1"],
    predictions: [{ text: "Requests that meet it are slower", held: null, evidence: [] }],
  }),
  rival("nothing is wrong", "none", 0.1, { status: "refuted", evidenceAgainst: ["E1"] }),
  rival("a dependency", "dependency", 0.1, { service: PLAIN.store }),
];

export const report = (more: Record<string, unknown> = {}) => ({
  headline: "checkout is slower because of a flag",
  outcome: "cause_found",
  hypotheses: rivals().map((one, index) => (index === 0 ? { ...one, status: "supported" } : one)),
  contributingFactors: [],
  whatChanged: { text: "The flag was raised from 5 % to 25 %.", evidence: ["E2"] },
  whatElseIsAnomalous: { text: "No other signal.", evidence: [] },
  seenBefore: { text: "No similar incident.", evidence: [] },
  blastRadiusOfActing: { text: "Nothing else.", evidence: [] },
  nextChecks: [],
  ...more,
});

export const submit = (more: Record<string, unknown> = {}): Reply => ({ call: [{ name: "submit_report", args: report(more) }] });
export const hold = (confidence: number): Reply => ({
  call: [{ name: "update_hypotheses", args: { hypotheses: rivals(confidence) } }],
});

export interface ModelRun {
  readonly result: InvestigationReport;
  readonly world: FakeWorld;
  readonly requests: readonly ChatRequest[];
  readonly progress: readonly Progress[];
  readonly steps: readonly InvestigationStep[];
}

/** An agent over scripted servers, one for each model of its chain, and what it takes to end them. */
export class ModelDesk {
  readonly servers: FakeModelServer[] = [];

  async model(
    name: string,
    script: Script,
    more: { readonly usage?: boolean; readonly timeout?: number; readonly streaming?: boolean } = {},
  ) {
    const { usage, ...options } = more;
    const server = await fakeModelServer(script, usage === undefined ? {} : { usage });
    this.servers.push(server);
    return { name, apiKey: KEY, baseUrl: server.url, timeout: 2_000, ...options };
  }

  async investigate(
    options: Partial<AgentOptions>,
    given: {
      readonly world?: FakeWorld;
      readonly deps?: Partial<AgentDependencies>;
      readonly channel?: string;
      readonly spent?: Cost;
    } = {},
  ): Promise<ModelRun> {
    const world = given.world ?? fakeWorld("flag");
    const agent = createSreAgent({ ...world.deps, ...given.deps }, { prompts: PROMPTS, retries: 1, ...options });
    return this.run(agent, world, given.channel, given.spent);
  }

  async run(
    agent: ReturnType<typeof createSreAgent>,
    world: FakeWorld,
    channel: string | null = null,
    spent: Cost | null = null,
  ): Promise<ModelRun> {
    const progress: Progress[] = [];
    const steps: InvestigationStep[] = [];
    const result = await agent.investigate(
      { investigationId: "INV-1", anomalies: world.anomalies, question: null, requester: "vigil", channel, spent },
      { onStep: (step) => steps.push(step), onProgress: (known) => progress.push(known) },
      new AbortController().signal,
    );
    return { result, world, requests: this.servers[0]?.requests ?? [], progress, steps };
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.splice(0).map((server) => server.close()));
  }
}

/** What a model was told, as one text. */
export const told = (request: ChatRequest | undefined): string => JSON.stringify(request?.messages);
