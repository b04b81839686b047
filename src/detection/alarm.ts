import type { AnomalyKind } from "../domain/anomaly.ts";
import type { EpochMs } from "../domain/time.ts";
import type { Change } from "./types.ts";

/** The account of an alarm that is on. */
export interface Alarm {
  kind: AnomalyKind;
  direction: "up" | "down";
  startedAt: EpochMs;
  detectedAt: EpochMs;
  samples: number;
  observed: number;
  expected: number;
  score: number;
  /** Mean innovation of the change. */
  size: number;
  /** Log-likelihood ratio of being back to normal. */
  recovery: number;
}

/** An accepted change: what had been expected before it, what is now, and when that was accepted. */
export interface Former {
  readonly observed: number;
  readonly expected: number;
  readonly at: EpochMs;
}

export function changeOf({ kind, direction, startedAt, detectedAt, samples, observed, expected, score }: Alarm): Change {
  return {
    kind,
    direction,
    startedAt,
    detectedAt,
    observed: observed / samples,
    expected: expected / samples,
    relativeChange: expected === 0 ? 0 : observed / expected - 1,
    score,
  };
}
