/** Detection as its users see it: watch one series, judge one window, group what was found, choose what to watch. */
export { createDetector, restoreDetector } from "./detector.ts";
export { type Exhaustion, type ForecastOptions, forecastExhaustion } from "./forecast.ts";
export { type Grouping, type GroupOptions, groupAnomalies } from "./group.ts";
export { judgeWindow, type WindowJudgement } from "./judge.ts";
export { inferStep, type RecordedPoint, type ReplayedAnomaly, replay } from "./replay.ts";
export { type Resource, resourcesOf } from "./resources.ts";
export type {
  Band,
  Change,
  DetectorOptions,
  DetectorState,
  EndedChange,
  Observation,
  SampleContext,
  SeriesDetector,
  SeriesKind,
} from "./types.ts";
export { shareOf, type WatchedSignal, watchlist } from "./watchlist.ts";
