import { median } from "../domain/quantile.ts";
import { DAY, type EpochMs, MINUTE, type Milliseconds, WEEK } from "../domain/time.ts";

/** The epoch was a Thursday; this makes Monday 00:00 UTC the start of the week. */
const MONDAY = 4 * DAY;
const WEEKS_KEPT = 4;

/** Width of one cell: a quarter of an hour, or the step where that is coarser. */
const cellWidth = (step: Milliseconds): Milliseconds => {
  let width = 15 * MINUTE;
  for (const wider of [30 * MINUTE, 60 * MINUTE, 180 * MINUTE, 360 * MINUTE, DAY]) if (step > width) width = wider;
  return width;
};

/**
 * The shape of a week, learned from the last four: cells of a quarter of an hour hold the middle of their samples, and a fit turns
 * them into a time-of-day profile plus what each time of the week adds to it.
 *
 * Robust by medians over days and weeks (an outage in one week does not shape the next). Each layer is shrunk by how much of its variation
 * repeats (empirical Bayes: James and Stein 1961, Efron and Morris 1973), so that a series without seasons gets a flat profile and two
 * days of history are not taken for a law. Slow growth between weeks is taken out first (median of week-on-week differences: Theil 1950).
 * Assumes UTC weeks; daylight-saving changes shift the shape by an hour twice a year and are relearned.
 */
export class SeasonalProfile {
  readonly width: Milliseconds;
  readonly perWeek: number;
  readonly perDay: number;
  /** Circular over four weeks; NaN where nothing was seen. */
  readonly cells: Float32Array;
  /** Offset from the level at each cell's middle. */
  readonly shape: Float32Array;
  /** Number of the cell that was filled last, counted from the epoch's Monday; -1 before the first. */
  last = -1;

  constructor(step: Milliseconds) {
    this.width = cellWidth(step);
    this.perWeek = Math.round(WEEK / this.width);
    this.perDay = Math.max(1, Math.round(DAY / this.width));
    this.cells = new Float32Array(this.perWeek * WEEKS_KEPT).fill(Number.NaN);
    this.shape = new Float32Array(this.perWeek);
  }

  cellOf(at: EpochMs): number {
    return Math.floor((at + WEEK - MONDAY) / this.width);
  }

  put(cell: number, value: number): void {
    const size = this.cells.length;
    if (this.last >= 0)
      for (let skipped = Math.max(this.last + 1, cell - size); skipped < cell; skipped++) this.cells[skipped % size] = Number.NaN;
    this.cells[cell % size] = value;
    if (cell > this.last) this.last = cell;
  }

  /**
   * Offset from the level at `at`: linear within a cell, with the lesser of the slopes to its two neighbours (minmod: Roe 1986), so
   * that ramps are followed and jumps stay where they are.
   */
  offset(at: EpochMs): number {
    const { shape, perWeek } = this;
    const position = (at + WEEK - MONDAY) / this.width;
    const cell = Math.floor(position);
    const value = shape[cell % perWeek] as number;
    const before = value - (shape[(cell - 1 + perWeek) % perWeek] as number);
    const after = (shape[(cell + 1) % perWeek] as number) - value;
    if (before * after <= 0) return value;
    return value + (Math.abs(before) < Math.abs(after) ? before : after) * (position - cell - 0.5);
  }

  /** Refits the shape to the cells and returns the level that the newest day had. NaN when there is nothing to fit. */
  fit(): number {
    const { perDay, perWeek } = this;
    const seen = this.history();
    const overall = median(seen.filter((value) => !Number.isNaN(value)));
    if (Number.isNaN(overall)) return Number.NaN;
    const growth = weeklyGrowth(seen, perWeek) / perWeek;
    const detrended = seen.map((value, index) => value - overall + growth * (seen.length - 1 - index));

    const start = this.last - seen.length + 1;
    const byTimeOfDay = layer(detrended, start, perDay);
    const daily = smooth(byTimeOfDay.middle, 1);
    const dailyWeight = byTimeOfDay.rounds >= 2 ? repeatable(byTimeOfDay) : 0;
    for (let index = 0; index < perDay; index++) daily[index] = (daily[index] as number) * dailyWeight;

    const rest = detrended.map((value, index) => value - (daily[(start + index) % perDay] as number));
    const byTimeOfWeek = layer(rest, start, perWeek);
    const weekly = smooth(byTimeOfWeek.middle, Math.max(1, Math.round(perDay / 24)));
    const weeklyWeight = byTimeOfWeek.rounds >= 2 ? repeatable(byTimeOfWeek) : seen.length >= perWeek ? 0.5 : 0;
    for (let index = 0; index < perWeek; index++)
      this.shape[index] = (daily[index % perDay] as number) + weeklyWeight * (weekly[index] as number);

    return this.recentLevel(perDay);
  }

