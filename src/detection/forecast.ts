import { median } from "../domain/quantile.ts";
import { studentQuantile } from "../domain/student-t.ts";
import type { MetricPoint } from "../domain/telemetry.ts";
import { DAY, type EpochMs, HOUR, MINUTE, type Milliseconds, WEEK } from "../domain/time.ts";
import { SeasonalProfile } from "./profile.ts";

export interface ForecastOptions {
  /** Where the resource is exhausted, in the series' unit. */
  readonly capacity: number;
  /** Forecasts of exhaustions that do not come, that are acceptable in a week of this one series. */
  readonly falseAlarmsPerWeek: number;
  /** Distance between the newest samples; older ones may lie further apart. */
  readonly step: Milliseconds;
}

/** When a resource will be exhausted if it goes on as it does. */
export interface Exhaustion {
  /** The rise on which this rests began here. */
  readonly since: EpochMs;
  /** Level now, in the series' unit, the usual course of the day taken into account. */
  readonly level: number;
  /** In the series' unit. */
  readonly perHour: number;
  /** The likeliest time, and between `earliest` and `latest` with a probability of 80 %. `latest` is null when it may also never come. */
  readonly likely: EpochMs;
  readonly earliest: EpochMs;
  readonly latest: EpochMs | null;
  /** From now on until it is exhausted even on the slow course, or as long again as to the likeliest time: with 80 % between `lower` and `upper`. */
  readonly course: readonly CoursePoint[];
}

/** In the series' unit, at most the capacity. */
export interface CoursePoint {
  readonly at: EpochMs;
  readonly expected: number;
  readonly lower: number;
  readonly upper: number;
}

const WINDOWS: readonly Milliseconds[] = Array.from({ length: 9 }, (_, index) => 2 ** index * 30 * MINUTE);
/** Neighbouring windows say nearly the same. */
const INDEPENDENT_WINDOWS = 4;
/** A forecast reaches four times as far as the rise that it rests on. */
const REACH = 4;
const BLOCKS = 24;
const FEWEST_BLOCKS = 10;
/** Points of the course that is told. */
const COURSE = 60;
/** Places of the horizon at which the course is looked at. */
const PLACES = 960;
/** Looks at one window that tell as much as independent ones would, in the time that it spans. */
const LOOKS = 3;
/** The seasons must have been seen before a rise can be told from a morning. */
const LEARN_FOR: Milliseconds = 2 * DAY;
const CELL: Milliseconds = 15 * MINUTE;

/**
 * Time to exhaustion of something that is used up: a disk, a pool, a quota. Null when nothing says that it is near.
 *
 * The usual course of day and week (`SeasonalProfile`) is taken out; what is left is a random walk with drift, seen through noise (local level
 * model: Harvey 1989). Drift and variances come from the increments between the medians of 24 blocks, over windows from half an hour to five days; a
 * negative correlation of neighbouring increments, beyond its own error, is noise that does not add up. The level after h blocks then has the
 * variance s² (h + h² / n) plus that of the noise, by Student's law (the drift method's prediction interval: Hyndman and Athanasopoulos,
 * "Forecasting", §5.5), and is first beyond the capacity when that law says so (first passage, without the paths that come back). It is told when
 * the capacity is reached within four windows even on the slow course that is as unlikely as the false-alarm budget allows.
 *
 * Two things end a rise: a fall of more than three spreads begins a new one (something was cleaned up), and a level that was reached before and came
 * down again is no news until a quarter of the room that was left then is used as well. Assumes that increments within a window are exchangeable,
 * and that the capacity stays.
 * @param points ascending; two weeks of them let seasons be known
 */
export function forecastExhaustion(points: readonly MetricPoint[], options: ForecastOptions): Exhaustion | null {
  const newest = points.at(-1);
  const oldest = points[0];
  if (!newest || !oldest || newest.at - oldest.at < LEARN_FOR || newest.value >= options.capacity) return null;
  const cells = inCells(points);
  const shape = seasonsOf(cells);
  let found: Exhaustion | null = null;
  for (const window of WINDOWS) {
    if (window < BLOCKS * options.step || newest.at - oldest.at < window) continue;
    const rise = riseOf(points, shape, newest.at + options.step, window);
    if (
      rise === null ||
      cells.some(({ at, value }) => at + CELL <= rise.since && value + (options.capacity - value) / 4 >= rise.seen)
    )
      continue;
    const exhaustion = crossing(rise, shape, options, window);
    if (exhaustion && (found === null || exhaustion.likely < found.likely)) found = exhaustion;
  }
  return found;
}

type Shape = (at: EpochMs) => number;

interface Rise {
  readonly since: EpochMs;
  readonly until: EpochMs;
  readonly block: Milliseconds;
  /** Without seasons. */
  readonly level: number;
  /** With them. */
  readonly seen: number;
  /** For each block. */
  readonly drift: number;
  readonly increments: number;
  /** Of the level in so many blocks, by what is known of it now. */
  variance(blocks: number): number;
}

