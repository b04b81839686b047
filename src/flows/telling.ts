import type { Anomaly } from "../domain/anomaly.ts";
import { reachable, type ServiceGraph } from "../domain/service.ts";
import type { ChangeEvent } from "../domain/telemetry.ts";
import { type EpochMs, MINUTE, type Milliseconds } from "../domain/time.ts";
import type { Course, Patience } from "../learning/thresholds.ts";

/** Trouble shows soon after the change that made it; when it began is an estimate. */
export const BEFORE: Milliseconds = 30 * MINUTE;
const AFTER: Milliseconds = 5 * MINUTE;

/** The anomaly and, of those that are on at the same time, the ones that its service calls, directly or not: where it may come from. */
function withItsCallees(anomaly: Anomaly, open: readonly Anomaly[], graph: ServiceGraph): Anomaly[] {
  const callees = new Set(reachable(graph, anomaly.service, "callees"));
  return [anomaly, ...open.filter((one) => callees.has(one.service))];
}

/** Whether something was changed shortly before, in its service or in one that it calls and that is off as well. */
export function followsChange(
  anomaly: Anomaly,
  open: readonly Anomaly[],
  graph: ServiceGraph,
  changes: readonly Pick<ChangeEvent, "at" | "services">[],
): boolean {
  return withItsCallees(anomaly, open, graph).some(({ service, startedAt }) =>
    changes.some(
      ({ at, services }) =>
        at >= startedAt - BEFORE && at <= startedAt + AFTER && (services.length === 0 || services.includes(service)),
    ),
  );
}

/**
 * Whether an open anomaly is told at `at`. What looks like noise of before is waited with, as is what may come from a callee of which that is so:
 * a blip that spreads raises many series, and the verdict on it reached only some. What is larger than that noise was is told at once.
 */
export function isTelling(
  anomaly: Anomaly,
  at: EpochMs,
  around: { readonly open: readonly Anomaly[]; readonly graph: ServiceGraph; readonly patience: (course: Course) => Patience },
): boolean {
  return withItsCallees(anomaly, around.open, around.graph).every((one) => {
    const { wait, unless } = around.patience(one);
    return at - anomaly.detectedAt >= wait || Math.abs(one.relativeChange) > unless;
  });
}
