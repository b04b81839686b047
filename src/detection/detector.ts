import type { AnomalyKind } from "../domain/anomaly.ts";
import type { MetricPoint } from "../domain/telemetry.ts";
import { DAY, type EpochMs, MINUTE, type Milliseconds, WEEK } from "../domain/time.ts";
import { type Alarm, changeOf, type Former } from "./alarm.ts";
import { Baseline, type Judged } from "./baseline.ts";
import { RunChart, ShiftChart, slopes, VarianceChart } from "./charts.ts";
import { CounterRate } from "./counter.ts";
import { type DayType, DayTypes } from "./day-types.ts";
import { AlarmLedger } from "./ledger.ts";
import { LongRunScale } from "./long-run.ts";
import { clamp } from "./robust.ts";
import { NoiseTail, SPIKE_MARKS } from "./tail.ts";
import type { Band, DetectorOptions, DetectorState, EndedChange, Observation, SampleContext, SeriesDetector } from "./types.ts";

/**
 * Shifts that the charts are tuned to, in standard deviations, with their share of the false-alarm budget. Together they are given more than the
 * whole: their alarms coincide, the persistence guard refuses some, and thresholds err on the safe side; the bench counts what comes of it.
 */
const SHIFTS = [
  { size: 2, share: 0.7 },
  { size: 1, share: 0.4 },
  { size: 0.5, share: 0.2 },
];
const SPIKE_SHARE = 0.15;
const VARIANCE_SHARE = 0.05;
const RUN_SHARE = 0.05;
/** No single sample may say more than this many standard deviations (Huber 1964). */
const CUT = 3;
/** Shorter bursts are blips: a deploy, a retry storm that heals. */
const SHORTEST_SHIFT: Milliseconds = 5 * MINUTE;
/** Chart samples remembered for the noise tail. */
const TAIL_MEMORY: Milliseconds = 8 * WEEK;
/** Log of the odds at which a change is believed to be over (Wald 1945). */
const RECOVERED = Math.log(10_000);

export function createDetector(options: DetectorOptions): SeriesDetector {
  if (!(options.step > 0))
    throw new RangeError(`detector option step is ${options.step}: give a positive number of milliseconds`);
  if (!(options.falseAlarmsPerWeek > 0))
    throw new RangeError(`detector option falseAlarmsPerWeek is ${options.falseAlarmsPerWeek}: give a positive number`);
  return new Detector(options);
}

/** The inverse of `SeriesDetector.state`. Throws RangeError for a state of another version: train anew. */
export function restoreDetector(state: unknown): SeriesDetector {
  const known = state as DetectorState | null;
  if (known?.version !== 1) throw new RangeError("detector state is of another version: train the detector anew from history");
  const detector = new Detector(known.options);
  detector.load(known);
  return detector;
}

export class Detector implements SeriesDetector {
  private readonly options: DetectorOptions;
  private readonly baseline: Baseline;
  private readonly counter: CounterRate | null;
  private readonly shifts: readonly { readonly chart: ShiftChart; readonly rate: number }[];
  private readonly spikes = new NoiseTail(SPIKE_MARKS, 4, Math.log(10));
  private readonly variance = new VarianceChart();
  private readonly flat: RunChart;
  private readonly gaps: RunChart;
  private readonly longRun = new LongRunScale();
  private readonly ledger: AlarmLedger;
  private readonly memory: number;
  private readonly rate: number;
  private readonly days = new DayTypes();
  private alarm: Alarm | null = null;
  private former: Former | null = null;
  private firstAt: EpochMs | null = null;
  private lastAt: EpochMs = Number.NEGATIVE_INFINITY;
  private lastValue = Number.NaN;
  private lastStrange: DayType | null = null;

