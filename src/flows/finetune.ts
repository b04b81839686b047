import { createHash } from "node:crypto";
import { Tiktoken } from "js-tiktoken/lite";
import o200kBase from "js-tiktoken/ranks/o200k_base";
import type { TrainingWriter } from "../agent/training/example.ts";
import { checkTrainingLine } from "../agent/training/format.ts";
import type { Judgement } from "../learning/judgement.ts";

/** Tokens of one example that the vendor takes at most. */
const LONGEST_EXAMPLE = 65_536;
/** Fewer examples are refused by the vendor. */
export const FEWEST = 10;
/** What must stand behind a verdict before a model is taught by it. */
const SURE = 0.5;
const VALIDATION_SHARE = 0.2;

export interface FinetuneExport {
  readonly training: readonly string[];
  readonly validation: readonly string[];
  readonly summary: {
    readonly confirmed: number;
    readonly examples: { readonly training: number; readonly validation: number };
    readonly tokens: { readonly training: number; readonly validation: number; readonly longest: number };
    readonly messages: number;
    readonly toolCalls: Readonly<Record<string, number>>;
    readonly prompts: readonly string[];
    readonly leftOut: readonly { readonly id: string; readonly reason: string }[];
    readonly warnings: readonly string[];
  };
}

/** Counts tokens; tools and prompts stand in every example and are counted once. */
export function tokenCounter(): (text: string) => number {
  const encoding = new Tiktoken(o200kBase);
  const known = new Map<string, number>();
  return (text) => {
    const count = known.get(text) ?? encoding.encode(text, "all").length;
    known.set(text, count);
    return count;
  };
}

/**
 * Turns investigations that people confirmed into a chat fine-tuning file. Every line has passed the written check of the format; what was left
 * out is told with its reason. An example falls to training or validation by its id, so that a later export splits alike.
 */
export function exportFinetune(
  judgements: readonly Judgement[],
  writer: TrainingWriter,
  tokensIn = tokenCounter(),
): FinetuneExport {
  const lines: { readonly id: string; readonly text: string; readonly tokens: number }[] = [];
  const leftOut: { id: string; reason: string }[] = [];
  const toolCalls: Record<string, number> = {};
  const prompts = new Set<string>();
  let messages = 0;
  const confirmed = judgements.filter(({ verdict, report }) => verdict === "correct" && report.outcome === "cause_found");
  for (const { investigation, weight, report } of confirmed) {
    const { id } = investigation;
    const leave = (reason: string) => leftOut.push({ id, reason });
    if (weight < SURE) {
      leave(`the voices behind it weigh ${weight.toFixed(2)}, wanted ${SURE}`);
      continue;
    }
    const made = writer.write(investigation);
    if (!made.ok) {
      leave(made.reason);
      continue;
    }
    const text = JSON.stringify(made.line);
    const [problem] = checkTrainingLine(text);
    const tokens = [JSON.stringify(made.line.tools), ...made.line.messages.map((one) => JSON.stringify(one))].reduce(
      (sum, part) => sum + tokensIn(part),
      0,
    );
    if (problem) leave(`the format's check refused it: ${problem}`);
    else if (tokens > LONGEST_EXAMPLE) leave(`it has ${tokens} tokens, at most ${LONGEST_EXAMPLE} are taken`);
    else {
      lines.push({ id, text, tokens });
      messages += made.line.messages.length;
      for (const one of made.line.messages)
        if (one.role === "assistant")
          for (const call of one.tool_calls ?? []) toolCalls[call.function.name] = (toolCalls[call.function.name] ?? 0) + 1;
      for (const prompt of report.prompts) prompts.add(prompt);
    }
  }
  const forValidation = (id: string) => createHash("sha256").update(id).digest().readUInt32BE(0) / 2 ** 32 < VALIDATION_SHARE;
  const validation = lines.filter(({ id }) => forValidation(id));
  const training = lines.filter(({ id }) => !forValidation(id));
  const sum = (some: typeof lines) => some.reduce((total, { tokens }) => total + tokens, 0);
  return {
    training: training.map(({ text }) => text),
    validation: validation.map(({ text }) => text),
    summary: {
      confirmed: confirmed.length,
      examples: { training: training.length, validation: validation.length },
      tokens: {
        training: sum(training),
        validation: sum(validation),
        longest: Math.max(0, ...lines.map(({ tokens }) => tokens)),
      },
      messages,
      toolCalls,
      prompts: [...prompts].sort(),
      leftOut,
      warnings: [
        ...(training.length < FEWEST
          ? [`${training.length} examples to train on; the vendor takes no fewer than ${FEWEST}.`]
          : []),
        ...(validation.length === 0 && lines.length > 0
          ? ["No example fell to validation; more confirmed investigations will."]
          : []),
      ],
    },
  };
}
