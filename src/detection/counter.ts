import type { MetricPoint } from "../domain/telemetry.ts";
import type { EpochMs } from "../domain/time.ts";

/**
 * Turns a cumulative counter into increase per second. A value below the last one is a reset: it counted from zero (as Prometheus' `rate` does,
 * and as OpenTelemetry's data model asks where no start time is known). Over a gap the increase is spread evenly. Assumes that nothing but a
 * restart makes a counter fall.
 */
export class CounterRate {
  private at: EpochMs | null = null;
  private total = 0;

  /** Null for the first sample and for one that is not newer. */
  next({ at, value }: MetricPoint): number | null {
    const before = this.at;
    const total = this.total;
    if (before !== null && at <= before) return null;
    this.at = at;
    this.total = value;
    if (before === null) return null;
    return ((value >= total ? value - total : value) * 1_000) / (at - before);
  }

  convert(points: readonly MetricPoint[]): MetricPoint[] {
    return points.flatMap((point) => {
      const value = this.next(point);
      return value === null ? [] : [{ at: point.at, value }];
    });
  }

  save(): (number | null)[] {
    return [this.at, this.total];
  }

  load([at = null, total = 0]: readonly (number | null)[]): void {
    this.at = at;
    this.total = total ?? 0;
  }
}