  constructor(options: DetectorOptions) {
    this.options = options;
    this.baseline = new Baseline(options);
    this.counter = options.kind === "counter" ? new CounterRate() : null;
    this.rate = (options.falseAlarmsPerWeek * options.step) / WEEK;
    this.ledger = new AlarmLedger(options.falseAlarmsPerWeek);
    this.memory = TAIL_MEMORY / options.step;
    this.shifts = SHIFTS.flatMap(({ size, share }) =>
      ([1, -1] as const)
        .filter((sign) => this.sideShare(sign) > 0)
        .map((sign) => ({
          chart: new ShiftChart(size, sign, Math.ceil(SHORTEST_SHIFT / options.step)),
          rate: this.rate * share * this.sideShare(sign),
        })),
    );
    const shortest = Math.max(3, Math.ceil(SHORTEST_SHIFT / options.step));
    this.flat = new RunChart(Math.max(10, shortest));
    this.gaps = new RunChart(shortest);
  }

  train(points: readonly MetricPoint[]): void {
    const samples = this.counter ? this.counter.convert(points) : points;
    this.firstAt = samples[0]?.at ?? this.firstAt;
    this.days.learn(samples);
    this.baseline.train(samples, (judged) => {
      this.trackRuns(judged.at, judged.value);
      this.flat.settle();
      if (this.alarm) this.follow(this.alarm, judged, false);
      else this.watch(judged, false);
      this.lastAt = judged.at;
    });
    this.alarm = null;
    this.flat.settle();
    this.restartCharts();
  }

  observe(point: MetricPoint, context?: SampleContext): Observation {
    const { at } = point;
    if (!Number.isFinite(point.value)) return this.missing(at);
    const value = this.counter ? this.counter.next(point) : point.value;
    if (at <= this.lastAt || value === null) return this.quiet(at, value ?? Number.NaN);
    this.firstAt ??= at;
    this.trackRuns(at, value);
    const strange = this.strangeDay(at);
    if (this.lastStrange === "workday" && strange === null) this.baseline.relevel();
    if (strange !== this.lastStrange) this.restartCharts();
    this.lastStrange = strange;
    const judged = this.baseline.judge(at, value, context?.count);
    const learning = this.isLearning(at);
    let ended: EndedChange | null = null;
    let score = 0;
    if (this.alarm?.kind === "missing") ended = this.close("recovered", at);
    if (this.alarm) ended = this.follow(this.alarm, judged, true);
    else if (strange === null) score = this.watch(judged, learning);
    if (this.alarm === null && strange === "weekend") this.baseline.gatherOnly(at, value);
    else this.baseline.learn(judged, this.alarm !== null && this.alarm.kind !== "variance", context?.count);
    this.days.add(at);
    if (this.baseline.relearned) this.recalibrate();
    this.lastAt = at;
    return this.report(judged, learning, score, ended);
  }

  missing(at: EpochMs): Observation {
    if (at <= this.lastAt) return this.quiet(at, Number.NaN);
    this.firstAt ??= at;
    this.gaps.add(true, at);
    this.lastAt = at;
    const learning = this.isLearning(at);
    const score = this.gaps.score(this.rate * RUN_SHARE);
    const band = Number.isNaN(this.baseline.level) ? { at, expected: 0, lower: 0, upper: 0 } : this.baseline.band(at);
    const judged: Judged = { ...band, value: Number.NaN, z: 0, innovation: 0 };
    // Of a series that is gone, whatever its last samples looked like is no longer the news.
    if (score >= 1 && !learning && this.alarm?.kind !== "missing") {
      this.raise(
        "missing",
        "down",
        this.gaps.startedAt,
        at,
        score,
        { samples: this.gaps.length, observed: 0, expected: band.expected * this.gaps.length },
        0,
      );
    }
    return this.report(judged, learning, learning ? 0 : score, null);
  }

  band(from: EpochMs, to: EpochMs): readonly Band[] {
    const bands: Band[] = [];
    if (Number.isNaN(this.baseline.level)) return bands;
    for (let at = from; at < to; at += this.options.step) bands.push(this.baseline.band(at));
    return bands;
  }

