import type { EpochMs } from "../domain/time.ts";
import { clamp } from "./robust.ts";

/** Expected mean overshoot of a discrete normal walk over its boundary, in standard deviations (Siegmund 1985, "Sequential Analysis"). */
const OVERSHOOT = 1.166;

/**
 * Where noise itself goes how often: excursions of a chart above a low mark are counted and their excess averaged, and the threshold is
 * extrapolated to the wanted rate with an exponential tail (peaks over threshold: Pickands 1975; on streams: Siffer et al. 2017, "SPOT").
 * Theory serves as the prior, weighted as if it had been seen a few times, so that a fresh chart is right for ideal noise and
 * a trained one is right for the series' own heavy tails, bursts and slow waves. One outage cannot spoil it: each excess is cut off.
 */
export class NoiseTail {
  private readonly mark: number;
  private readonly theoreticalRate: number;
  private readonly theoreticalExcess: number;
  private readonly largestExcess: number;
  private count = 0;
  private excess = 0;
  private samples = 0;

  constructor(mark: number, theoreticalRate: number, theoreticalExcess: number, largestExcess: number) {
    this.mark = mark;
    this.theoreticalRate = theoreticalRate;
    this.theoreticalExcess = theoreticalExcess;
    this.largestExcess = largestExcess;
  }

  sample(memory: number): void {
    const keep = 1 - 1 / memory;
    this.count *= keep;
    this.excess *= keep;
    this.samples = this.samples * keep + 1;
  }

  peak(height: number): void {
    if (height <= this.mark) return;
    this.count++;
    this.excess += Math.min(height - this.mark, this.largestExcess);
  }

  /** Height that noise exceeds `rate` times in a sample. */
  threshold(rate: number): number {
    const prior = 3;
    const seen = (this.count + prior) / (this.samples + prior / this.theoreticalRate);
    const mean = Math.max(this.theoreticalExcess, (this.excess + 4 * prior * this.theoreticalExcess) / (this.count + 4 * prior));
    return this.mark + mean * Math.log(Math.max(seen, this.theoreticalRate / 2, 2 * rate) / rate);
  }

  save(): number[] {
    return [this.count, this.excess, this.samples];
  }

  load([count = 0, excess = 0, samples = 0]: readonly number[]): void {
    this.count = count;
    this.excess = excess;
    this.samples = samples;
  }
}

/** What a chart gathered since it last stood at zero. */
export interface Run {
  startedAt: EpochMs;
  samples: number;
  observed: number;
  expected: number;
  /** Sum of innovations, and of innovations by their number in the run, for the slope. */
  sum: number;
  moment: number;
}

const emptyRun = (): Run => ({ startedAt: 0, samples: 0, observed: 0, expected: 0, sum: 0, moment: 0 });

/**
 * One-sided cumulative sum (Page 1954) of the log-likelihood ratio that innovations have moved by `size` standard deviations.
 * It is the quickest test at a given rate of false alarms for that size (Lorden 1971, Moustakides 1986) and close to it for neighbouring
 * sizes; a few sizes side by side stand for the generalised likelihood ratio. The rate of false alarms at height h is about
 * size²/2 · exp(-(h + 1.166 · size)) a sample (Siegmund 1985).
 */
export class ShiftChart {
  readonly size: number;
  readonly sign: 1 | -1;
  readonly tail: NoiseTail;
  height = 0;
  run: Run = emptyRun();
  private peak = 0;

  constructor(size: number, sign: 1 | -1) {
    this.size = size;
    this.sign = sign;
    const rate = 1 / 400;
    this.tail = new NoiseTail(Math.max(1, Math.log((size * size) / 2 / rate) - OVERSHOOT * size), rate, 1, 8);
  }

