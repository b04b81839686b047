/** A point in time: milliseconds since the Unix epoch, UTC. */
export type EpochMs = number;

/** A length of time in milliseconds. */
export type Milliseconds = number;

export const SECOND: Milliseconds = 1_000;
export const MINUTE: Milliseconds = 60 * SECOND;
export const HOUR: Milliseconds = 60 * MINUTE;
export const DAY: Milliseconds = 24 * HOUR;
export const WEEK: Milliseconds = 7 * DAY;

/**
 * The clock that telemetry is stamped with. In production it is the wall clock; in the demo it may run faster,
 * so telemetry code must never call `Date.now()`. Approvals and expiries use the wall clock, because people do.
 */
export interface Clock {
  now(): EpochMs;
  /** Telemetry milliseconds that pass in one wall-clock millisecond; 1 in production. */
  readonly speed: number;
}

export const wallClock: Clock = { now: () => Date.now(), speed: 1 };
