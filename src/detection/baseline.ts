import type { MetricPoint } from "../domain/telemetry.ts";
import { DAY, type EpochMs, HOUR, type Milliseconds, WEEK } from "../domain/time.ts";
import { HourlyScale } from "./hourly-scale.ts";
import { binomialScore, poissonScore } from "./normal.ts";
import { pack, unpack } from "./pack.ts";
import { SeasonalProfile } from "./profile.ts";
import { clamp, trimmedMean } from "./robust.ts";
import type { Band, DetectorOptions } from "./types.ts";

/** Residuals beyond this many scales are cut before anything is learned from them. */
const CUT = 3;
/** Half-width of the band: 95 of 100 normal samples. */
const BAND = 1.96;
/** The level follows the series this slowly, so that an hour-long change moves it by a thirtieth of itself. */
const LEVEL_MEMORY: Milliseconds = 36 * HOUR;
const SCALE_MEMORY: Milliseconds = 7 * DAY;
/** Below this many expected events a sample is judged as a count. */
const COUNTED = 30;

/** Least standard deviation of a ratio whose denominator nobody tells: one failure more or less in some hundred requests. */
const UNCOUNTED = 3e-3;

export interface Judged extends Band {
  readonly value: number;
  /** Residual in standard deviations of its hour; standard normal on normal days. */
  readonly z: number;
  /** `z` without what the previous sample already told: serially uncorrelated, standard normal. */
  readonly innovation: number;
}

/**
 * Expectation, noise and memory of one series: level × shape of the week, a scale for every hour of the day, lag-1 autocorrelation.
 *
 * The level follows by a Huber-type robust exponential filter (Gelper, Fried and Croux 2010, "Robust forecasting with exponential and
 * Holt-Winters smoothing"). Noise is an AR(1) process whose innovations are tested (Box and Jenkins 1970). Samples with few events are
 * scored by their Poisson or binomial tails. Assumes that noise is relative to the level for rates and latencies, absolute otherwise.
 */
export class Baseline {
  readonly profile: SeasonalProfile;
  level = Number.NaN;
  samples = 0;
  /** Set when a refit made what was learned of the noise void; whoever calibrates on that noise starts again and clears it. */
  relearned = false;
  private readonly relative: boolean;
  /** Its values are events per second. */
  private readonly counts: boolean;
  private readonly options: DetectorOptions;
  private readonly scale: HourlyScale;
  private magnitude = 0;
  private typicalCount = 0;
  private lagged = 0;
  private squared = 0;
  private previousZ = 0;
  private previousAt = Number.NEGATIVE_INFINITY;
  private cell = -1;
  private cellValues: number[] = [];
  private cellsSinceFit = 0;
  /** The first and the last cell of the newest days that the level did not follow. */
  private readonly strange: [first: number, last: number] = [-2, -2];

  constructor(options: DetectorOptions) {
    this.options = options;
    this.counts = options.kind === "rate" || options.kind === "counter";
    this.relative = this.counts || options.kind === "latency";
    this.profile = new SeasonalProfile(options.step);
    this.scale = new HourlyScale(SCALE_MEMORY / options.step);
  }

  /** Lag-1 autocorrelation of the residuals, shrunk to zero while little is known. */
  get autocorrelation(): number {
    return clamp(this.lagged / (this.squared + 30), 0, 0.95);
  }

  /** In the series' unit. */
  expected(at: EpochMs): number {
    const inside = this.level + this.shape(at);
    if (this.relative) return Math.exp(inside);
    return this.options.kind === "ratio" ? clamp(inside, 0, 1) : inside;
  }

  band(at: EpochMs, count?: number): Band {
    const expected = this.expected(at);
    const half = BAND * (this.deviation(at, expected, count) + this.holidayDoubt(at, expected));
    const floor = this.options.kind === "gauge" ? Number.NEGATIVE_INFINITY : 0;
    const ceiling = this.options.kind === "ratio" ? 1 : Number.POSITIVE_INFINITY;
    return { at, expected, lower: Math.max(floor, expected - half), upper: Math.min(ceiling, expected + half) };
  }

  judge(at: EpochMs, value: number, count?: number): Judged {
    if (Number.isNaN(this.level)) return { at, value, expected: value, lower: value, upper: value, z: 0, innovation: 0 };
    const band = this.band(at, count);
    const z = this.zScore(at, value, band.expected, count);
    const phi = at - this.previousAt <= 1.5 * this.options.step ? this.autocorrelation : 0;
    const innovation = (z - phi * this.previousZ) / Math.sqrt(1 - phi * phi);
    return { ...band, value, z, innovation };
  }

