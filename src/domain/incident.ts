import type { Anomaly } from "./anomaly.ts";
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
