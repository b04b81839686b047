import { normal, uniform, weeklyShape } from "../unit/detection/simulate.ts";

/** Something that happened to one service; times in unix milliseconds. */
export interface Happening {
  readonly service: string;
  readonly from: number;
  readonly to: number;
  /** Factor of the mean duration. */
  readonly latency?: number;
  /** Share of requests that failed. */
  readonly failing?: number;
  /** The process began anew at `from`: its counters are at zero. */
  readonly restarted?: boolean;
  /** Nothing was scraped. */
  readonly unseen?: boolean;
}

const BOUNDS = [0.05, 0.2, 0.8];
const NAME = "http_server_request_duration_seconds";

/**
 * The scrapes of services that serve HTTP, with a day and a week, as OpenMetrics text for promtool: histograms by status, and the disk of the
 * first service, which has been filling from `fillsFrom` on, one per cent of its size every `fillsEvery`.
 */
export function* scrapes(options: {
  readonly services: readonly string[];
  readonly from: number;
  readonly to: number;
  readonly every: number;
  readonly happenings: readonly Happening[];
  readonly fillsFrom: number;
  readonly fillsEvery: number;
}): Generator<string> {
  const { services, from, to, every, happenings, fillsFrom, fillsEvery } = options;
  const state = services.map((service, index) => ({
    service,
    noise: normal(uniform(index + 1)),
    totals: new Map<string, { count: number; sum: number; buckets: number[] }>(),
  }));
  yield `# TYPE ${NAME} histogram\n# UNIT ${NAME} seconds\n`;
  // One family after the other, as the format wants it.
  for (let at = from; at <= to; at += every) {
    for (const { service, noise, totals } of state) {
      const own = happenings.filter((one) => one.service === service);
      const now = own.filter((one) => at > one.from && at <= one.to);
      if (own.some(({ restarted, from: moment }) => restarted && at > moment && at - every <= moment)) totals.clear();
      const shape = weeklyShape(at);
      const count = Math.max(1, Math.round(20 * shape * (every / 1_000) * (1 + 0.03 * noise())));
      const mean = 0.09 * (0.8 + 0.2 * shape) * (1 + 0.03 * noise()) * Math.max(1, ...now.map(({ latency = 1 }) => latency));
      const failed = Math.round(count * Math.max(0.002 * Math.abs(1 + 0.3 * noise()), ...now.map(({ failing = 0 }) => failing)));
      for (const [status, part] of [
        ["200", count - failed],
        ["500", failed],
      ] as const) {
        const kept = totals.get(status) ?? { count: 0, sum: 0, buckets: BOUNDS.map(() => 0) };
        totals.set(status, kept);
        kept.count += part;
        kept.sum += part * mean;
        // Exponential durations.
        for (const [index, bound] of BOUNDS.entries())
          kept.buckets[index] = (kept.buckets[index] ?? 0) + Math.round(part * (1 - Math.exp(-bound / mean)));
        if (now.some(({ unseen }) => unseen)) continue;
        const labels = `job="${service}",http_response_status_code="${status}"`;
        const stamp = (at / 1_000).toFixed(0);
        yield BOUNDS.map((bound, index) => `${NAME}_bucket{${labels},le="${bound}"} ${kept.buckets[index]} ${stamp}\n`).join("");
        yield `${NAME}_bucket{${labels},le="+Inf"} ${kept.count} ${stamp}\n`;
        yield `${NAME}_count{${labels}} ${kept.count} ${stamp}\n${NAME}_sum{${labels}} ${kept.sum} ${stamp}\n`;
      }
    }
  }
  for (const metric of ["node_filesystem_avail_bytes", "node_filesystem_size_bytes"]) {
    yield `# TYPE ${metric} gauge\n`;
    const noise = normal(uniform(99));
    for (let at = from; at <= to; at += every) {
      const used = Math.min(0.99, 0.5 + 0.01 * Math.max(0, (at - fillsFrom) / fillsEvery) + 0.001 * noise());
      const value = metric.includes("size") ? 100e9 : 100e9 * (1 - used);
      yield `${metric}{job="${services[0]}",mountpoint="/data"} ${value} ${(at / 1_000).toFixed(0)}\n`;
    }
  }
  yield "# EOF\n";
}
