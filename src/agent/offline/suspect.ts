import type { CauseKind, EvidenceId, Focus } from "../../domain/investigation.ts";
import type { ChangeEvent, ServiceName } from "../../domain/telemetry.ts";
import { MINUTE } from "../../domain/time.ts";
import { movesTraffic } from "../action-selector.ts";
import { type Finding, findingsOf } from "../findings.ts";

/** What a look can settle. */
export type Tested =
  | "timing"
  | "requests"
  | "experiment"
  | "logs"
  | "first"
  | "resource"
  | "own"
  | "unchanged"
  | "load"
  | "baseline"
  | "still";

/** One reason for or against, with the logarithm of its likelihood ratio. */
export interface Reason {
  readonly words: string;
  readonly weight: number;
  readonly evidence: EvidenceId | null;
  /** The prediction that it tests, see `predictions.ts`. */
  readonly tests?: Tested;
}

export interface Suspect {
  readonly statement: string;
  readonly cause: CauseKind;
  readonly service: ServiceName | null;
  readonly change: ChangeEvent | null;
  readonly reasons: readonly Reason[];
  readonly score: number;
  /** Posterior among the rivals, 0 to 1, never certain. */
  readonly probability: number;
}

/** Onsets are estimates: a change this much later than the estimate may still be the cause. */
export const ONSET_SLACK = 12 * MINUTE;
/** What the findings say that every suspect is judged by. */
export interface Facts {
  readonly changes: readonly ChangeEvent[];
  readonly changesId: EvidenceId | null;
  readonly related: {
    readonly near: ReadonlySet<ServiceName>;
    readonly up: ReadonlySet<ServiceName>;
    readonly id: EvidenceId;
  } | null;
  readonly mover: { readonly service: ServiceName; readonly id: EvidenceId; readonly why: string } | null;
  readonly findings: readonly Finding[];
}

export function gather(focus: Focus, findings: readonly Finding[]): Facts {
  const listed = findingsOf(findings, "changes");
  const seen = new Map(listed.flatMap(({ details }) => details.changes.map((change) => [change.id, change] as const)));
  const dependencies = findingsOf(findings, "dependencies").find(({ details }) => details.service === focus.service);
  const ranking = findingsOf(findings, "causes").find(({ details }) => details.service === focus.service);
  const first = ranking?.details.ranked[0];
  return {
    changes: [...seen.values()].filter(
      (change) => (change.kind === "flag" || change.kind === "deploy" || change.kind === "config") && movesTraffic(change),
    ),
    changesId: listed[0]?.evidence.id ?? null,
    related: dependencies
      ? {
          near: new Set([...(focus.service ? [focus.service] : []), ...dependencies.details.downstream]),
          up: new Set(dependencies.details.upstream),
          id: dependencies.evidence.id,
        }
      : null,
    mover: ranking && first?.anomalous ? { service: first.service, id: ranking.evidence.id, why: first.why } : null,
    findings,
  };
}

export function suspect(
  statement: string,
  cause: CauseKind,
  service: ServiceName | null,
  change: ChangeEvent | null,
  reasons: readonly Reason[],
): Suspect {
  const score = reasons.reduce((sum, { weight }) => sum + weight, 0);
  return { statement, cause, service, change, reasons, score, probability: 0 };
}
