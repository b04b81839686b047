import type { MetricPoint } from "../../../src/domain/telemetry.ts";
import { DAY, type EpochMs, MINUTE } from "../../../src/domain/time.ts";

/** A Monday. */
export const START: EpochMs = Date.UTC(2026, 0, 5);

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Standard normal numbers (Box and Muller 1958). */
export function normal(random: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** What traffic looks like: a daily wave with a second hump, quieter at weekends; mean about 1. */
export function weeklyShape(at: EpochMs): number {
  const day = (at - START) / DAY;
  const wave = 1 + 0.4 * Math.sin(2 * Math.PI * day - 1.8) + 0.15 * Math.sin(4 * Math.PI * day);
  return wave * (Math.floor(day) % 7 >= 5 ? 0.75 : 1);
}

export interface Simulation {
  readonly seed: number;
  readonly days: number;
  /** Relative standard deviation of the noise. */
  readonly noise: number;
  readonly level?: number;
  readonly step?: number;
  /** Lag-1 autocorrelation. */
  readonly autocorrelation?: number;
}

/** A seasonal series with AR(1) noise relative to its level. */
export function simulate({ seed, days, noise, level = 100, step = MINUTE, autocorrelation = 0.3 }: Simulation): MetricPoint[] {
  const gaussian = normal(uniform(seed));
  const points: MetricPoint[] = [];
  let error = gaussian();
  for (let at = START; at < START + days * DAY; at += step) {
    points.push({ at, value: level * weeklyShape(at) * Math.max(0, 1 + noise * error) });
    error = autocorrelation * error + Math.sqrt(1 - autocorrelation ** 2) * gaussian();
  }
  return points;
}