  /** The samples of `points` judged by what is known now, without learning from them: z-scores for a one-shot judgement. */
  judgeAll(points: readonly MetricPoint[]): readonly Judged[] {
    return points.map(({ at, value }) => this.baseline.judge(at, value));
  }

  /** Standard deviation of one innovation for sums over many, and lag-1 autocorrelation of the residuals. */
  get noise(): { readonly longRun: number; readonly autocorrelation: number } {
    return { longRun: this.longRun.scale(), autocorrelation: this.baseline.autocorrelation };
  }

  private isLearning(at: EpochMs): boolean {
    if (this.baseline.samples < 30 || this.firstAt === null) return true;
    return at - this.firstAt < (this.options.learnFor ?? 2 * DAY) || this.strangeDay(at) !== null;
  }

  /** Requests follow people's weeks: before one has been seen whole, the first weekend is no news, nor are the first workdays after one. */
  private strangeDay(at: EpochMs): DayType | null {
    if (this.options.kind === "gauge" || this.firstAt === null || at - this.firstAt >= WEEK) return null;
    return this.days.strange(at, this.options.step);
  }

  /** Nobody is woken by a latency or an error ratio that falls; most of the budget goes to what hurts. */
  private sideShare(sign: 1 | -1): number {
    const { kind, harmful } = this.options;
    if (harmful === "up" || harmful === "down") return (harmful === "up") === (sign === 1) ? 1 : 0;
    if (kind === "latency" || kind === "ratio") return sign === 1 ? 0.8 : 0.2;
    return 0.5;
  }

  private trackRuns(at: EpochMs, value: number): void {
    this.ledger.watch(this.options.step);
    const skipped = Number.isFinite(this.lastAt) ? Math.min(1_000, Math.round((at - this.lastAt) / this.options.step) - 1) : 0;
    for (let index = skipped; index > 0; index--) this.gaps.add(true, at - index * this.options.step);
    this.gaps.add(false, at);
    this.flat.add(value === this.lastValue, at);
    this.lastValue = value;
    if (skipped > 12 && !this.alarm) this.restartCharts();
  }

  /** Feeds every chart, raises an alarm when one asks for it, and returns the strongest evidence over its threshold. */
  private watch(judged: Judged, silent: boolean): number {
    const { at, value, expected, z } = judged;
    const innovation = clamp(judged.innovation, -CUT, CUT);
    this.longRun.add(innovation);
    const steady = innovation / this.longRun.scale();
    const strictness = this.ledger.strictness();
    let best = 0;
    for (const { chart, rate } of this.shifts) {
      chart.add(steady, at, value, expected, this.memory);
      const threshold = strictness * chart.tail.threshold(rate);
      chart.limit(threshold + 2);
      const score = chart.height / threshold;
      if (score > best) best = score;
      if (score < 1 || silent || this.alarm || !chart.lasting) continue;
      const { run } = chart;
      if (!this.matters(run.observed / run.samples, run.expected / run.samples)) continue;
      if (this.returns(run.observed / run.samples, run.expected / run.samples, at)) break;
      this.raise(
        slopes(chart) ? "trend" : "level",
        chart.sign === 1 ? "up" : "down",
        run.startedAt,
        at,
        score,
        run,
        run.sum / run.samples,
      );
    }

    const size = Math.abs(z);
    const direction = z > 0 ? "up" : "down";
    this.spikes.sample(this.memory);
    const side = this.sideShare(z > 0 ? 1 : -1);
    const spikeScore = side > 0 ? size / (strictness * Math.exp(this.spikes.threshold(this.rate * SPIKE_SHARE * 2 * side))) : 0;
    this.spikes.peak(Math.log(size));
    if (spikeScore >= 1 && !silent && !this.alarm && this.matters(value, expected))
      this.raise("spike", direction, at, at, spikeScore, { samples: 1, observed: value, expected }, z);

    this.variance.add(judged.innovation, at, this.memory);
    const varianceThreshold = this.boundVariance();
    const varianceScore = this.variance.height / varianceThreshold;
    if (varianceScore >= 1 && !silent && !this.alarm && at - this.variance.startedAt >= SHORTEST_SHIFT)
      this.raise("variance", direction, this.variance.startedAt, at, varianceScore, { samples: 1, observed: value, expected }, 0);

    if (silent) this.flat.settle();
    const flatScore = this.flat.score(this.rate * RUN_SHARE) / strictness;
    // No failures for a while is what everybody hopes for, not a series that got stuck.
    const hoped = this.options.harmful === "up" && value === 0;
    if (flatScore >= 1 && !silent && !this.alarm && !hoped)
      this.raise("flatline", direction, this.flat.startedAt, at, flatScore, { samples: 1, observed: value, expected }, 0);
    return Math.max(best, spikeScore, varianceScore, flatScore);
  }

