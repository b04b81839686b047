import { DAY, type EpochMs } from "../domain/time.ts";
import { calibrationWeight, type HeardClaim } from "./calibration.ts";
import { type Course, courseName } from "./thresholds.ts";

/** What was heard of one judged investigation as an incident: was it one, or noise? */
export interface HeardIncident {
  /** What was off. */
  readonly courses: readonly Course[];
  /** Logarithm of the odds that the voices give to its being real. */
  readonly odds: number;
  readonly noise: boolean;
  /** The chance that was worked out for it before calibration, if any was, and of what kind it was then. */
  readonly claimed: Pick<RealChance, "raw" | "kinds"> | null;
  readonly at: EpochMs;
}

/** How likely it is that something is wrong at all, by what came of the like of it. */
export interface RealChance {
  /** 0 to 1, as it is told: calibrated. */
  readonly chance: number;
  /** The same before calibration, which is what calibration learns from. */
  readonly raw: number;
  /** Whether it followed a change, and how much was off: by this, too, it is calibrated. Absent in reports older than this field. */
  readonly kinds?: readonly [string, string] | undefined;
  /** The newest judged investigations of the same kind, eight at most, and how many of them were noise. */
  readonly like: number;
  readonly noise: number;
}

/** Fewer verdicts than these say nothing of the next incident. */
export const ENOUGH_VERDICTS = 5;
/** One voter moves the chance by no more than `alone`. */
export const REAL_BOUNDS = { most: 0.5, alone: 0.2 };
const HALF_LIFE = 45 * DAY;
/** What the fleet's share counts for against the like of it, and an even chance for the fleet; in verdicts. */
const FLEET = 2;
const IGNORANCE = 2;
const RECENT = 8;
/** Shares so much of what is off is called "like it". */
const ALIKE = 0.5;

const fading = (age: number): number => 0.5 ** (age / HALF_LIFE);
const logistic = (odds: number): number => 1 / (1 + Math.exp(-odds));

/**
 * The chance that an incident with these anomalies is real: the share of real ones among judged incidents, each counted by how much of what is off
 * it has in common (Jaccard 1901; kernel regression, Nadaraya 1964) and half after six weeks, smoothed with the fleet's own share. A voice
 * is evidence of the truth, not the truth.
 */
export function realChance(heard: readonly HeardIncident[], courses: readonly Course[], now: EpochMs): number {
  const known = heard.filter(({ at }) => at <= now).map((one) => ({ ...one, weight: fading(now - one.at) }));
  const total = known.reduce((sum, { weight }) => sum + weight, 0);
  const said = known.reduce((sum, { weight, odds }) => sum + weight * logistic(odds), 0);
  const fleet = (said + IGNORANCE / 2) / (total + IGNORANCE);
  const before = Math.log(fleet / (1 - fleet));
  let weights = FLEET;
  let real = FLEET * fleet;
  for (const { courses: theirs, weight, odds } of known) {
    const near = weight * inCommon(courses, theirs) ** 2;
    weights += near;
    real += near * logistic(before + odds);
  }
  return real / weights;
}

/** Incidents by whether they follow a change, and by how many series are off. */
export const kindsOfIncident = (courses: readonly Course[]): readonly [change: string, extent: string] => [
  courses.some(({ afterChange }) => afterChange) ? "after a change" : "by itself",
  ["one series", "two series"][new Set(courses.map(courseName)).size - 1] ?? "several series",
];

/** What came of the chances that were worked out, to calibrate by. */
export const claimsOf = (heard: readonly HeardIncident[], now: EpochMs): HeardClaim[] =>
  heard.flatMap(({ claimed, odds, at }) =>
    claimed === null ? [] : [{ confidence: claimed.raw, kinds: claimed.kinds, odds, weight: calibrationWeight(now - at) }],
  );

/** The newest of the same kind, and how many of them were noise. */
export function likeIt(heard: readonly HeardIncident[], courses: readonly Course[]): Pick<RealChance, "like" | "noise"> {
  const alike = heard.filter((one) => inCommon(courses, one.courses) >= ALIKE).slice(-RECENT);
  return { like: alike.length, noise: alike.filter(({ noise }) => noise).length };
}

/** Share of the series of both that both have, 0 to 1. */
function inCommon(some: readonly Course[], others: readonly Course[]): number {
  const [a, b] = [some, others].map((courses) => new Set(courses.map(courseName))) as [Set<string>, Set<string>];
  const both = [...a].filter((name) => b.has(name)).length;
  return both === 0 ? 0 : both / (a.size + b.size - both);
}
