import { type Explanation, policyJsonSchema } from "../actions/index.ts";
import { loadConfig } from "../config.ts";
import { OperatorError } from "../operator-error.ts";
import { withCore } from "./core.ts";
import { type OutputOptions, print } from "./output.ts";

/** `vigil policy explain ACTION key=value…`: who would have to approve it, and why. */
export async function explainPolicy(
  action: string,
  pairs: readonly string[],
  options: OutputOptions & { readonly confidence?: number },
): Promise<void> {
  const args = Object.fromEntries(pairs.map(argument));
  const explained = await withCore(loadConfig(), ({ actions }) => actions.explain(action, args, options.confidence ?? null));
  if (!explained.ok) throw new OperatorError(explained.refusal);
  print(options, explained.explanation, () => text(explained.explanation));
}

/** `vigil policy schema`: the JSON Schema of the policy file. */
export function printSchema(): void {
  process.stdout.write(`${JSON.stringify(policyJsonSchema(), null, 2)}\n`);
}

function argument(pair: string): [string, unknown] {
  const at = pair.indexOf("=");
  if (at < 1) throw new OperatorError(`"${pair}" is no argument; write name=value, for instance percent=0.`);
  const value = pair.slice(at + 1);
  return [pair.slice(0, at), value !== "" && Number.isFinite(Number(value)) ? Number(value) : value];
}

function text(one: Explanation): string {
  const { ruling, risk } = one;
  const wide = Math.max(...risk.lines.map(({ factor }) => factor.length));
  const lines = risk.lines.map(
    ({ factor, value, points }) => `  ${factor.padEnd(wide)}  ${String(points).padStart(2)}  ${value}`,
  );
  return [
    `${one.action} on ${one.target} in ${one.environment}: ${one.change}`,
    ...(one.stages ? [`In steps, each watched before the next: ${one.stages.map(({ state }) => state).join(", ")}.`] : []),
    `Undo: ${one.undo}.`,
    "",
    `Risk ${ruling.tier}, ${risk.score} points:`,
    ...lines,
    "",
    verdict(ruling),
    ...ruling.because.map((why) => `  because: ${why}`),
    ...one.now.map((why) => `Just now it may not run: ${why}`),
  ].join("\n");
}

function verdict({ refusal, approvals, requesterMayApprove, emoji, reasonNeeded, tier }: Explanation["ruling"]): string {
  if (refusal) return `Refused: ${refusal}`;
  if (tier === "T0") return "Runs without approval.";
  const who = approvals === 1 ? "One approver" : `${approvals} different approvers`;
  const own = requesterMayApprove ? "the requester may be among them" : "not the requester";
  return `${who} must agree (${own}), by button${emoji ? " or emoji" : ""}${reasonNeeded ? ", each with a reason" : ""}.`;
}
