import type { RedSignal, ServiceName } from "../domain/telemetry.ts";
import { DAY, type EpochMs } from "../domain/time.ts";
import type { Judgement } from "./judgement.ts";

/** Logarithms of factors on the evidence that a series must bring before anybody is told. */
const NOISE_STEP = 0.5;
const CONFIRMED_STEP = -0.7;
/** What a verdict on one series says of the service's other series. */
const SAME_SERVICE = 0.25;
const HALF_LIFE = 30 * DAY;

/**
 * Twice the evidence is the same change lasting twice as long. Five times at most, as far as the detectors' own ledger goes, and half again on
 * one voter's word; the watcher tells what lasts anyway (`LONGEST_DOUBT`).
 */
export const THRESHOLD_BOUNDS = { most: Math.log(5), alone: Math.log(1.5) };

/**
 * How much stricter than its share of the false-alarm budget a series has become, as a logarithm of at least 0: up with each "noise" verdict,
 * down with each confirmed incident, half forgotten after a month. Never below its share, so the team's budget holds.
 */
export function strictnessOf(judgements: readonly Judgement[], service: ServiceName, signal: RedSignal, now: EpochMs): number {
  let level = 0;
  let last: EpochMs | null = null;
  for (const { investigation, verdict, weight, at } of judgements) {
    if (verdict === "incorrect" || at > now) continue;
    const own = investigation.anomalies.filter((anomaly) => anomaly.service === service);
    if (own.length === 0) continue;
    const closeness = own.some((anomaly) => anomaly.signal === signal) ? 1 : SAME_SERVICE;
    const step = verdict === "noise" ? NOISE_STEP : CONFIRMED_STEP;
    const before = level * fading(at - (last ?? at));
    level = Math.min(THRESHOLD_BOUNDS.most, Math.max(0, before + step * closeness * weight));
    last = at;
  }
  return last === null ? 0 : level * fading(now - last);
}

const fading = (age: number): number => 0.5 ** (age / HALF_LIFE);
