/** Detection as its users see it: watch one series, judge one window, group what was found, choose what to watch. */
export { createDetector, restoreDetector } from "./detector.ts";
export { type Exhaustion, forecastExhaustion } from "./forecast.ts";
export { groupAnomalies } from "./group.ts";
export { judgeWindow } from "./judge.ts";
export { inferStep, type RecordedPoint, type ReplayedAnomaly, replay } from "./replay.ts";
export { type Resource, resourcesOf } from "./resources.ts";
export type { DetectorOptions, DetectorState, Observation, SeriesDetector } from "./types.ts";
export { shareOf, watchlist } from "./watchlist.ts";