  /** Keeps the variance chart near its threshold, so that calm is seen soon after it returns; gives the threshold. */
  private boundVariance(): number {
    const threshold = this.ledger.strictness() * this.variance.tail.threshold(this.rate * VARIANCE_SHARE);
    this.variance.limit(threshold + 2);
    return threshold;
  }

  /** Back to what was normal within the last week, before a change was accepted (a first weekend, a healed incident): no news. */
  private returns(observed: number, expected: number, at: EpochMs): boolean {
    const { former } = this;
    if (!former || at - former.at > WEEK) return false;
    const before =
      this.options.kind === "gauge" || this.options.kind === "ratio"
        ? expected + former.expected - former.observed
        : (expected * former.expected) / former.observed;
    if (Math.abs(observed - before) > 0.35 * Math.abs(observed - expected)) return false;
    this.baseline.rebase(former.expected, former.observed);
    this.former = null;
    this.restartCharts();
    return true;
  }

  /** Large enough to be worth a word. */
  matters(observed: number, expected: number): boolean {
    const { kind, smallestChange } = this.options;
    const difference = Math.abs(observed - expected);
    if (kind === "ratio") return difference >= (smallestChange ?? 0.003);
    return difference >= (smallestChange ?? (kind === "gauge" ? 0 : 0.03)) * Math.abs(expected);
  }

  private raise(
    kind: AnomalyKind,
    direction: "up" | "down",
    startedAt: EpochMs,
    detectedAt: EpochMs,
    score: number,
    sums: { readonly samples: number; readonly observed: number; readonly expected: number },
    size: number,
  ): void {
    const { samples, observed, expected } = sums;
    this.ledger.raised();
    this.alarm = { kind, direction, startedAt, detectedAt, samples, observed, expected, score, size, recovery: 0 };
  }

  /** Keeps the account of an alarm and ends it when the series is back, or when the change has become the new normal. */
  private follow(alarm: Alarm, judged: Judged, learns: boolean): EndedChange | null {
    const { at, value, expected, z } = judged;
    alarm.samples++;
    alarm.observed += value;
    alarm.expected += expected;
    const innovation = clamp(judged.innovation, -CUT, CUT) / this.longRun.scale();
    if (at - alarm.startedAt >= (this.options.acceptAfter ?? DAY)) {
      if (learns && alarm.kind !== "variance") {
        this.former = { observed: alarm.observed / alarm.samples, expected: alarm.expected / alarm.samples, at };
        this.baseline.rebase(this.former.observed, this.former.expected);
      }
      return this.close("accepted", at);
    }
    if (this.isOver(alarm, innovation, z, at)) return this.close("recovered", at);
    return null;
  }

  private isOver(alarm: Alarm, innovation: number, z: number, at: EpochMs): boolean {
    switch (alarm.kind) {
      case "missing":
        return true;
      case "flatline":
        return this.flat.length === 0;
      case "variance":
        this.variance.add(innovation, at, this.memory);
        this.boundVariance();
        return this.variance.height === 0;
      case "spike":
        if (alarm.samples > Math.max(3, SHORTEST_SHIFT / this.options.step)) alarm.kind = "level";
        return Math.abs(z) < 2.6;
      default: {
        const size = Math.sign(alarm.size) * clamp(Math.abs(alarm.size), 0.5, CUT);
        alarm.recovery = Math.max(0, alarm.recovery - size * (innovation - size / 2));
        return alarm.recovery > RECOVERED;
      }
    }
  }

