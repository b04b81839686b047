import { z } from "zod";
import { findingsOf } from "../findings.ts";
import { percent } from "../words.ts";
import { defineTool, knownService, type ToolResult, ToolUseError } from "./kit.ts";
import { RED_SIGNALS } from "./query-metrics.ts";

export const runCausalTest = defineTool({
  name: "run_causal_test",
  description:
    "Switches one suspected flag off for test traffic only, compares that cohort with the rest, and always restores the flag. Takes minutes; use it on the best flag suspect, once.",
  schema: z.object({
    flag: z.string().min(1).max(200).describe("key of the suspected flag, as list_changes gives it"),
    service: z
      .string()
      .min(1)
      .max(200)
      .describe(
        "service whose signal should get better: one that reads the flag or calls one that does, never something they only call",
      ),
    signal: z.enum(RED_SIGNALS).default("latency"),
  }),
  timeout: null,
  title: ({ flag }) => `Causal test: ${flag} off for test traffic only`,
  async run({ flag, service: name, signal: measured }, session, signal): Promise<ToolResult> {
    const service = await knownService(name, session);
    const candidates = await session.deps.causal.candidates();
    if (!candidates.some((one) => one.flag === flag)) {
      const names = candidates.map((one) => one.flag).slice(0, 8);
      throw new ToolUseError(`"${flag}" cannot be tested now. Flags that can: ${names.join(", ") || "none"}.`);
    }
    // Like an action, a test is only of what a change source reported: no text can single out a flag.
    const reported = findingsOf(session.findings, "changes").flatMap(({ details }) => details.changes);
    if (!reported.some(({ kind, subject }) => kind === "flag" && subject === flag))
      throw new ToolUseError(
        `No change of "${flag}" was seen in this investigation; call list_changes and test only what it reports.`,
      );
    const aborted = AbortSignal.any([signal, session.signal]);
    const outcome = await session.deps.causal.run(
      { flag, service, signal: measured, investigationId: session.investigationId },
      aborted,
    );
    if (!outcome.ok) {
      return {
        evidence: {
          title: `Causal test of ${flag} was refused`,
          summary: `The causal test was refused: ${outcome.refusal}`,
          facts: { flag, refused: true },
          services: [service],
          link: null,
          suspicious: false,
        },
        details: { kind: "causal", flag, result: null, refusal: outcome.refusal },
      };
    }
    const { result } = outcome;
    const [low, high] = result.interval;
    const verdict = {
      causal: `${flag} causes it`,
      not_causal: `${flag} does not cause it`,
      inconclusive: "inconclusive",
    }[result.verdict];
    return {
      evidence: {
        title: `Causal test of ${flag}`,
        summary: `With ${flag} off, ${result.signal} of ${service} in test traffic was ${percent(result.effect)} (95 % interval ${percent(low)} to ${percent(high)}, p = ${result.pValue.toPrecision(2)}, ${result.samples.test} and ${result.samples.control} samples): ${verdict}. The flag was ${result.restored ? "restored" : "NOT restored: look at it now"}.`,
        facts: {
          flag,
          effect_percent: Number((result.effect * 100).toFixed(1)),
          low_percent: Number((low * 100).toFixed(1)),
          high_percent: Number((high * 100).toFixed(1)),
          p_value: result.pValue,
          test_mean: result.testMean,
          control_mean: result.controlMean,
          samples_test: result.samples.test,
          samples_control: result.samples.control,
          verdict: result.verdict,
          restored: result.restored,
        },
        services: [service],
        link: null,
        suspicious: false,
      },
      details: { kind: "causal", flag, result, refusal: null },
    };
  },
});