  /** Learns from a judged sample. While `suspended` (an alarm is on) only its place in time is noted. */
  learn(judged: Judged, suspended: boolean, count?: number): void {
    const { at, value, expected } = judged;
    const z = clamp(judged.z, -CUT, CUT);
    if (Number.isNaN(this.level)) this.level = this.relative ? Math.log(Math.max(value, 1e-9)) : value;
    if (!suspended) {
      this.samples++;
      const consecutive = at - this.previousAt <= 1.5 * this.options.step;
      this.note(at, value, expected, consecutive, z, count);
      const gain = Math.max(1 / (this.samples + 1), this.options.step / LEVEL_MEMORY);
      if (this.samples <= 5)
        this.level += ((this.relative ? Math.log(Math.max(value, 1e-9)) : value) - this.shape(at) - this.level) / this.samples;
      else
        this.level += this.relative ? clamp(gain * this.pull(judged, z, count), -0.25, 0.25) : gain * this.pull(judged, z, count);
    }
    this.gather(at, value, suspended);
    this.previousZ = z;
    this.previousAt = at;
  }

  /** Remembers a sample for the shape of the week without letting it move the level or the noise. */
  gatherOnly(at: EpochMs, value: number): void {
    this.samples++;
    this.gather(at, value, false);
    if (this.strange[1] < this.cell - 1) this.strange[0] = this.cell;
    this.strange[1] = this.cell;
    this.previousZ = 0;
    this.previousAt = at;
  }

  /** The level of the newest day, for when the days before it were of another kind. */
  relevel(): void {
    const level = this.profile.recentLevel(this.profile.perDay);
    if (!Number.isNaN(level)) this.level = level;
  }

  /** Makes what is above the expectation now normal: the level and the remembered cells move by `shift` (log units when relative). */
  rebase(observed: number, expected: number): void {
    const shift = this.relative ? Math.log(Math.max(observed, 1e-9) / Math.max(expected, 1e-9)) : observed - expected;
    if (!Number.isFinite(shift)) return;
    this.level += shift;
    const { cells } = this.profile;
    for (let index = 0; index < cells.length; index++) cells[index] = (cells[index] as number) + shift;
  }

  /**
   * Learns the last four weeks in bulk and hands each of their samples, judged by what was learned, to `visit`, so that charts can be
   * calibrated on them.
   */
  train(points: readonly MetricPoint[], visit: (judged: Judged) => void): void {
    const newest = points.at(-1)?.at ?? 0;
    const recent = points.filter(({ at, value }) => at > newest - 4 * WEEK && Number.isFinite(value));
    if (recent.length === 0) return;
    for (const { at, value } of recent) this.collect(at, value);
    this.closeCell();
    this.level = this.profile.fit();
    const dayLevels = this.profile.dayLevels();
    const expected = Float64Array.from(recent, ({ at }) => {
      const inside = (dayLevels.get(Math.floor(at / DAY)) ?? this.level) + this.shape(at);
      return this.relative ? Math.exp(inside) : inside;
    });
    this.learnScale(recent, expected);
    this.level = dayLevels.values().next().value ?? this.level;
    this.samples = Math.ceil(DAY / this.options.step);
    const gain = this.options.step / LEVEL_MEMORY;
    recent.forEach(({ at, value }, index) => {
      const due = this.expected(at);
      expected[index] = due;
      this.level += gain * this.pull({ at, value, expected: due }, clamp(this.zScore(at, value, due), -CUT, CUT));
    });
    this.learnScale(recent, expected);
    const scores = expected.map((due, index) => {
      const { at, value } = recent[index] as MetricPoint;
      return this.zScore(at, value, due);
    });
    this.learnAutocorrelation(recent, scores);
    this.samples = recent.length;
    this.cellsSinceFit = this.fitPhase();
    this.previousAt = Number.NEGATIVE_INFINITY;
    const phi = this.autocorrelation;
    const loss = Math.sqrt(1 - phi * phi);
    recent.forEach(({ at, value }, index) => {
      const due = expected[index] as number;
      const z = scores[index] as number;
      const linked = at - this.previousAt <= 1.5 * this.options.step;
      const innovation = linked ? (z - phi * this.previousZ) / loss : z;
      visit({ at, value, expected: due, lower: due, upper: due, z, innovation });
      this.previousZ = clamp(z, -CUT, CUT);
      this.previousAt = at;
    });
  }