  /** Variance that the shape leaves between the kept cells: square of the scaled median absolute deviation. NaN without cells. */
  unexplained(): number {
    const rest: number[] = [];
    for (let cell = Math.max(0, this.last - this.cells.length + 1); cell <= this.last; cell++) {
      const value = this.cells[cell % this.cells.length] as number;
      if (!Number.isNaN(value)) rest.push(value - (this.shape[cell % this.perWeek] as number));
    }
    const centre = median(rest);
    return (1.4826 * median(rest.map((value) => Math.abs(value - centre)))) ** 2;
  }

  /** Middle of what the newest `count` cells are above the shape. */
  recentLevel(count: number): number {
    const values: number[] = [];
    for (let cell = Math.max(0, this.last - count + 1); cell <= this.last; cell++) {
      const value = this.cells[cell % this.cells.length] as number;
      if (!Number.isNaN(value)) values.push(value - (this.shape[cell % this.perWeek] as number));
    }
    return median(values);
  }

  /** Middle of what each kept day, numbered from the epoch, is above the shape. */
  dayLevels(): Map<number, number> {
    const groups = new Map<number, number[]>();
    for (let cell = Math.max(0, this.last - this.cells.length + 1); cell <= this.last; cell++) {
      const value = this.cells[cell % this.cells.length] as number;
      if (Number.isNaN(value)) continue;
      const at = cell * this.width - WEEK + 4 * DAY;
      const day = Math.floor(at / DAY);
      const known = groups.get(day);
      const rest = value - (this.shape[cell % this.perWeek] as number);
      if (known) known.push(rest);
      else groups.set(day, [rest]);
    }
    return new Map([...groups].map(([day, values]) => [day, median(values)]));
  }

  /** Kept cells from the oldest that has data to the newest. */
  private history(): number[] {
    const size = this.cells.length;
    const values: number[] = [];
    for (let cell = Math.max(0, this.last - size + 1); cell <= this.last; cell++) {
      const value = this.cells[cell % size] as number;
      if (values.length > 0 || !Number.isNaN(value)) values.push(value);
    }
    return values;
  }
}

interface Layer {
  readonly middle: Float32Array;
  /** Mean squared standard error of the middles. */
  readonly error: number;
  /** Most repetitions that any position has. */
  readonly rounds: number;
}

/** Median over repetitions of every position in a cycle of `period` cells. */
function layer(values: readonly number[], start: number, period: number): Layer {
  const groups: number[][] = Array.from({ length: period }, () => []);
  values.forEach((value, index) => {
    if (!Number.isNaN(value)) groups[(start + index) % period]?.push(value);
  });
  let rounds = 0;
  let errors = 0;
  let counted = 0;
  const middle = Float32Array.from(groups, (group) => {
    const centre = median(group);
    if (group.length > rounds) rounds = group.length;
    if (group.length >= 2) {
      const spread =
        group.length === 2
          ? Math.abs((group[1] as number) - centre)
          : 1.4826 * median(group.map((value) => Math.abs(value - centre)));
      errors += (1.57 * spread * spread) / group.length;
      counted++;
    }
    return Number.isNaN(centre) ? 0 : centre;
  });
  return { middle, error: counted > 0 ? errors / counted : 0, rounds };
}

/** Share of a layer's variance that is not sampling error. */
function repeatable({ middle, error }: Layer): number {
  let sum = 0;
  let squares = 0;
  for (const value of middle) {
    sum += value;
    squares += value * value;
  }
  const variance = squares / middle.length - (sum / middle.length) ** 2;
  return variance > 0 ? Math.max(0, 1 - error / variance) : 0;
}

/** Circular running median over `reach` cells to each side (Tukey 1977): takes out noise, leaves edges such as midnight before Monday. */
function smooth(values: Float32Array, reach: number): Float32Array {
  const n = values.length;
  if (n < 4 * reach + 1) return values.slice();
  return values.map((_, index) => {
    const near: number[] = [];
    for (let shift = -reach; shift <= reach; shift++) near.push(values[(index + shift + n) % n] as number);
    return median(near);
  });
}

function weeklyGrowth(values: readonly number[], perWeek: number): number {
  const steps: number[] = [];
  for (let index = perWeek; index < values.length; index++) {
    const difference = (values[index] as number) - (values[index - perWeek] as number);
    if (!Number.isNaN(difference)) steps.push(difference);
  }
  return steps.length >= perWeek / 2 ? median(steps) : 0;
}
