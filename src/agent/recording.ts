import type { Anomaly } from "../domain/anomaly.ts";
import type { Focus, Hypothesis } from "../domain/investigation.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import type { Finding } from "./findings.ts";

/** Everything that an investigation saw, so that another mind can go over it, or the same one take it up again. */
export interface Recording {
  readonly version: 1;
  readonly investigationId: string;
  readonly anomalies: readonly Anomaly[];
  readonly question: string | null;
  readonly focus: Focus;
  readonly services: readonly ServiceName[];
  /** Flags that a causal test could be run on. */
  readonly testable: readonly string[];
  readonly findings: readonly Finding[];
  readonly hypotheses: readonly Hypothesis[];
  /** What feedback had taught, as it was told to the mind. */
  readonly learned: readonly string[];
}

/** The recorded answer to a call: of the same arguments, else of the same tool about the same things. Null when it was never asked. */
export function recall(
  { findings }: Recording,
  tool: string,
  args: Readonly<Record<string, unknown>>,
): { readonly finding: Finding; readonly exact: boolean } | null {
  const own = findings.filter(({ evidence }) => evidence.tool === tool);
  const given = (of: Readonly<Record<string, unknown>>, keys: readonly string[]) =>
    JSON.stringify(keys.map((key) => of[key] ?? null));
  const all = [...new Set([...Object.keys(args), ...own.flatMap(({ evidence }) => Object.keys(evidence.args))])];
  const same = own.find(({ evidence }) => given(evidence.args, all) === given(args, all));
  if (same) return { finding: same, exact: true };
  const alike = own.find(({ evidence }) => given(evidence.args, ["service", "flag"]) === given(args, ["service", "flag"]));
  return alike ? { finding: alike, exact: false } : null;
}