  /**
   * Where a sample draws the level, in the level's unit, outliers cut off. Few events are drawn by their number, since their scores lie askew and a
   * level that follows scores would end up beside the mean.
   */
  private pull({ at, value, expected }: Pick<Judged, "at" | "value" | "expected">, z: number, count?: number): number {
    const deviation = this.deviation(at, expected, count);
    const few = this.counts && (expected * this.options.step) / 1_000 < COUNTED;
    const pull = few ? Math.min(value - expected, CUT * deviation) : z * deviation;
    return this.relative && expected > 0 ? pull / expected : pull;
  }

  private learnAutocorrelation(points: readonly MetricPoint[], scores: Float64Array): void {
    this.lagged = 0;
    this.squared = 0;
    for (let index = 1; index < points.length; index++) {
      const apart = (points[index] as MetricPoint).at - (points[index - 1] as MetricPoint).at;
      if (apart > 1.5 * this.options.step) continue;
      const z = clamp(scores[index] as number, -CUT, CUT);
      this.lagged += z * clamp(scores[index - 1] as number, -CUT, CUT);
      this.squared += z * z;
    }
  }

  private shape(at: EpochMs): number {
    const offset = this.profile.offset(at);
    return this.isHoliday(at) ? offset / 2 : offset;
  }

  private isHoliday(at: EpochMs): boolean {
    const { holidays } = this.options;
    return holidays !== undefined && holidays.length > 0 && holidays.includes(new Date(at).toISOString().slice(0, 10));
  }

  private holidayDoubt(at: EpochMs, expected: number): number {
    if (!this.isHoliday(at)) return 0;
    const moved = Math.abs(this.profile.offset(at)) / 2;
    return this.relative ? expected * moved : moved;
  }

  /** Standard deviation of a sample, in the series' unit. */
  private deviation(at: EpochMs, expected: number, count?: number): number {
    const scale = this.scale.deviation(at);
    const { kind, step } = this.options;
    if (kind === "gauge") return Math.max(scale, 2e-3 * this.magnitude, 1e-12);
    if (kind === "ratio") {
      const counted =
        count !== undefined && count > 0 ? Math.sqrt((Math.max(expected, 0.5 / count) * (1 - expected)) / count) : UNCOUNTED;
      return Math.max(scale, counted, 1e-6);
    }
    const few = kind === "latency" && count !== undefined && count > 0 ? Math.sqrt(Math.max(1, this.typicalCount / count)) : 1;
    const counting = kind === "latency" ? 0 : 1 / Math.sqrt(Math.max(1e-3, (expected * step) / 1_000));
    return expected * Math.max(scale * few, counting, 2e-3);
  }

  private zScore(at: EpochMs, value: number, expected: number, count?: number): number {
    const deviation = this.deviation(at, expected, count) + this.holidayDoubt(at, expected);
    const { kind, step } = this.options;
    if (kind === "ratio" && count !== undefined && count > 0) {
      const due = Math.max(expected, 0.5 / Math.max(1, count + this.typicalCount * Math.min(this.samples, 1_000)));
      const pure = Math.sqrt((due * (1 - due)) / count);
      return binomialScore(value * count, count, due) * Math.min(1, pure / Math.max(1e-12, deviation));
    }
    if (this.counts) {
      const due = (expected * step) / 1_000;
      if (due < COUNTED)
        return poissonScore((value * step) / 1_000, due) * Math.min(1, Math.sqrt(due) / ((deviation * step) / 1_000));
    }
    return (value - expected) / deviation;
  }

  private note(at: EpochMs, value: number, expected: number, consecutive: boolean, z: number, count?: number): void {
    const { step } = this.options;
    const memory = SCALE_MEMORY / step;
    const unit = this.relative && expected > 0 ? expected : 1;
    const deviation = this.deviation(at, expected, count) / unit;
    const cut = this.samples < 30 ? 10 : CUT;
    const residual = clamp((value - expected) / unit, -cut * deviation, cut * deviation);
    const square = this.samples < 10 ? ((value - expected) / unit) ** 2 : residual * residual;
    this.scale.add(at, square);
    this.magnitude += (Math.abs(value) - this.magnitude) / Math.min(this.samples, memory);
    if (count !== undefined) this.typicalCount += (count - this.typicalCount) / Math.min(this.samples, memory);
    if (consecutive) {
      this.lagged += z * this.previousZ - this.lagged / memory;
      this.squared += z * z - this.squared / memory;
    }
  }

