import type {
  MetricInfo,
  MetricPoint,
  MetricQuery,
  MetricSource,
  RedQuery,
  RedSignal,
  Series,
  ServiceName,
  TimeRange,
} from "../../domain/telemetry.ts";
import type { Milliseconds } from "../../domain/time.ts";
import { resourcesIn } from "../exhaustion.ts";

const SIGNALS: readonly RedSignal[] = ["latency", "errors", "rate"];

/** Steps that are asked for at once: two weeks of minutes. Sources refuse much longer answers. */
const MOST_STEPS = 20_160;

function stretchesOf({ from, to, step }: TimeRange & { readonly step: Milliseconds }) {
  const stretches: (TimeRange & { readonly step: Milliseconds })[] = [];
  for (let at = from; at < to; at += MOST_STEPS * step)
    stretches.push({ from: at, to: Math.min(to, at + MOST_STEPS * step), step });
  return stretches;
}

/** Adds a stretch to what was read of its series before. */
function joined(all: Map<string, Series>, key: string, stretch: Series | undefined): void {
  if (!stretch || stretch.points.length === 0) return;
  const before = all.get(key);
  all.set(key, before ? { ...before, points: [...before.points, ...stretch.points] } : stretch);
}

/** One gauge of one label set. */
export interface RecordedGauge {
  readonly info: MetricInfo;
  readonly series: Series;
}

/** A stretch of history in memory, so that it can be asked for again and again, minute by minute. Gaps stay gaps. */
export class Recording implements MetricSource {
  readonly #red: ReadonlyMap<string, Series>;
  readonly #gauges: readonly RecordedGauge[];
  readonly #services: readonly ServiceName[];

  constructor(red: ReadonlyMap<string, Series>, gauges: readonly RecordedGauge[]) {
    this.#red = red;
    this.#gauges = gauges;
    this.#services = [...new Set([...red.values()].flatMap(({ service }) => service ?? []))].sort();
  }

  static key = (service: ServiceName, signal: RedSignal): string => `${service}|${signal}`;

  /**
   * Reads what the watcher would look at: the RED signals of every service, and the gauges of what can run full. All services are asked for
   * together, a stretch of time after the other, as far as any source answers at once.
   */
  static async of(
    source: MetricSource,
    range: TimeRange & { readonly step: Milliseconds },
    onProgress: (done: number, total: number) => void = () => {},
  ): Promise<Recording> {
    const services = await source.services();
    const stretches = stretchesOf(range);
    const red = new Map<string, Series>();
    for (const [done, stretch] of stretches.entries()) {
      for (const signal of SIGNALS) {
        const found = await Promise.all(services.map((service) => source.red({ service, signal, ...stretch })));
        for (const [at, service] of services.entries()) joined(red, Recording.key(service, signal), found[at]);
      }
      onProgress(done + 1, stretches.length);
    }
    const names = new Map<string, MetricInfo & { readonly service: ServiceName }>();
    for (const { resource, infos } of await resourcesIn(source)) {
      const { service, metric, capacity, labelKeys } = resource;
      for (const name of [metric, ...(typeof capacity === "number" ? [] : [capacity.metric])]) {
        const info = infos.find((one) => one.metric === name);
        if (info) names.set(`${service}|${name}`, { ...info, labelKeys, service });
      }
    }
    const gauges: RecordedGauge[] = [];
    for (const info of names.values()) {
      const whole = new Map<string, Series>();
      for (const stretch of stretches) {
        const { metric, service, labelKeys: groupBy } = info;
        for (const series of await source.query({ metric, service, groupBy, statistic: "max", ...stretch }))
          joined(whole, JSON.stringify(series.labels), series);
      }
      for (const series of whole.values()) gauges.push({ info, series });
    }
    return new Recording(red, gauges);
  }

  async services(): Promise<readonly ServiceName[]> {
    return this.#services;
  }

  async metrics(service?: ServiceName): Promise<readonly MetricInfo[]> {
    const merged = new Map<string, MetricInfo>();
    for (const { info } of this.#gauges) {
      if (service !== undefined && !info.services.includes(service)) continue;
      const known = merged.get(info.metric);
      merged.set(info.metric, known ? { ...known, services: [...new Set([...known.services, ...info.services])] } : info);
    }
    return [...merged.values()];
  }

  async red({ service, signal, from, to }: RedQuery): Promise<Series> {
    const series = this.#red.get(Recording.key(service, signal));
    const about = { metric: `red.${signal}`, service, labels: {}, unit: series?.unit ?? "" };
    return { ...about, points: series ? between(series.points, from, to) : [] };
  }

  async query({ metric, service, from, to, step, statistic }: MetricQuery): Promise<readonly Series[]> {
    return this.#gauges
      .filter(({ info }) => info.metric === metric && (service === undefined || info.services.includes(service)))
      .map(({ series }) => ({ ...series, points: thinned(between(series.points, from, to), step, statistic === "min") }));
  }

  /** The samples of a service's signal, as they are. */
  points(service: ServiceName, signal: RedSignal): readonly MetricPoint[] {
    return this.#red.get(Recording.key(service, signal))?.points ?? [];
  }

  get seriesCount(): number {
    return this.#red.size;
  }
}

/** Samples of a half-open range of an ascending list. */
function between(points: readonly MetricPoint[], from: number, to: number): readonly MetricPoint[] {
  return points.slice(firstAt(points, from), firstAt(points, to));
}

function firstAt(points: readonly MetricPoint[], at: number): number {
  let [low, high] = [0, points.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((points[middle]?.at ?? at) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

function thinned(points: readonly MetricPoint[], step: Milliseconds, least: boolean): MetricPoint[] {
  const kept = new Map<number, number>();
  for (const { at, value } of points) {
    const slot = Math.floor(at / step) * step;
    const known = kept.get(slot) ?? value;
    kept.set(slot, least ? Math.min(known, value) : Math.max(known, value));
  }
  return [...kept].map(([at, value]) => ({ at, value }));
}