  /** `innovation` cut to what a single sample may say. */
  add(innovation: number, at: EpochMs, value: number, expected: number, memory: number): void {
    const next = this.height + this.size * (this.sign * innovation - this.size / 2);
    this.tail.sample(memory);
    if (next <= 0) {
      this.tail.peak(this.peak);
      this.clear();
      return;
    }
    const { run } = this;
    if (run.samples === 0) run.startedAt = at;
    run.samples++;
    run.observed += value;
    run.expected += expected;
    run.sum += innovation;
    run.moment += innovation * run.samples;
    this.height = next;
    if (next > this.peak) this.peak = next;
  }

  /** Cuts the height, so that a burst that is over is forgotten soon. */
  limit(height: number): void {
    if (this.height > height) this.height = height;
  }

  /** Forgets the present excursion; a raised alarm's peak counts as one. */
  restart(): void {
    this.tail.peak(this.peak);
    this.clear();
  }

  private clear(): void {
    this.height = 0;
    this.peak = 0;
    if (this.run.samples > 0) this.run = emptyRun();
  }

  save(): unknown[] {
    return [this.height, this.peak, this.run, this.tail.save()];
  }

  load([height, peak, run, tail]: readonly unknown[]): void {
    this.height = height as number;
    this.peak = peak as number;
    this.run = { ...(run as Run) };
    this.tail.load(tail as number[]);
  }
}

/** Cumulative sum for innovations whose variance has grown `ratio`-fold (Page 1954; the likelihood ratio of two normal variances). */
export class VarianceChart {
  readonly tail = new NoiseTail(3, 1 / 400, 1.3, 10);
  height = 0;
  startedAt: EpochMs = 0;
  private peak = 0;
  private readonly ratio = 4;

  add(innovation: number, at: EpochMs, memory: number): void {
    const bounded = clamp(innovation, -4, 4);
    const next = this.height + 0.5 * (bounded * bounded * (1 - 1 / this.ratio) - Math.log(this.ratio));
    this.tail.sample(memory);
    if (next <= 0) {
      this.restart();
      return;
    }
    if (this.height === 0) this.startedAt = at;
    this.height = next;
    if (next > this.peak) this.peak = next;
  }

  limit(height: number): void {
    if (this.height > height) this.height = height;
  }

  restart(): void {
    this.tail.peak(this.peak);
    this.height = 0;
    this.peak = 0;
  }

  save(): unknown[] {
    return [this.height, this.peak, this.startedAt, this.tail.save()];
  }

  load([height, peak, startedAt, tail]: readonly unknown[]): void {
    this.height = height as number;
    this.peak = peak as number;
    this.startedAt = startedAt as number;
    this.tail.load(tail as number[]);
  }
}

/**
 * Runs of something that should not last: the same value again and again, or no value. With each repetition as likely as it was in
 * the past, a run of k more has probability p^k (geometric); it is an alarm when that is rarer than the budget, and half again as long as any run before.
 */
export class RunChart {
  length = 0;
  startedAt: EpochMs = 0;
  private repeats = 0;
  private samples = 0;
  private longest = 0;
  private readonly atLeast: number;

  constructor(atLeast: number) {
    this.atLeast = atLeast;
  }

  add(repeated: boolean, at: EpochMs): void {
    this.samples++;
    if (repeated) {
      if (this.length === 0) this.startedAt = at;
      this.length++;
      this.repeats++;
    } else {
      this.longest = Math.max(this.longest * 0.999, this.length);
      this.length = 0;
    }
  }

  /** Length over what the budget asks for; 1 is an alarm. */
  score(rate: number): number {
    const likely = Math.min(0.999, (Math.max(0, this.repeats - this.length) + 1) / (this.samples + 2));
    const needed = Math.max(this.atLeast, Math.log(rate) / Math.log(likely), 1.5 * this.longest);
    return this.length / needed;
  }

  save(): number[] {
    return [this.length, this.startedAt, this.repeats, this.samples, this.longest];
  }

  load([length = 0, startedAt = 0, repeats = 0, samples = 0, longest = 0]: readonly number[]): void {
    this.length = length;
    this.startedAt = startedAt;
    this.repeats = repeats;
    this.samples = samples;
    this.longest = longest;
  }
}
