import type { Feedback } from "../domain/feedback.ts";
import type { Proposal } from "../domain/proposal.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import type { Trust } from "./trust.ts";

/** How actions of one kind on some services ended, in the terms of the risk score. */
export interface TrackRecord {
  readonly runs: number;
  readonly helped: number;
  /** Points on the risk score: between −1 and +2. */
  readonly points: number;
  readonly because: readonly string[];
}

const ENOUGH_TO_PRAISE = 5;
const ENOUGH_TO_WARN = 2;
/** What people say of a verified action against what was measured. */
const WORD = 0.5;

/**
 * The record of an action on these services. Verified is a success, rolled back or without an end that could be told is none; what people said
 * of its effect moves a run by half at most, and only against a majority of trusted voices. Null before anything ran.
 */
export function trackRecord(
  proposals: readonly Proposal[],
  votes: readonly Feedback[],
  trust: Trust,
  action: string,
  services: readonly ServiceName[],
): TrackRecord | null {
  const runs = proposals.filter(
    (one) => one.action === action && servicesTouched(one).some((service) => services.includes(service)) && ended(one),
  );
  if (runs.length === 0) return null;
  const helped = runs.reduce((sum, run) => {
    const measured = run.state === "verified" ? 1 : 0;
    const said = votes
      .filter((vote) => vote.investigationId === run.investigationId && vote.actionEffective !== null)
      .reduce((lean, vote) => lean + (vote.actionEffective ? 1 : -1) * trust(vote.user), 0);
    const word = said === 0 ? measured : said > 0 ? 1 : 0;
    return sum + (1 - WORD) * measured + WORD * word;
  }, 0);
  const share = helped / runs.length;
  const points =
    runs.length >= ENOUGH_TO_WARN && share < 0.5
      ? 2
      : runs.length >= ENOUGH_TO_WARN && share < 0.75
        ? 1
        : runs.length >= ENOUGH_TO_PRAISE && share >= 0.9
          ? -1
          : 0;
  return { runs: runs.length, helped, points, because: runs.map(({ id }) => id) };
}

const ENDS: ReadonlySet<Proposal["state"]> = new Set(["verified", "rolled_back", "rollback_failed", "unknown", "failed"]);
const ended = ({ state }: Proposal): boolean => ENDS.has(state);

/** The services that an action was about: its target's, or the one that it was verified on. */
export function servicesTouched({ target, criterion, args }: Proposal): ServiceName[] {
  const [kind, name] = target.split(":");
  const named = typeof args.service === "string" ? [args.service] : [];
  return [
    ...new Set([
      ...((kind === "service" || kind === "deploy") && name ? [name] : []),
      ...named,
      ...(criterion ? [criterion.service] : []),
    ]),
  ];
}
