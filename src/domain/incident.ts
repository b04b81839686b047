import type { Anomaly } from "./anomaly.ts";
import type { Investigation } from "./investigation.ts";
import type { Proposal } from "./proposal.ts";
import type { ServiceName } from "./telemetry.ts";
import type { EpochMs } from "./time.ts";

export type IncidentState = "open" | "mitigated" | "resolved";

/** Anomalies of related services within a window, seen as one thing that is going wrong. */
export interface Incident {
  readonly id: string;
  readonly state: IncidentState;
  readonly openedAt: EpochMs;
  /** Telemetry time at which an action was verified to help; what starts later is another incident. */
  readonly mitigatedAt?: EpochMs | null;
  readonly resolvedAt: EpochMs | null;
  readonly services: readonly ServiceName[];
  readonly anomalies: readonly Anomaly[];
  readonly title: string;
}

/** One thing that goes wrong now: an open incident with its investigation, or an investigation that somebody asked for and that still runs. */
export interface OpenCase {
  readonly investigation: Investigation;
  readonly incident: Incident | null;
  /** Actions that were proposed for it and are not over. */
  readonly proposals: readonly Proposal[];
}
