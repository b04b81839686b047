import type { AnomalyKind } from "../domain/anomaly.ts";
import type { MetricPoint } from "../domain/telemetry.ts";
import type { EpochMs, Milliseconds } from "../domain/time.ts";

/**
 * What a series measures, which decides how its noise is modelled.
 * `rate`: events per second, noise relative to the level and never below Poisson's. `latency`: positive, noise relative to the level.
 * `ratio`: a share from 0 to 1, judged by its counts when they are given. `gauge`: anything, noise in the unit itself.
 * `counter`: a cumulative sum that may reset; it is turned into a `rate` first.
 */
export type SeriesKind = "rate" | "ratio" | "latency" | "gauge" | "counter";

export interface DetectorOptions {
  /** Distance between two samples. */
  readonly step: Milliseconds;
  readonly kind: SeriesKind;
  /** False alarms that are acceptable in a week of this one series; may be a small fraction. */
  readonly falseAlarmsPerWeek: number;
  /** Which way hurts; changes the other way are not raised and cost no budget. Default `both`. */
  readonly harmful?: "up" | "down" | "both";
  /** Changes smaller than this are not worth a word: a share of the expected value, for `ratio` a difference. Defaults: 0.03, ratio 0.003. */
  readonly smallestChange?: number;
  /** A change that lasts longer than this becomes the new normal. Default one day. */
  readonly acceptAfter?: Milliseconds;
  /** History needed before the first alarm can be raised. Default two days. */
  readonly learnFor?: Milliseconds;
  /** UTC dates (`2026-12-25`) on which the expectation shrinks halfway to the mean and the band widens by what that moves. */
  readonly holidays?: readonly string[];
}

export interface SampleContext {
  /** Requests behind the sample: the denominator of a ratio, the sample size of a latency. */
  readonly count?: number;
}

/** A departure from the baseline; `score` is the evidence over what the false-alarm budget asks for, so 1 is just enough. */
export interface Change {
  readonly kind: AnomalyKind;
  readonly direction: "up" | "down";
  readonly startedAt: EpochMs;
  readonly detectedAt: EpochMs;
  /** Mean since `startedAt`, in the series' unit. */
  readonly observed: number;
  /** Mean expectation over the same samples. */
  readonly expected: number;
  /** `observed / expected - 1`; 0 when nothing was expected. */
  readonly relativeChange: number;
  readonly score: number;
}

export interface EndedChange extends Change {
  readonly endedAt: EpochMs;
  /** `accepted`: it lasted so long that it is now normal. */
  readonly reason: "recovered" | "accepted";
}

export interface Observation {
  readonly at: EpochMs;
  /** Null for a step without data. Events per second for a counter. */
  readonly value: number | null;
  readonly expected: number;
  /** About 95 of 100 normal samples lie between `lower` and `upper`. */
  readonly lower: number;
  readonly upper: number;
  /** Evidence of the strongest chart over its threshold, 1 raises an alarm; 0 while learning. */
  readonly score: number;
  readonly state: "learning" | "normal" | "alarm";
  /** The change that was detected with this sample; null in all others. */
  readonly change: Change | null;
  /** The change in progress, with its account up to this sample; null outside alarms. */
  readonly ongoing: Change | null;
  /** The change that ended with this sample. */
  readonly ended?: EndedChange;
}

export interface Band {
  readonly at: EpochMs;
  readonly expected: number;
  readonly lower: number;
  readonly upper: number;
}

/** Watches one series. Strictly causal, constant memory, no clock and no randomness of its own. */
export interface SeriesDetector {
  /** Learns history in bulk: ascending, any length; the last four weeks count. Replaces what was learned before and raises nothing. */
  train(points: readonly MetricPoint[]): void;
  /** Judges the next sample by what came before it, then learns from it. Samples not newer than the last one are ignored. */
  observe(point: MetricPoint, context?: SampleContext): Observation;
  /** Says that the step at `at` brought no data. */
  missing(at: EpochMs): Observation;
  /** The expectation as it stands now, for every step of a half-open range. */
  band(from: EpochMs, to: EpochMs): readonly Band[];
  /** Everything learned, as compact JSON for `restoreDetector`. */
  state(): DetectorState;
}

/** Opaque, JSON-serialisable. */
export interface DetectorState {
  readonly version: 1;
  readonly options: DetectorOptions;
  readonly [key: string]: unknown;
}
