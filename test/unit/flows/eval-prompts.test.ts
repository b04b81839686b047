import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { comparison, type EvalPlaces, generate, parseScenario, runScenario, summarise } from "../../../src/flows/eval/index.ts";
import { openTelemetryStore } from "../../../src/store/telemetry/index.ts";
import type { Reply, Script } from "../../support/fake-model-server.ts";
import { ModelDesk, report, rivals } from "../../support/model-agent.ts";

const PROMPTS = `${import.meta.dirname}/../../../prompts`;
const file = `${import.meta.dirname}/../../scenarios/healthy-why-slow/scenario.yaml`;
const desk = new ModelDesk();
afterEach(() => desk.close());

const places: EvalPlaces = {
  countTokens: (text) => Math.ceil(text.length / 4),
  openStore: () => openTelemetryStore(":memory:"),
  openKnowledge: async () => ({ search: async () => [], document: async () => null, close: async () => {} }),
};

/** Alarms at every question, unless its prompt tells it that calm is a finding. */
const jumpy: Script = [
  { call: [{ name: "check_anomalies", args: {} }] },
  (request): Reply => {
    const calm = JSON.stringify(request.messages[0]).includes("Calm is a finding");
    const [flag, none, dependency] = rivals(calm ? 0.1 : 0.9);
    const sure = calm
      ? [{ ...none, confidence: 0.9, status: "supported", evidenceFor: ["E1"], evidenceAgainst: [] }, flag]
      : [flag, none];
    const args = report({ outcome: calm ? "nothing_wrong" : "cause_found", hypotheses: [...sure, dependency] });
    return { call: [{ name: "submit_report", args: { ...args, whatChanged: { text: "Nothing.", evidence: [] } } }] };
  },
];

it("two versions of a prompt are told apart on the same scenario, side by side, with the versions that each run was made with", async () => {
  const calmer = mkdtempSync(join(tmpdir(), "prompts-calmer-"));
  cpSync(PROMPTS, calmer, { recursive: true });
  const method = readFileSync(join(calmer, "method.md"), "utf8");
  writeFileSync(join(calmer, "method.md"), `${method.replace(/version: \d+/, "version: 9")}\nCalm is a finding.\n`);
  const scenario = parseScenario("healthy-why-slow", file, readFileSync(file, "utf8"));
  const recorded = generate(scenario, scenario.world as never);
  const results = [];
  for (const prompts of [PROMPTS, calmer]) {
    const models = [await desk.model("m", jumpy)];
    const runs = [await runScenario(scenario, recorded, places, { prompts, models })];
    results.push({
      runs,
      summary: summarise(`m with ${prompts === calmer ? "calmer" : "prompts"}`, runs, { input: 0.25, output: 2 }),
    });
  }
  const [old, changed] = results.map(({ summary }) => summary);
  expect(old).toMatchObject({ right: 0, falseAlarms: 1 });
  expect(changed).toMatchObject({ right: 1, falseAlarms: 0 });
  expect(old?.prompts).toContain("method@1");
  expect(changed?.prompts).toContain("method@9");
  expect(changed?.medianContext).toBeGreaterThan(1_000);
  const text = comparison(results);
  expect(text).toMatch(/healthy-why-slow\s+wrong\s+right/);
  expect(text).toMatch(/false alarms\s+1\s+0/);
});