function inCells(points: readonly MetricPoint[]): MetricPoint[] {
  const cells: MetricPoint[] = [];
  let values: number[] = [];
  let cell = Number.NaN;
  const close = () => {
    if (values.length > 0) cells.push({ at: cell * CELL, value: median(values) });
    values = [];
  };
  for (const { at, value } of points) {
    const own = Math.floor(at / CELL);
    if (own !== cell) close();
    cell = own;
    values.push(value);
  }
  close();
  return cells;
}

/** What day and week add at a time, after the growth from day to day is taken out (median of differences: Theil 1950). */
function seasonsOf(cells: readonly MetricPoint[]): Shape {
  const byCell = new Map(cells.map(({ at, value }) => [at, value]));
  const daily = cells.flatMap(({ at, value }) => {
    const before = byCell.get(at - DAY);
    return before === undefined ? [] : [value - before];
  });
  const growth = daily.length > 0 ? median(daily) / DAY : 0;
  const profile = new SeasonalProfile(CELL);
  for (const { at, value } of cells) profile.put(profile.cellOf(at), value - growth * at);
  profile.fit();
  return (at) => profile.offset(at);
}

function riseOf(points: readonly MetricPoint[], shape: Shape, until: EpochMs, window: Milliseconds): Rise | null {
  const block = window / BLOCKS;
  const groups: { seen: number[]; rest: number[] }[] = Array.from({ length: BLOCKS }, () => ({ seen: [], rest: [] }));
  for (let index = points.length - 1; index >= 0; index--) {
    const { at, value } = points[index] as MetricPoint;
    const group = groups[BLOCKS - 1 - Math.floor((until - 1 - at) / block)];
    if (!group) break;
    group.seen.push(value);
    group.rest.push(value - shape(at));
  }
  const levels = groups.map(({ rest }) => median(rest));
  if (levels.some(Number.isNaN)) return null;
  const all = levels.slice(1).map((level, index) => level - (levels[index] as number));
  const middle = median(all);
  const usual = 1.4826 * median(all.map((one) => Math.abs(one - middle)));
  const increments = all.slice(all.findLastIndex((one) => one < 0 && one < middle - 3 * usual) + 1);
  const n = increments.length;
  if (n < FEWEST_BLOCKS) return null;
  const drift = increments.reduce((sum, one) => sum + one, 0) / n;
  if (drift <= 0) return null;
  const away = increments.map((one) => one - drift);
  const own = away.reduce((sum, one) => sum + one * one, 0) / (n - 1);
  const neighbours = away.slice(1).reduce((sum, one, index) => sum + one * (away[index] as number), 0) / (n - 1);
  const lasting = Math.max(0, own + 2 * Math.min(0, neighbours + own / Math.sqrt(n)));
  return {
    since: until - n * block,
    until,
    block,
    // The middle of the last block is half a block ago; peaks that are usual count, as they are what is felt.
    level: (levels.at(-1) as number) + drift / 2 + median(groups.map(({ rest }) => peakOf(rest))),
    seen: median(groups.at(-1)?.seen ?? []),
    drift,
    increments: n,
    variance: (h) => lasting * (h + (h * h) / n) + own * (1 + (h * h) / (n * n)),
  };
}

/** How far the highest tenth lies above the middle. */
function peakOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor(0.9 * sorted.length)] ?? Number.NaN) - median(sorted);
}

/** Null when the capacity is not reached within the horizon on the course that the budget leaves room for. */
function crossing(rise: Rise, shape: Shape, options: ForecastOptions, window: Milliseconds): Exhaustion | null {
  const { until, block, level, drift, increments: n } = rise;
  const horizon = REACH * n * block;
  const levelIn = (ahead: Milliseconds, quantile: number): number => {
    const h = ahead / block;
    return level + drift * h + quantile * Math.sqrt(rise.variance(h)) + shape(until + ahead);
  };
  const reachedAt = (quantile: number): EpochMs | null => {
    for (let place = 1; place <= PLACES; place++) {
      const ahead = (place / PLACES) * horizon;
      if (levelIn(ahead, quantile) >= options.capacity) return until + ahead;
    }
    return null;
  };
  const risk = (options.falseAlarmsPerWeek / INDEPENDENT_WINDOWS) * (window / WEEK) * (1 / LOOKS);
  const sure = reachedAt(-studentQuantile(1 - Math.min(0.1, risk), n - 1));
  const likely = reachedAt(0);
  const decile = studentQuantile(0.9, n - 1);
  const earliest = reachedAt(decile);
  if (sure === null || likely === null || earliest === null) return null;
  const place = horizon / PLACES;
  const latest = reachedAt(-decile);
  const length = Math.min(horizon, (latest ?? Number.POSITIVE_INFINITY) - until, 2 * (likely - until));
  const course = Array.from({ length: COURSE + 1 }, (_, index): CoursePoint => {
    const ahead = (index / COURSE) * length;
    const within = (quantile: number) => Math.min(options.capacity, levelIn(ahead, quantile));
    return { at: until + ahead, expected: within(0), lower: within(-decile), upper: within(decile) };
  });
  return {
    since: rise.since,
    level: rise.seen,
    perHour: (drift / block) * HOUR,
    likely,
    earliest: earliest - place,
    latest,
    course,
  };
}
