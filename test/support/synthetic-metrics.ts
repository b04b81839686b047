import type { MetricInfo, MetricSource, RedQuery, RedSignal, Series, ServiceName } from "../../src/domain/telemetry.ts";
import { DAY, type EpochMs, MINUTE } from "../../src/domain/time.ts";

/** Deterministic generator of numbers in [0, 1): mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Several services' RED series with daily shape and autocorrelated noise, computed once; shifts are added by the test as factors from a time on. */
export class SyntheticMetrics implements MetricSource {
  readonly #series = new Map<string, Float64Array>();
  readonly #from: EpochMs;
  readonly #names: readonly ServiceName[];
  readonly shifts: {
    readonly service: ServiceName;
    readonly signal: RedSignal;
    readonly from: EpochMs;
    readonly factor: number;
  }[] = [];
  /** Samples that have not arrived (yet). */
  readonly missing: { readonly service: ServiceName; readonly from: EpochMs }[] = [];
  /** Services without requests, so that there is nothing to measure but their rate. */
  readonly unmeasured: { readonly service: ServiceName; readonly from: EpochMs }[] = [];
  /** When nothing was recorded of anybody. */
  gap: { readonly from: EpochMs; readonly to: EpochMs } | null = null;

  constructor(names: readonly ServiceName[], from: EpochMs, days: number, seed: number, noise = 0.03) {
    this.#names = names;
    this.#from = from;
    const random = seededRandom(seed);
    for (const service of names) {
      const level = { rate: 50 * (1 + random()), latency: 0.1 * (1 + random()), errors: 0.004, latency_p95: 0.3 };
      for (const signal of ["rate", "latency", "errors"] as const) {
        const values = new Float64Array((days * DAY) / MINUTE);
        let residual = 0;
        for (let minute = 0; minute < values.length; minute++) {
          residual = 0.3 * residual + Math.sqrt(1 - 0.09) * gaussian(random) * (signal === "errors" ? 0.15 : noise);
          const daily =
            signal === "rate"
              ? 1 + 0.5 * Math.sin((2 * Math.PI * minute) / 1440)
              : 1 + 0.1 * Math.sin((2 * Math.PI * minute) / 1440);
          values[minute] = level[signal] * daily * (1 + residual);
        }
        this.#series.set(`${service}|${signal}`, values);
      }
    }
  }

  async services(): Promise<readonly ServiceName[]> {
    return this.#names;
  }

  async metrics(): Promise<readonly MetricInfo[]> {
    return [];
  }

  async query(): Promise<readonly Series[]> {
    return [];
  }

  async red({ service, signal, from, to, step }: RedQuery): Promise<Series> {
    const values = this.#series.get(`${service}|${signal}`) ?? new Float64Array();
    const points = [];
    for (let at = Math.ceil(from / step) * step; at < to; at += step) {
      const value = values[(at - this.#from) / MINUTE];
      if (value === undefined || this.missing.some((one) => one.service === service && at >= one.from)) continue;
      if (signal !== "rate" && this.unmeasured.some((one) => one.service === service && at >= one.from)) continue;
      if (this.gap && at >= this.gap.from && at < this.gap.to) continue;
      const shift = this.shifts.filter((one) => one.service === service && one.signal === signal && at >= one.from);
      points.push({ at, value: shift.reduce((product, one) => product * one.factor, value) });
    }
    return { metric: `red.${signal}`, service, labels: {}, unit: "", points };
  }
}
