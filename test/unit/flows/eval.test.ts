import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type EvalPlaces,
  type EvalRun,
  generate,
  parseScenario,
  runScenario,
  type Scenario,
  ScenarioError,
  summarise,
  table,
  transcript,
} from "../../../src/flows/eval/index.ts";
import { openKnowledge } from "../../../src/knowledge/index.ts";
import { KnowledgeRepository } from "../../../src/store/knowledge.ts";
import { openStateDatabase } from "../../../src/store/state.ts";
import { openTelemetryStore } from "../../../src/store/telemetry/index.ts";
import { WordEmbedder } from "../../support/word-embedder.ts";

const FOLDER = `${import.meta.dirname}/../../scenarios`;
const PROMPTS = `${import.meta.dirname}/../../../prompts`;

const read = (id: string): Scenario => parseScenario(id, id, readFileSync(join(FOLDER, id, "scenario.yaml"), "utf8"));

const places: EvalPlaces = {
  countTokens: (text) => Math.ceil(text.length / 4),
  openStore: () => openTelemetryStore(":memory:"),
  async openKnowledge(documents) {
    const state = await openStateDatabase(":memory:");
    const knowledge = await openKnowledge({ store: new KnowledgeRepository(state), embedder: new WordEmbedder() });
    for (const one of documents) await knowledge.add(one);
    return {
      search: (query) => knowledge.search(query),
      document: (id) => knowledge.document(id),
      close: async () => {
        await knowledge.close();
        await state.destroy();
      },
    };
  },
};

const run = (scenario: Scenario) =>
  runScenario(scenario, generate(scenario, scenario.world as never), places, { prompts: PROMPTS });

describe("the offline reasoner on the scenarios of this project", () => {
  const ids = readdirSync(FOLDER).sort();
  const runs: EvalRun[] = [];
  beforeAll(async () => {
    for (const id of ids) {
      const scenario = read(id);
      if (scenario.world) runs.push(await run(scenario));
    }
  });

  it("are at least thirty, of every sort", () => {
    expect(runs.length).toBeGreaterThanOrEqual(30);
    for (const outcome of ["cause_found", "unknown", "nothing_wrong"])
      expect(runs.filter(({ scenario }) => scenario.expect.outcome === outcome).length).toBeGreaterThanOrEqual(4);
  });

  it("names the right cause in nine of ten, and proposes nothing that is forbidden", () => {
    const summary = summarise("offline reasoner", runs, { input: 0.25, output: 2 });
    expect(summary.accuracy, table(runs, summary)).toBeGreaterThanOrEqual(0.9);
    expect(summary.forbiddenActions).toBe(0);
    expect(summary.falseAlarms).toBe(0);
    expect(summary.coverage).toBeGreaterThan(0.9);
  });

  it("says that it does not know where nobody could", () => {
    const undecidable = runs.filter(({ scenario }) => scenario.expect.outcome === "unknown");
    expect(undecidable.map(({ scenario, report }) => `${scenario.id}: ${report.outcome}`)).toEqual(
      undecidable.map(({ scenario }) => `${scenario.id}: unknown`),
    );
  });

  it("leaves a transcript from which a person can read why", () => {
    const one = runs.find(({ scenario }) => scenario.id === "look-alike-pool-incident") as EvalRun;
    const text = transcript(one);
    expect(text).toContain("INC-880");
    expect(text).toContain("| deploy cart-api: 12.3.0 → 12.4.0");
    expect(text).toMatch(/## Evidence[\s\S]+fetch_traces/);
  });
});

describe("a scenario", () => {
  const base = readFileSync(join(FOLDER, "flag-slows-basket", "scenario.yaml"), "utf8");

  it("gives the same telemetry for the same seed and other telemetry for another", () => {
    const scenario = read("flag-slows-basket");
    const world = scenario.world as NonNullable<Scenario["world"]>;
    expect(generate(scenario, world)).toEqual(generate(scenario, world));
    expect(generate(scenario, { ...world, seed: 99 }).metrics).not.toEqual(generate(scenario, world).metrics);
  });

  it("is scored as wrong when the report blames something else, and forbidden actions are counted", async () => {
    const text = base
      .replace("change: basket-pricing-v2", "change: something-else")
      .replace("allowed: [toggle_feature_flag basket-pricing-v2]", "allowed: []");
    const { score } = await run(parseScenario("other", "other", text));
    expect(score.verdict).toBe("wrong");
    expect(score.forbiddenActions).toEqual(["toggle_feature_flag basket-pricing-v2"]);
    expect(score.faults.join()).toContain("blamed basket-pricing-v2, not something-else");
  });

  it.each([
    ["a misspelt key", base.replace("seed:", "sead:"), /world/],
    ["an unknown callee", base.replace("finder: 0.5", "finber: 0.5"), /finber/],
    ["an effect of no change", base.replace('"on": basket-pricing-v2', '"on": basket-pricing-v3'), /basket-pricing-v3/],
    ["a time that is none", base.replace("at: -43m", "at: 43 minutes ago"), /-41m/],
    ["nothing to load", "title: nothing\nexpect: {outcome: unknown}", /world to generate or the folder/],
  ])("with %s is refused in words", (_, text, expected) => {
    expect(() => parseScenario("x", "x/scenario.yaml", text)).toThrow(ScenarioError);
    expect(() => parseScenario("x", "x/scenario.yaml", text)).toThrow(expected);
  });
});
