import type { Anomaly } from "./anomaly.ts";
import type { ServiceName } from "./telemetry.ts";
import type { EpochMs } from "./time.ts";

export type IncidentState = "open" | "mitigated" | "resolved";

/** Anomalies of related services within a window, seen as one thing that is going wrong. */
export interface Incident {
  readonly id: string;
  readonly state: IncidentState;
  readonly openedAt: EpochMs;
  readonly resolvedAt: EpochMs | null;
  readonly services: readonly ServiceName[];
  readonly anomalies: readonly Anomaly[];
  readonly title: string;
}
