import { resourcesOf } from "../../detection/index.ts";
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

const SIGNALS: readonly RedSignal[] = ["latency", "errors", "rate"];
/** Beyond this many, forecasting would take longer than anybody waits. */
const MOST_RESOURCES = 300;

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

  /** Reads what the watcher would look at: the RED signals of every service, and the gauges of what can run full. */
  static async of(
    source: MetricSource,
    range: TimeRange & { readonly step: Milliseconds },
    onProgress: (done: number, total: number) => void = () => {},
  ): Promise<Recording> {
    const services = await source.services();
    const red = new Map<string, Series>();
    for (const [index, service] of services.entries()) {
      for (const signal of SIGNALS) {
        const series = await source.red({ service, signal, ...range });
        if (series.points.length > 0) red.set(Recording.key(service, signal), series);
      }
      onProgress(index + 1, services.length);
    }
    const infos = await source.metrics();
    const wanted = resourcesOf(infos).slice(0, MOST_RESOURCES);
    const names = new Map<string, MetricInfo & { readonly service: ServiceName }>();
    for (const { service, metric, capacity, labelKeys } of wanted)
      for (const name of [metric, ...(typeof capacity === "number" ? [] : [capacity.metric])]) {
        const info = infos.find((one) => one.metric === name);
        if (info) names.set(`${service}|${name}`, { ...info, services: [service], labelKeys, service });
      }
    const gauges: RecordedGauge[] = [];
    for (const info of names.values()) {
      const found = await source.query({
        metric: info.metric,
        service: info.service,
        groupBy: info.labelKeys,
        statistic: "max",
        ...range,
      });
      for (const series of found) gauges.push({ info, series });
    }
    return new Recording(red, gauges);
  }

  async services(): Promise<readonly ServiceName[]> {
    return this.#services;
  }

  async metrics(): Promise<readonly MetricInfo[]> {
    const merged = new Map<string, MetricInfo>();
    for (const { info } of this.#gauges) {
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
