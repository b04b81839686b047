import { join, resolve } from "node:path";
import { loadConfig } from "../config.ts";
import type { InvestigationReport } from "../domain/investigation.ts";
import { OperatorError } from "../operator-error.ts";
import { agentOptions, withMind } from "../wiring/minds.ts";
import { withCore } from "./core.ts";
import { type OutputOptions, print } from "./output.ts";

export interface ReplayOptions extends OutputOptions {
  /** `offline`, or a model at the configured endpoint; default: the configured one. */
  readonly mind?: string;
  /** Another folder of prompts. */
  readonly prompts?: string;
}

/** Goes over a stored investigation again with another mind or other prompts, from what was recorded. Asks no source and files nothing. */
export async function replay(id: string, options: ReplayOptions): Promise<void> {
  const config = loadConfig();
  const configured = options.mind === undefined ? agentOptions(config) : withMind(options.mind, config);
  if (!configured)
    throw new OperatorError(
      `The mind ${options.mind} needs a model endpoint: set OPENAI_API_KEY or OPENAI_BASE_URL, or use --mind offline.`,
    );
  const prompts = resolve(options.prompts ?? join(import.meta.dirname, "../../prompts"));
  const { was, is } = await withCore(config, async (core) => {
    const [recording, all] = await Promise.all([core.recordings.recording(id), core.records.investigations.list()]);
    const stored = all.find((one) => one.id === id);
    if (!recording) {
      const known = all.map((one) => one.id);
      throw new OperatorError(
        stored
          ? `${id} was investigated before recordings were kept; only its report is stored.`
          : `There is no investigation ${id}. ${known.length > 0 ? `The latest are ${known.slice(-5).join(", ")}.` : "None is stored here."}`,
      );
    }
    const report = await core
      .agentWith({ ...configured, prompts })
      .replay(recording, { onStep: () => {} }, new AbortController().signal);
    return { was: stored?.report ?? null, is: report };
  });
  print(options, { investigation: id, was, is }, () =>
    [was ? told("Then", was) : "Then: no report was stored.", "", told("Now", is)].join("\n"),
  );
}

function told(
  when: string,
  { headline, outcome, confidence, hypotheses, mind, cost, prompts, struckClaims, claims = 0 }: InvestigationReport,
): string {
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  return [
    `${when}, by ${mind.kind === "model" ? mind.name : "the offline reasoner"}${mind.fallbackReason ? ` (${mind.fallbackReason})` : ""}: ${outcome}, ${percent(confidence)} sure`,
    `  ${headline}`,
    ...hypotheses
      .slice(0, 5)
      .map((one) => `  ${one.id} ${percent(one.confidence).padStart(5)} ${one.status.padEnd(9)} ${one.statement}`),
    `  ${struckClaims} of ${claims} claims struck; ${cost.toolCalls} tool calls, ${cost.inputTokens + cost.outputTokens} tokens, $${cost.dollars.toFixed(4)}`,
    ...(prompts.length > 0 ? [`  prompts ${prompts.join(", ")}`] : []),
  ].join("\n");
}
