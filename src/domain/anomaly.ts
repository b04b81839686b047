import type { Labels, RedSignal, ServiceName } from "./telemetry.ts";
import type { EpochMs } from "./time.ts";

export type AnomalyKind = "level" | "spike" | "trend" | "variance" | "flatline" | "missing";

/** A watched series that left its seasonal baseline. */
export interface Anomaly {
  readonly id: string;
  readonly service: ServiceName;
  readonly signal: RedSignal;
  readonly labels: Labels;
  readonly kind: AnomalyKind;
  readonly direction: "up" | "down";
  /** When the series is estimated to have started to move. */
  readonly startedAt: EpochMs;
  /** When the detector was sure enough. Telemetry time. */
  readonly detectedAt: EpochMs;
  readonly endedAt: EpochMs | null;
  /** Mean since `startedAt`, in the signal's unit. */
  readonly observed: number;
  /** What the baseline expected over the same time. */
  readonly expected: number;
  /** `observed / expected - 1`; 0.12 is twelve per cent up. */
  readonly relativeChange: number;
  /** How far beyond the threshold, 1 is just at it. */
  readonly score: number;
  /** Something was changed shortly before it started, in its service or in one that it calls and that is off as well. Absent: not known of. */
  readonly afterChange?: boolean;
}
