import { z } from "zod";
import type { Evidence, Investigation, InvestigationReport } from "../../domain/investigation.ts";
import { cleanUntrusted, fence, redact } from "../../domain/untrusted.ts";
import { symptomOf } from "../investigate.ts";
import { Prompts } from "../prompts.ts";
import { type ReportDraft, reportDraftSchema } from "../report-schema.ts";
import { utc } from "../time-words.ts";
import { READ_TOOLS } from "../tools/index.ts";
import { proposalTool } from "../tools/propose.ts";
import { runCausalTest } from "../tools/run-causal-test.ts";
import { SUBMIT_REPORT } from "../tools/submit-report.ts";
import type { ProposableAction } from "../types.ts";
import type { TrainingLine, TrainingMessage } from "./format.ts";

export interface TrainingSettings {
  /** Folder with the prompts. */
  readonly prompts: string;
  readonly actions: readonly ProposableAction[];
  /** Names of people, which the examples must not hold. */
  readonly people: readonly string[];
}

export type Training = { readonly ok: true; readonly line: TrainingLine } | { readonly ok: false; readonly reason: string };

interface KnownTool {
  readonly name: string;
  readonly description: string;
  readonly schema: z.ZodObject;
}

/** Makes training examples from confirmed investigations: what the mind was asked, each call with what it found, and the report handed in. */
export class TrainingWriter {
  readonly #prompts: Prompts;
  readonly #tools: readonly KnownTool[];
  readonly #people: readonly RegExp[];

  /** @throws PromptError when the prompts cannot be used */
  constructor({ prompts, actions, people }: TrainingSettings) {
    this.#prompts = new Prompts(prompts);
    const own: KnownTool = {
      name: SUBMIT_REPORT,
      description: "Hands in the finished investigation.",
      schema: reportDraftSchema as unknown as z.ZodObject,
    };
    this.#tools = [...READ_TOOLS, runCausalTest, ...actions.map(proposalTool), own];
    this.#people = people
      .filter((name) => name.trim().length >= 2)
      .sort((a, b) => b.length - a.length)
      .map((name) => new RegExp(`(?<![\\p{L}\\p{N}])${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\p{L}\\p{N}])`, "giu"));
  }

  /** An example, or why this investigation cannot be one. */
  write({ id, anomalies, question, startedAt, report }: Investigation): Training {
    if (!report) return { ok: false, reason: "it has no report" };
    if (report.evidence.some(({ suspicious }) => suspicious))
      return { ok: false, reason: "some of its evidence tried to instruct the model" };
    const system = this.#prompts.compose("investigate", { now: utc(startedAt) }).text;
    const none = fence("feedback", "none yet");
    const task = this.#prompts.compose("task", {
      symptoms: anomalies.slice(0, 10).map(symptomOf).join("\n") || "none measured",
      question: fence("question", cleanUntrusted(question ?? "nobody asked", 2_000).text),
      examples: none,
      lessons: none,
    }).text;
    const messages: TrainingMessage[] = [
      { role: "system", content: this.#safe(system) },
      { role: "user", content: this.#safe(task) },
    ];
    for (const evidence of report.evidence) {
      const problem = this.#problemWith(evidence);
      if (problem) return { ok: false, reason: problem };
      const callId = `call_${id.replace(/\W/g, "_")}_${evidence.id}`.slice(0, 40);
      messages.push(called(callId, evidence.tool, this.#safe(JSON.stringify(evidence.args))));
      messages.push({
        role: "tool",
        tool_call_id: callId,
        content: this.#safe(`[${evidence.id}] ${evidence.title}\n${fence("evidence", evidence.summary)}`),
      });
    }
    const draft = reportDraftSchema.safeParse(draftOf(report));
    if (!draft.success)
      return { ok: false, reason: `its report is no valid draft: ${draft.error.issues[0]?.message ?? "unknown"}` };
    messages.push(
      called(`call_${id.replace(/\W/g, "_")}_report`.slice(0, 40), SUBMIT_REPORT, this.#safe(JSON.stringify(draft.data))),
    );
    return { ok: true, line: { messages, tools: this.#tools.map(definition) } };
  }

  #problemWith({ tool, args }: Evidence): string | null {
    const known = this.#tools.find(({ name }) => name === tool);
    if (!known) return `it called ${tool}, which Vigil does not have any more`;
    return known.schema.safeParse(args).success ? null : `it called ${tool} with arguments that it does not take any more`;
  }

  /** Without secrets and without the names of people. */
  #safe(text: string): string {
    return this.#people.reduce((clean, name) => clean.replace(name, "someone"), redact(text));
  }
}

const called = (id: string, name: string, args: string): TrainingMessage => ({
  role: "assistant",
  tool_calls: [{ id, type: "function", function: { name, arguments: args } }],
});

function definition({ name, description, schema }: KnownTool): TrainingLine["tools"][number] {
  const { $schema: _, ...parameters } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return {
    type: "function",
    function: {
      name,
      description: description.slice(0, 1_024),
      parameters: parameters as TrainingLine["tools"][number]["function"]["parameters"],
    },
  };
}

/** What the mind handed in, as far as the report still tells; the confidence as it was before calibration. */
function draftOf(report: InvestigationReport): ReportDraft {
  const {
    headline,
    outcome,
    hypotheses,
    contributingFactors,
    whatChanged,
    whatElseIsAnomalous,
    seenBefore,
    blastRadiusOfActing,
    nextChecks,
  } = report;
  const scale = report.rawConfidence !== undefined && report.confidence > 0 ? report.rawConfidence / report.confidence : 1;
  return {
    headline,
    outcome,
    hypotheses: hypotheses.map(({ id: _, ...one }) => ({ ...one, confidence: Math.min(1, one.confidence * scale) })),
    contributingFactors,
    whatChanged,
    whatElseIsAnomalous,
    seenBefore,
    blastRadiusOfActing,
    nextChecks,
  } as unknown as ReportDraft;
}
