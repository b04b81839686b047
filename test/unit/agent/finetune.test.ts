import { beforeAll, describe, expect, it } from "vitest";
import { createSreAgent } from "../../../src/agent/index.ts";
import { TrainingWriter } from "../../../src/agent/training/example.ts";
import { checkTrainingLine, type TrainingLine } from "../../../src/agent/training/format.ts";
import type { Investigation } from "../../../src/domain/investigation.ts";
import { exportFinetune, type FinetuneExport, tokenCounter } from "../../../src/flows/finetune.ts";
import { Learned } from "../../../src/learning/learned.ts";
import { fakeWorld } from "../../support/fake-agent-world.ts";
import { START, vote } from "../../support/judged.ts";

const PROMPTS = `${import.meta.dirname}/../../../prompts`;
const world = fakeWorld("flag");
const tokensIn = tokenCounter();
let confirmed: Investigation;

beforeAll(async () => {
  const request = { investigationId: "INV-1", anomalies: world.anomalies, question: null, requester: "vigil" };
  const report = await createSreAgent(world.deps, { prompts: PROMPTS }).investigate(
    request,
    { onStep: () => {} },
    new AbortController().signal,
  );
  const seen = report.evidence.map((one, index) =>
    index === 0 ? { ...one, summary: `${one.summary}\nMaya set api_key=sk-live-1234567890abcdefghijkl` } : one,
  );
  confirmed = {
    id: "INV-1",
    incidentId: null,
    trigger: "anomaly",
    question: null,
    anomalies: world.anomalies,
    state: "done",
    startedAt: START,
    finishedAt: START,
    steps: [],
    report: { ...report, evidence: seen },
  };
});

function exported(count: number, verdict: "correct" | "incorrect" = "correct"): FinetuneExport {
  const all = Array.from({ length: count }, (_, index) => ({ ...confirmed, id: `INV-${index + 1}` }));
  const feedback = all.flatMap(({ id }) => [vote(id, "slack:U1", verdict), vote(id, "slack:U2", verdict)]);
  const { judgements } = new Learned({ investigations: all, feedback, proposals: [], undone: [] });
  return exportFinetune(
    judgements,
    new TrainingWriter({ prompts: PROMPTS, actions: world.deps.desk.actions, people: ["Maya", "U1"] }),
    tokensIn,
  );
}

describe("the fine-tuning file", () => {
  it("holds what the mind was asked, each call with what it found, and the report, in the vendor's format", () => {
    const { training, validation, summary } = exported(20);
    expect(summary.leftOut).toEqual([]);
    expect(training.length + validation.length).toBe(20);
    expect(validation.length).toBeGreaterThan(0);
    for (const line of [...training, ...validation]) expect(checkTrainingLine(line)).toEqual([]);
    const { messages, tools } = JSON.parse(training[0] ?? "") as TrainingLine;
    expect(messages.slice(0, 4).map(({ role }) => role)).toEqual(["system", "user", "assistant", "tool"]);
    expect(messages.at(-1)).toMatchObject({ role: "assistant", tool_calls: [{ function: { name: "submit_report" } }] });
    expect(tools.map((one) => one.function.name)).toEqual(
      expect.arrayContaining(["query_metrics", "run_causal_test", "toggle_feature_flag", "submit_report"]),
    );
    expect(summary.toolCalls).toMatchObject({ submit_report: 20, toggle_feature_flag: 20 });
    expect(summary.tokens.longest).toBeLessThan(65_536);
  });

  it("has neither secrets nor names of people", () => {
    const { training, validation } = exported(1);
    const [line = ""] = [...training, ...validation];
    expect(line).not.toContain("sk-live-");
    expect(line).not.toMatch(/\bMaya\b/i);
    expect(line).toContain("someone set");
  });

  it("splits alike when more is confirmed later, and says when there is too little", () => {
    const [few, many] = [exported(5), exported(20)];
    expect(many.validation).toEqual(expect.arrayContaining([...few.validation]));
    expect(few.summary.warnings[0]).toMatch(/no fewer than 10/);
  });

  it("teaches nothing that was rejected, nor what tried to instruct the model", () => {
    expect(exported(3, "incorrect").summary).toMatchObject({ confirmed: 0, examples: { training: 0, validation: 0 } });
    const poisoned = {
      ...confirmed,
      report: confirmed.report && {
        ...confirmed.report,
        evidence: confirmed.report.evidence.map((one) => ({ ...one, suspicious: true })),
      },
    };
    const writer = new TrainingWriter({ prompts: PROMPTS, actions: world.deps.desk.actions, people: [] });
    expect(writer.write(poisoned)).toEqual({ ok: false, reason: "some of its evidence tried to instruct the model" });
  });
});

describe("the check of a line", () => {
  let good = "";
  beforeAll(() => {
    const { training, validation } = exported(1);
    good = [...training, ...validation][0] ?? "";
  });
  const problems = (change: (line: TrainingLine) => unknown) => checkTrainingLine(JSON.stringify(change(JSON.parse(good))));

  it.each<[string, (line: TrainingLine) => unknown, RegExp]>([
    ["an unknown key", (line) => ({ ...line, note: 1 }), /note/],
    [
      "a last word that is not the assistant's",
      (line) => ({ ...line, messages: line.messages.slice(0, -1) }),
      /the last must be the assistant's/,
    ],
    [
      "a call without an answer",
      (line) => ({ ...line, messages: line.messages.filter((one, at) => at !== 3 || one.role !== "tool") }),
      /has no answer/,
    ],
    [
      "an answer to nothing",
      (line) => ({ ...line, messages: [...line.messages.slice(0, 2), ...line.messages.slice(3)] }),
      /not called/,
    ],
    ["a tool that is not listed", (line) => ({ ...line, tools: line.tools.slice(1) }), /not among the tools/],
    [
      "arguments that are no object",
      (line) => JSON.parse(JSON.stringify(line).replace(/"arguments":"\{.*?\}"/, '"arguments":"[]"')),
      /not a JSON object/,
    ],
    ["two tools of one name", (line) => ({ ...line, tools: [...line.tools, line.tools[0]] }), /two have one name/],
  ])("finds %s", (_, change, problem) => expect(problems(change).join("; ")).toMatch(problem));

  it("finds what is no line at all", () => {
    expect(checkTrainingLine("{")).toEqual(["is not JSON"]);
    expect(checkTrainingLine("{}\n{}")).toEqual(["an example must be one line"]);
  });
});
