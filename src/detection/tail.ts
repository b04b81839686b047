/** A height that ideal noise passes at `rate` a sample, by `excess` on average. */
export interface TailMark {
  readonly height: number;
  readonly rate: number;
  readonly excess: number;
}

/** Theory of how often a mark is passed counts for so many passages, but for no more than so many samples. */
const PRIOR_PASSAGES = 3;
const PRIOR_SAMPLES = 2_000;

/**
 * Where noise itself goes how often: excursions of a chart above some marks are counted and their excess averaged, and the threshold is
 * extrapolated to the wanted rate with an exponential tail from each mark (peaks over threshold: Pickands 1975; on streams: Siffer et al. 2017,
 * "SPOT"); the highest counts, so that rare bursts are not averaged away by everyday noise. Theory serves as the prior, so that a fresh chart
 * is right for ideal noise and a trained one for the series' own heavy tails, bursts and slow waves; the predictive tail (Lomax, from the
 * conjugate gamma prior on an exponential's rate) is the wider the less was seen. One outage cannot spoil it: each excess is cut off.
 */
export class NoiseTail {
  private readonly marks: readonly TailMark[];
  private readonly trust: number;
  private readonly largestExcess: number;
  private readonly counts: number[];
  private readonly excesses: number[];
  private samples = 0;
  private cached = 0;
  private cachedFor = -1;
  private cachedUntil = 0;

  /** `trust` is what theory of the excess counts for, in passages. */
  constructor(marks: readonly TailMark[], trust: number, largestExcess: number) {
    this.marks = marks;
    this.trust = trust;
    this.largestExcess = largestExcess;
    this.counts = marks.map(() => 0);
    this.excesses = marks.map(() => 0);
  }

  /** Counts a sample; what lies further back than `memory` samples fades. */
  sample(memory: number): void {
    this.samples++;
    if (this.samples < 2 * memory) return;
    this.cachedUntil = 0;
    this.samples /= 2;
    for (let index = 0; index < this.marks.length; index++) {
      this.counts[index] = (this.counts[index] as number) / 2;
      this.excesses[index] = (this.excesses[index] as number) / 2;
    }
  }

  reset(): void {
    this.load([]);
  }

  peak(height: number): void {
    this.marks.forEach((mark, index) => {
      if (height <= mark.height) return;
      this.cachedUntil = 0;
      this.counts[index] = (this.counts[index] as number) + 1;
      this.excesses[index] = (this.excesses[index] as number) + Math.min(height - mark.height, this.largestExcess);
    });
  }

  /** Height that noise exceeds `rate` times in a sample. Worked out anew after every passage, and now and then. */
  threshold(rate: number): number {
    if (rate !== this.cachedFor || this.samples >= this.cachedUntil) {
      this.cached = this.extrapolate(rate);
      this.cachedFor = rate;
      this.cachedUntil = this.samples * 1.02 + 1;
    }
    return this.cached;
  }

  private extrapolate(rate: number): number {
    let highest = 0;
    for (let index = 0; index < this.marks.length; index++) {
      const mark = this.marks[index] as TailMark;
      const count = this.counts[index] as number;
      const prior = Math.min(PRIOR_PASSAGES, PRIOR_SAMPLES * mark.rate);
      const seen = (count + prior) / (this.samples + prior / mark.rate);
      const often = Math.max(seen, mark.rate / 2, 2 * rate);
      const shape = count + this.trust;
      const scale = Math.max(mark.excess * shape, (this.excesses[index] as number) + mark.excess * this.trust);
      highest = Math.max(highest, mark.height + scale * ((often / rate) ** (1 / shape) - 1));
    }
    return highest;
  }

  save(): number[] {
    return [this.samples, this.cached, this.cachedFor, this.cachedUntil, ...this.counts, ...this.excesses];
  }

  load([samples = 0, cached = 0, cachedFor = -1, cachedUntil = 0, ...sums]: readonly number[]): void {
    const n = this.marks.length;
    this.cached = cached;
    this.cachedFor = cachedFor;
    this.cachedUntil = cachedUntil;
    this.samples = samples;
    for (let index = 0; index < n; index++) {
      this.counts[index] = sums[index] ?? 0;
      this.excesses[index] = sums[n + index] ?? 0;
    }
  }
}

/** Marks of ln |z| for independent normal samples: extremes of real series fall by a power law if anything, so their logarithm is exponential. */
export const SPIKE_MARKS: readonly TailMark[] = [
  { height: Math.log(3.5), rate: 4.65e-4, excess: 0.071 },
  { height: Math.log(6), rate: 1e-8, excess: 0.027 },
];
