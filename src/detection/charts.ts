import type { EpochMs } from "../domain/time.ts";
import { clamp } from "./robust.ts";
import { NoiseTail, type TailMark } from "./tail.ts";

/** Passages that the theory of cumulative sums counts for: it holds for what whitening leaves. */
const TRUST_IN_THEORY = 20;

/** Expected mean overshoot of a discrete normal walk over its boundary, in standard deviations (Siegmund 1985, "Sequential Analysis"). */
const OVERSHOOT = 1.166;

/** Marks of the variance chart's height, measured once on independent normal samples. */
const VARIANCE_MARKS: readonly TailMark[] = [
  { height: 3, rate: 1 / 360, excess: 0.8 },
  { height: 6, rate: 1 / 15_000, excess: 0.8 },
];

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
  /** The excursion is older than a blip and still going on in the last two samples; only then may it raise an alarm. */
  lasting = false;
  private readonly shortest: number;
  private peak = 0;
  private previous = 0;

  /** `shortest` is the number of samples that a blip may last at most. */
  constructor(size: number, sign: 1 | -1, shortest: number) {
    this.size = size;
    this.sign = sign;
    this.shortest = shortest;
    const mark = (rate: number): TailMark => ({
      height: Math.max(1, Math.log((size * size) / 2 / rate) - OVERSHOOT * size),
      rate,
      excess: 1,
    });
    this.tail = new NoiseTail([mark(1 / 400), mark(1 / 6_000)], TRUST_IN_THEORY, 8);
  }

  /** `innovation` cut to what a single sample may say. */
  add(innovation: number, at: EpochMs, value: number, expected: number, memory: number): void {
    const next = this.height + this.size * (this.sign * innovation - this.size / 2);
    const present = Math.min(this.sign * innovation, this.previous) >= this.size / 4;
    this.previous = this.sign * innovation;
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
    this.lasting = present && run.samples > this.shortest;
    if (this.lasting && next > this.peak) this.peak = next;
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
    this.lasting = false;
    if (this.run.samples > 0) this.run = emptyRun();
  }

  save(): unknown[] {
    return [this.height, this.peak, this.previous, this.run, this.tail.save()];
  }

  load([height, peak, previous, run, tail]: readonly unknown[]): void {
    this.height = height as number;
    this.peak = peak as number;
    this.previous = previous as number;
    this.run = { ...(run as Run) };
    this.tail.load(tail as number[]);
  }
}

/** The innovations of the run grow steadily: t-statistic of their least-squares slope beyond three in the chart's direction. */
export function slopes({ run, sign }: ShiftChart): boolean {
  const n = run.samples;
  if (n < 10) return false;
  return (sign * (run.moment - (run.sum * (n + 1)) / 2)) / Math.sqrt((n * (n * n - 1)) / 12) > 3;
}

/** Cumulative sum for innovations whose variance has grown `ratio`-fold (Page 1954; the likelihood ratio of two normal variances). */
export class VarianceChart {
  readonly tail = new NoiseTail(VARIANCE_MARKS, TRUST_IN_THEORY, 10);
  height = 0;
  startedAt: EpochMs = 0;
  private peak = 0;
  private readonly ratio = 4;

  add(innovation: number, at: EpochMs, memory: number): void {
    const bounded = clamp(innovation, -3, 3);
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

  /** The run so far is nothing unusual: it was there when the series was learned. */
  settle(): void {
    this.longest = Math.max(this.longest, this.length);
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
