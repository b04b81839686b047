import { type EpochMs, HOUR } from "../domain/time.ts";
import { robustScale } from "./robust.ts";

/** Samples that the day's pooled variance counts for beside an hour's own. */
const POOLED = 120;

/**
 * Variance of residuals for every hour of the day, each drawn towards the whole day's (empirical Bayes: Efron and Morris 1973): nights with
 * few requests are noisier than noons. Assumes UTC days and that noise depends on the hour alone.
 */
export class HourlyScale {
  /** Of the whole day. */
  overall = 0;
  private overallSeen = 0;
  private readonly variance = new Float64Array(24);
  private readonly seen = new Float64Array(24);
  /** Samples after which the past fades. */
  private readonly memory: number;

  constructor(memory: number) {
    this.memory = memory;
  }

  deviation(at: EpochMs): number {
    const hour = hourOf(at);
    const known = this.seen[hour] as number;
    return Math.sqrt((known * (this.variance[hour] as number) + POOLED * this.overall) / (known + POOLED));
  }

  /** One more squared residual. */
  add(at: EpochMs, square: number): void {
    this.overallSeen = Math.min(this.overallSeen + 1, this.memory);
    this.overall += (square - this.overall) / this.overallSeen;
    const hour = hourOf(at);
    const known = Math.min((this.seen[hour] as number) + 1, Math.max(1, this.memory / 24));
    this.seen[hour] = known;
    this.variance[hour] = (this.variance[hour] as number) + (square - (this.variance[hour] as number)) / known;
  }

  /** Replaces everything by what these residuals say. */
  learn(times: readonly { readonly at: EpochMs }[], residuals: Float64Array): void {
    this.overall = robustScale(residuals) ** 2;
    this.overallSeen = Math.min(residuals.length, this.memory);
    const hours: number[][] = Array.from({ length: 24 }, () => []);
    times.forEach(({ at }, index) => {
      hours[hourOf(at)]?.push(residuals[index] as number);
    });
    hours.forEach((some, hour) => {
      this.variance[hour] = robustScale(Float64Array.from(some)) ** 2;
      this.seen[hour] = Math.min(some.length, this.memory / 24);
    });
  }

  /** Takes out variance that has found an explanation; what is left counts for an hour of samples, so that it is soon corrected. */
  explain(explained: number): void {
    const left = (variance: number) => Math.max(variance - explained, variance / 25);
    this.overall = left(this.overall);
    this.overallSeen = Math.min(this.overallSeen, 60);
    for (let hour = 0; hour < 24; hour++) {
      this.variance[hour] = left(this.variance[hour] as number);
      this.seen[hour] = Math.min(this.seen[hour] as number, 10);
    }
  }

  save(): number[] {
    return [this.overall, this.overallSeen, ...this.variance, ...this.seen];
  }

  load([overall = 0, overallSeen = 0, ...hours]: readonly number[]): void {
    this.overall = overall;
    this.overallSeen = overallSeen;
    this.variance.set(hours.slice(0, 24));
    this.seen.set(hours.slice(24, 48));
  }
}

const hourOf = (at: EpochMs): number => ((Math.floor(at / HOUR) % 24) + 24) % 24;
