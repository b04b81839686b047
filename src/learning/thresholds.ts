import type { Anomaly } from "../domain/anomaly.ts";
import { DAY, type EpochMs, MINUTE, type Milliseconds } from "../domain/time.ts";
import type { Judgement } from "./judgement.ts";

/** What verdicts are kept by: a series, apart by where it goes, and for what follows a change, which is news of its own. Upwards where not said. */
export type Course = Pick<Anomaly, "service" | "signal"> & Partial<Pick<Anomaly, "direction" | "kind" | "afterChange">>;

/** `checkout/latency`, `checkout/rate/down/after-change`. */
export const courseName = ({ service, signal, direction = "up", kind, afterChange }: Course): string =>
  [service, signal, kind === "missing" ? kind : direction, afterChange ? "after-change" : "up"]
    .filter((part) => part !== "up")
    .join("/");

/** How long people are spared an anomaly that looks like what was noise before. */
export interface Patience {
  /** From its detection; what heals by then is not told. */
  readonly wait: Milliseconds;
  /** A change larger than this, relative to what is usual, is unlike that noise and told at once. */
  readonly unless: number;
}

export const NO_PATIENCE: Patience = { wait: 0, unless: 0 };

const NOISE_STEP: Milliseconds = 12 * MINUTE;
const CONFIRMED_STEP: Milliseconds = -12 * MINUTE;
const HALF_LIFE = 60 * DAY;
/** What is so much larger than the noise was is something else. */
const UNLIKE = 1.5;

/** However often a series cried wolf, what lasts this long is told; and one voter's word keeps nothing back for longer than `alone`. */
export const THRESHOLD_BOUNDS = { most: 30 * MINUTE, alone: 10 * MINUTE };

export const isOfCourse = (course: Course, anomaly: Course): boolean => courseName(course) === courseName(anomaly);

/**
 * How long to wait with an anomaly of this course: longer with each "noise" verdict, shorter with each confirmed incident, half forgotten
 * after two months. Never below none, so the team's budget holds.
 */
export function waitOf(judgements: readonly Judgement[], course: Course, now: EpochMs): Milliseconds {
  let wait = 0;
  let last: EpochMs | null = null;
  for (const { investigation, verdict, weight, at } of judgements) {
    if (at > now || !investigation.anomalies.some((anomaly) => isOfCourse(course, anomaly))) continue;
    const step = verdict === "noise" ? NOISE_STEP : CONFIRMED_STEP;
    wait = Math.min(THRESHOLD_BOUNDS.most, Math.max(0, wait * fading(at - (last ?? at)) + step * weight));
    last = at;
  }
  return last === null ? 0 : wait * fading(now - last);
}

/** The size beyond which a change of this course is unlike what was voted noise. */
export function unlikeNoise(judgements: readonly Judgement[], course: Course): number {
  const sizes = judgements
    .filter(({ verdict }) => verdict === "noise")
    .flatMap(({ investigation }) => investigation.anomalies.filter((anomaly) => isOfCourse(course, anomaly)))
    .map(({ relativeChange }) => Math.abs(relativeChange));
  return UNLIKE * Math.max(0, ...sizes);
}

const fading = (age: number): number => 0.5 ** (age / HALF_LIFE);