  private close(reason: EndedChange["reason"], endedAt: EpochMs): EndedChange | null {
    if (!this.alarm) return null;
    const ended = { ...changeOf(this.alarm), endedAt, reason };
    this.alarm = null;
    this.restartCharts();
    return ended;
  }

  private recalibrate(): void {
    this.baseline.relearned = false;
    this.restartCharts();
    this.longRun.reset();
    this.spikes.reset();
    this.variance.tail.reset();
    for (const { chart } of this.shifts) chart.tail.reset();
  }

  private restartCharts(): void {
    for (const { chart } of this.shifts) chart.restart();
    this.variance.restart();
  }

  private report(judged: Judged, learning: boolean, score: number, ended: EndedChange | null): Observation {
    const { at, value, expected, lower, upper } = judged;
    const ongoing = this.alarm ? changeOf(this.alarm) : null;
    const state = ongoing ? "alarm" : learning ? "learning" : "normal";
    const shown = ongoing ? Math.max(ongoing.score, score) : learning ? 0 : score;
    const change = ongoing?.detectedAt === at ? ongoing : null;
    const seen = Number.isNaN(value) ? null : value;
    return { at, value: seen, expected, lower, upper, score: shown, state, change, ongoing, ...(ended ? { ended } : {}) };
  }

  /** A sample that says nothing new: a duplicate, one out of order, or a counter's first. */
  private quiet(at: EpochMs, value: number): Observation {
    const band = Number.isNaN(this.baseline.level) ? { at, expected: value, lower: value, upper: value } : this.baseline.band(at);
    return this.report({ ...band, value, z: 0, innovation: 0 }, this.isLearning(at), 0, null);
  }

  state(): DetectorState {
    return {
      version: 1,
      options: this.options,
      baseline: this.baseline.save(),
      counter: this.counter?.save() ?? null,
      shifts: this.shifts.map(({ chart }) => chart.save()),
      spikes: this.spikes.save(),
      variance: this.variance.save(),
      flat: this.flat.save(),
      gaps: this.gaps.save(),
      longRun: this.longRun.save(),
      ledger: this.ledger.save(),
      days: this.days.save(),
      lastStrange: this.lastStrange,
      alarm: this.alarm ? { ...this.alarm } : null,
      former: this.former,
      firstAt: this.firstAt,
      lastAt: Number.isFinite(this.lastAt) ? this.lastAt : null,
      lastValue: Number.isNaN(this.lastValue) ? null : this.lastValue,
    };
  }

  load(state: DetectorState): void {
    const saved = state as unknown as Record<string, unknown> & {
      baseline: Record<string, unknown>;
      shifts: unknown[][];
      alarm: Alarm | null;
      former: Former | null;
      firstAt: number | null;
      lastAt: number | null;
      lastValue: number | null;
    };
    this.baseline.load(saved.baseline);
    this.counter?.load(saved.counter as number[]);
    this.shifts.forEach(({ chart }, index) => {
      chart.load(saved.shifts[index] ?? []);
    });
    this.spikes.load(saved.spikes as number[]);
    this.variance.load(saved.variance as unknown[]);
    this.flat.load(saved.flat as number[]);
    this.gaps.load(saved.gaps as number[]);
    this.longRun.load(saved.longRun as number[]);
    this.ledger.load(saved.ledger as number[]);
    this.lastStrange = (saved.lastStrange as DayType | null | undefined) ?? null;
    this.days.load((saved.days as number[] | undefined) ?? []);
    this.alarm = saved.alarm ? { ...saved.alarm } : null;
    this.former = saved.former;
    this.firstAt = saved.firstAt;
    this.lastAt = saved.lastAt ?? Number.NEGATIVE_INFINITY;
    this.lastValue = saved.lastValue ?? Number.NaN;
  }
}
