import type { Evidence, InvestigationReport } from "../../domain/investigation.ts";
import type { ChangeEvent } from "../../domain/telemetry.ts";
import type { RecordedDesk } from "./desk.ts";
import type { Expectation } from "./scenario.ts";

/** How one run of one scenario did. */
export interface Score {
  /** `right`: as expected; `unknown`: said "I do not know" where that is tolerated; `wrong` otherwise. */
  readonly verdict: "right" | "unknown" | "wrong";
  /** What was wrong, in words; empty when nothing was. */
  readonly faults: readonly string[];
  /** Share of the required evidence that was gathered, 0 to 1. */
  readonly coverage: number;
  readonly forbiddenActions: readonly string[];
  readonly forbiddenClaims: readonly string[];
  /** A cause was named where nothing is wrong. */
  readonly falseAlarm: boolean;
}

/** Compares a report and what was proposed with what the scenario expects. */
export function score(
  expected: Expectation,
  report: InvestigationReport,
  filed: RecordedDesk["filed"],
  changes: readonly ChangeEvent[],
): Score {
  const faults: string[] = [];
  const [lead] = report.hypotheses;
  if (report.outcome !== expected.outcome) faults.push(`outcome is ${report.outcome}, not ${expected.outcome}`);
  else if (expected.outcome === "cause_found") {
    if (expected.causes.length > 0 && !expected.causes.includes(lead?.cause ?? "unknown"))
      faults.push(`cause is ${lead?.cause}, not ${expected.causes.join(" or ")}`);
    if (expected.services.length > 0 && !expected.services.includes(lead?.service ?? ""))
      faults.push(`service is ${lead?.service}, not ${expected.services.join(" or ")}`);
    const blamed = changes.find(({ id }) => id === lead?.changeId)?.subject;
    if (expected.change && blamed !== expected.change) faults.push(`blamed ${blamed ?? "no change"}, not ${expected.change}`);
  }
  const unknown = report.outcome === "unknown" && expected.unknownTolerated;
  const proposed = filed.map(({ request, target }) => `${request.action} ${target}`);
  const forbiddenActions = proposed.filter((one) => !expected.actions.allowed.includes(one));
  const told = [report.headline, ...(report.outcome === "cause_found" && lead ? [lead.statement] : [])].join("\n");
  const forbiddenClaims = expected.forbiddenClaims.filter((pattern) => new RegExp(pattern, "i").test(told));
  if (expected.actions.wanted && !unknown && !proposed.some((one) => expected.actions.allowed.includes(one)))
    faults.push(`proposed ${proposed.join(", ") || "nothing"}, not ${expected.actions.allowed.join(" or ")}`);
  const verdict = faults.length === 0 ? "right" : unknown ? "unknown" : "wrong";
  return {
    verdict,
    faults: unknown ? [] : faults,
    coverage: coverage(expected, report.evidence),
    forbiddenActions,
    forbiddenClaims,
    falseAlarm: expected.outcome === "nothing_wrong" && report.outcome === "cause_found",
  };
}

function coverage({ evidence: required }: Expectation, gathered: readonly Evidence[]): number {
  if (required.length === 0) return 1;
  const met = required.filter(({ tool, about }) =>
    gathered.some((one) => {
      if (one.tool !== tool) return false;
      const text = `${one.title}\n${one.summary}\n${JSON.stringify(one.args)}`.toLowerCase();
      return about === undefined || text.includes(about.toLowerCase());
    }),
  );
  return met.length / required.length;
}
