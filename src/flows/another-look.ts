import type { Incident } from "../domain/incident.ts";
import type { InvestigationReport } from "../domain/investigation.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import type { EpochMs, Milliseconds } from "../domain/time.ts";

/** What is remembered of the times that an incident was looked at. */
export interface Looks {
  readonly count: number;
  /** Telemetry time of the last look. */
  readonly at: EpochMs;
  /** Services that were known to suffer then. */
  readonly services: readonly ServiceName[];
}

/** A first look comes early and may see too little: the next ones come so many steps after the opening. */
const SCHEDULE = [6, 20];
/** Trouble that reaches further services is looked at anew, but not more often than this, and not for ever. */
const APART_STEPS = 6;
const MOST_LOOKS = 8;

/**
 * Whether an incident that still goes on deserves another look: at fixed times while nothing was found that could be done about it, and
 * whenever it has reached services that the last look did not know of, since that may be another trouble beside the first.
 */
export function deservesAnotherLook(
  incident: Incident,
  looks: Looks,
  report: InvestigationReport,
  now: EpochMs,
  step: Milliseconds,
): boolean {
  const ongoing = incident.anomalies.filter(({ endedAt }) => endedAt === null);
  if (ongoing.length === 0 || looks.count >= MOST_LOOKS) return false;
  const spread = ongoing.some(({ service }) => !looks.services.includes(service));
  if (spread && now - looks.at >= APART_STEPS * step) return true;
  const due = SCHEDULE[looks.count - 1];
  const answered = report.outcome === "cause_found" && report.proposals.length > 0;
  return due !== undefined && now - incident.openedAt >= due * step && !answered;
}
