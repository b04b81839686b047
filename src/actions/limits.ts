import type { ProposalState } from "../domain/proposal.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import { type EpochMs, HOUR, MINUTE, type Milliseconds } from "../domain/time.ts";
import type { Policy } from "./policy.ts";

/** A wish that was sound but got no card, since people have too many already. */
export interface HeldBack {
  readonly target: string;
  readonly summary: string;
  /** The key under the policy's `limits` that held it back. */
  readonly limit: "pendingAtOnce" | "proposalsPerHour";
}

/** One execution, whatever became of it. Times are telemetry time. */
export interface Run {
  readonly target: string;
  readonly services: readonly ServiceName[];
  /** When it was claimed. */
  readonly at: EpochMs;
  /** Up to when its signal was watched, or its undoing's; null when it was not. */
  readonly watchedUntil: EpochMs | null;
  readonly state: ProposalState;
}

/** Time that is counted for the limits. */
export const COUNTED: Milliseconds = 24 * HOUR;

const BAD_ENDS: ReadonlySet<ProposalState> = new Set(["rolled_back", "rollback_failed", "unknown"]);

/** The rule that forbids a further run on this target now, or null. Pure: the runs of the last day are handed in, oldest first. */
export function limitReached(
  { limits }: Policy,
  runs: readonly Run[],
  subject: { readonly target: string; readonly services: readonly ServiceName[] },
  now: EpochMs,
  verificationWindow: Milliseconds,
): string | null {
  const { target, services } = subject;
  const today = runs.filter(({ at }) => at >= now - COUNTED);
  if (today.length >= limits.perDay)
    return `${today.length} actions ran within a day, the limit is ${limits.perDay} (limits.perDay).`;
  const lately = today.filter(({ at }) => at >= now - HOUR);
  const here = lately.filter((run) => run.target === target);
  if (here.length >= limits.perTargetPerHour) {
    return `${here.length} actions ran on ${target} within an hour, the limit is ${limits.perTargetPerHour} (limits.perTargetPerHour).`;
  }
  for (const service of services) {
    const touching = lately.filter((run) => run.services.includes(service));
    if (touching.length >= limits.perServicePerHour) {
      return `${touching.length} actions touched ${service} within an hour, the limit is ${limits.perServicePerHour} (limits.perServicePerHour).`;
    }
  }
  const bad = today.filter((run) => run.target === target).findLast(({ state }) => BAD_ENDS.has(state));
  // A run that was not watched ended at the latest when its window would have been over; the rest counts from the end.
  const cooled = bad && (bad.watchedUntil ?? bad.at + verificationWindow) + limits.cooldownMinutesAfterRollback * MINUTE;
  if (cooled && now < cooled) {
    const what = bad.state === "unknown" ? "ended without a verdict" : "was rolled back";
    return `The last action on ${target} ${what}; it rests until ${new Date(cooled).toISOString().slice(11, 16)} UTC (limits.cooldownMinutesAfterRollback).`;
  }
  const failures = [...today].reverse().findIndex(({ state }) => state === "verified");
  const inARow = today.slice(failures === -1 ? 0 : today.length - failures).filter(({ state }) => BAD_ENDS.has(state));
  if (inARow.length >= limits.failedVerificationsUntilReadOnly) {
    return `${inARow.length} actions in a row ended badly; nothing more runs until people have looked (limits.failedVerificationsUntilReadOnly).`;
  }
  return null;
}