  private gather(at: EpochMs, value: number, suspended: boolean): void {
    const before = this.profile.last;
    this.collect(at, suspended ? Number.NaN : value);
    if (this.profile.last === before) return;
    this.cellsSinceFit++;
    const young = this.samples * this.options.step < WEEK;
    if (suspended || this.cellsSinceFit < this.profile.perDay / (young ? 4 : 1)) return;
    this.cellsSinceFit = young ? 0 : this.fitPhase() % 8;
    const previous = this.profile.shape.slice();
    const unexplained = this.profile.unexplained();
    this.profile.fit();
    this.explain(unexplained - this.profile.unexplained());
    const { perDay, perWeek, last } = this.profile;
    // The newest day of the kind that the level follows keeps its expectation.
    let moved = 0;
    for (let cell = last, left = perDay; left > 0; cell--) {
      if (cell === this.strange[1]) cell = this.strange[0] - 1;
      const slot = ((cell % perWeek) + perWeek) % perWeek;
      moved += (previous[slot] as number) - (this.profile.shape[slot] as number);
      left--;
    }
    this.level += moved / perDay;
  }

  /** What a better shape now explains was noise until now: it leaves the scale, and what was learned of that noise is void. */
  private explain(variance: number): void {
    if (!(variance > 0.2 * this.scale.overall)) return;
    this.scale.explain(variance);
    this.lagged = 0;
    this.squared = 0;
    this.relearned = true;
  }

  /** Cells that count as passed after training, drawn from what was learned, so that thousands of series do not refit in the same minute. */
  private fitPhase(): number {
    const spread = Math.abs(Math.sin(this.level * 12_989.8 + this.scale.overall * 78_233)) * 43_758.5453;
    return Math.floor((spread % 1) * this.profile.perDay);
  }

  private collect(at: EpochMs, value: number): void {
    const cell = this.profile.cellOf(at);
    if (cell !== this.cell) {
      this.closeCell();
      this.cell = cell;
    }
    if (!Number.isNaN(value)) this.cellValues.push(value);
  }

  private closeCell(): void {
    const middle = trimmedMean(this.cellValues);
    if (this.cell >= 0) this.profile.put(this.cell, this.relative ? Math.log(Math.max(middle, this.leastOfCell())) : middle);
    this.cellValues = [];
  }

  /** Half an event stands for none, so that the logarithm of an empty quarter of an hour is no catastrophe. */
  private leastOfCell(): number {
    return this.counts ? 500 / (this.options.step * Math.max(1, this.cellValues.length)) : 1e-9;
  }

  private learnScale(points: readonly MetricPoint[], expected: Float64Array): void {
    const residuals = expected.map((due, index) => {
      const { value } = points[index] as MetricPoint;
      return (value - due) / (this.relative && due > 0 ? due : 1);
    });
    this.scale.learn(points, residuals);
    this.magnitude = points.reduce((sum, { value }) => sum + Math.abs(value), 0) / points.length;
  }

  save(): Record<string, unknown> {
    const { profile } = this;
    return {
      level: this.level,
      samples: this.samples,
      cells: pack(profile.cells),
      shape: pack(profile.shape),
      last: profile.last,
      scale: this.scale.save(),
      numbers: [this.magnitude, this.typicalCount, this.lagged, this.squared, this.previousZ],
      previousAt: Number.isFinite(this.previousAt) ? this.previousAt : null,
      cell: this.cell,
      cellValues: this.cellValues,
      cellsSinceFit: this.cellsSinceFit,
      strange: this.strange,
    };
  }

  load(saved: ReturnType<Baseline["save"]>): void {
    const state = saved as {
      level: number | null;
      samples: number;
      cells: string;
      shape: string;
      last: number;
      scale: number[];
      numbers: number[];
      previousAt: number | null;
      cell: number;
      cellValues: number[];
      cellsSinceFit: number;
      strange?: [number, number];
    };
    this.level = state.level ?? Number.NaN;
    this.samples = state.samples;
    this.profile.cells.set(unpack(state.cells));
    this.profile.shape.set(unpack(state.shape));
    this.profile.last = state.last;
    this.scale.load(state.scale);
    [this.magnitude, this.typicalCount, this.lagged, this.squared, this.previousZ] = state.numbers as [
      number,
      number,
      number,
      number,
      number,
    ];
    this.previousAt = state.previousAt ?? Number.NEGATIVE_INFINITY;
    this.cell = state.cell;
    this.cellValues = [...state.cellValues];
    this.cellsSinceFit = state.cellsSinceFit;
    [this.strange[0], this.strange[1]] = state.strange ?? [-2, -2];
  }
}
