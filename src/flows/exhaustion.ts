import { createHash } from "node:crypto";
import { type Exhaustion, forecastExhaustion, type Resource, resourcesOf } from "../detection/index.ts";
import type { Labels, MetricInfo, MetricPoint, MetricSource, Series, ServiceName } from "../domain/telemetry.ts";
import { DAY, type EpochMs, HOUR, MINUTE, type Milliseconds } from "../domain/time.ts";
import type { Log } from "./log.ts";
import type { AnomalyPicture, IncidentChannel, KeptPicture } from "./ports.ts";
import { clockTime } from "./signals.ts";
import type { RecordingStore, WatchMemory } from "./stores.ts";

export interface ExhaustionDependencies {
  readonly metrics: Pick<MetricSource, "services" | "metrics" | "query">;
  readonly memory: WatchMemory;
  readonly channel: Pick<IncidentChannel, "tell">;
  /** Where pages load pictures from; without it words are told alone. */
  readonly pictures?: Pick<RecordingStore, "saveAnswerPicture">;
  readonly log: Log;
  readonly step: Milliseconds;
}

const LOOK_EVERY: Milliseconds = 5 * MINUTE;
const DISCOVER_EVERY: Milliseconds = HOUR;
const HISTORY: Milliseconds = 14 * DAY;
const FINE: Milliseconds = 3 * HOUR;
const COARSE: Milliseconds = 15 * MINUTE;
/** Said once more when only this share of the time that was left at the first word is left. */
const LAST_CALL = 0.25;
/** Share of the capacity below which a fall may be noise: a forecast at the edge of certainty comes and goes. */
const CLEARLY_DOWN = 0.03;
/** Points of a picture. */
const MOST_DRAWN = 400;

/** A resource that was said to run out. */
interface Told {
  readonly at: EpochMs;
  readonly likely: EpochMs;
  readonly level: number;
  readonly again: boolean;
}

/**
 * Tells the channel of disks, pools and quotas that will be full soon, before they are: once when it is sure enough, once when it
 * becomes urgent, and once when it is over. What was told is remembered over restarts; the forecasts themselves are made from stored history.
 */
export class ExhaustionWatch {
  readonly #deps: ExhaustionDependencies;
  #resources: readonly Resource[] = [];
  #discovered: EpochMs = Number.NEGATIVE_INFINITY;
  #looked: EpochMs = Number.NEGATIVE_INFINITY;

  constructor(deps: ExhaustionDependencies) {
    this.#deps = deps;
  }

  /** How many resources there are, which share the team's budget of false alarms with the watched series. */
  async discover(now: EpochMs): Promise<number> {
    if (now - this.#discovered >= DISCOVER_EVERY) {
      this.#resources = (await resourcesIn(this.#deps.metrics)).map(({ resource }) => resource);
      this.#discovered = now;
    }
    return this.#resources.length;
  }

  /** @param falseAlarmsPerWeek of one resource */
  async look(now: EpochMs, falseAlarmsPerWeek: number): Promise<void> {
    if (now - this.#looked < LOOK_EVERY) return;
    this.#looked = now;
    await this.discover(now).catch((error) =>
      this.#deps.log.warn({ err: error }, "what can run full could not be listed; the next look tries again"),
    );
    for (const resource of this.#resources) {
      try {
        for (const series of await this.#read(resource, now)) await this.#judge(resource, series, now, falseAlarmsPerWeek);
      } catch (error) {
        this.#deps.log.warn(
          { err: error, metric: resource.metric },
          "a resource could not be forecast; the next look tries again",
        );
      }
    }
  }

  /** One series for each label set, as what is used of the capacity. */
  async #read(
    resource: Resource,
    now: EpochMs,
  ): Promise<{ labels: Labels; capacity: number; unit: string; points: MetricPoint[] }[]> {
    const { metrics, step } = this.#deps;
    const { metric, service, labelKeys: groupBy, remaining } = resource;
    const read = (from: EpochMs, to: EpochMs, every: Milliseconds, name = metric) =>
      metrics.query({
        metric: name,
        service,
        groupBy,
        from,
        to,
        step: every,
        statistic: remaining && name === metric ? "min" : "max",
      });
    const recent = now - FINE;
    const [old, fine] = [await read(now - HISTORY, recent, Math.max(COARSE, step)), await read(recent, now, step)];
    const limits = typeof resource.capacity === "number" ? null : await read(recent, now, step, resource.capacity.metric);
    return fine.flatMap(({ labels, unit, points }) => {
      const own = (one: Series) => keyOf(one.labels) === keyOf(labels);
      const capacity = limits ? limits.find(own)?.points.at(-1)?.value : resource.capacity;
      if (typeof capacity !== "number" || !(capacity > 0)) return [];
      const all = [...(old.find(own)?.points ?? []), ...points];
      const used = remaining ? all.map(({ at, value }) => ({ at, value: capacity - value })) : all;
      return [{ labels, capacity, unit, points: used }];
    });
  }

  async #judge(
    resource: Resource,
    { labels, capacity, points }: { labels: Labels; capacity: number; points: readonly MetricPoint[] },
    now: EpochMs,
    falseAlarmsPerWeek: number,
  ): Promise<void> {
    const { memory, channel, step } = this.#deps;
    const key = `exhaustion/${resource.service}|${resource.metric}|${keyOf(labels)}`;
    const told = await memory.recall<Told>(key);
    const name = `${resource.service}: ${resource.metric}${labelWords(labels, resource.service)}`;
    const level = points.at(-1)?.value ?? 0;
    const found = forecastExhaustion(points, { capacity, falseAlarmsPerWeek, step });
    if (found && told === null) {
      await memory.remember(key, { at: now, likely: found.likely, level, again: false } satisfies Told);
      const picture = await this.#picture(key, name, points, found, capacity, now);
      await channel.tell(null, `⏳ ${name} ${sentence(found, capacity, now)}`, picture);
    } else if (found && told && !told.again && found.likely - now < LAST_CALL * (told.likely - told.at)) {
      await memory.remember(key, { ...told, again: true } satisfies Told);
      const picture = await this.#picture(key, name, points, found, capacity, now);
      await channel.tell(null, `⏳ Still filling, and soon full: ${name} ${sentence(found, capacity, now)}`, picture);
    } else if (told && !found && level < told.level - CLEARLY_DOWN * capacity) {
      await memory.forget(key);
      await channel.tell(null, `${name} is down to ${percent(level / capacity)} and no longer about to run full.`);
    } else if (told && !found && now - told.at > 2 * (told.likely - told.at)) {
      // It should have been full long ago: it levelled off, which is no news, and a new rise is.
      await memory.forget(key);
    }
  }

  /** Null when it cannot be kept: the words are told all the same. */
  async #picture(
    key: string,
    name: string,
    points: readonly MetricPoint[],
    found: Exhaustion,
    capacity: number,
    now: EpochMs,
  ): Promise<KeptPicture | null> {
    const { pictures, log } = this.#deps;
    if (!pictures) return null;
    const shown = {
      key: `forecast-${createHash("sha256").update(`${key} ${now}`).digest("hex").slice(0, 24)}`,
      picture: exhaustionPicture(name, points, found, capacity),
    };
    try {
      await pictures.saveAnswerPicture(shown.key, shown.picture);
      return shown;
    } catch (error) {
      log.warn({ err: error }, "the picture of a forecast could not be kept; it is told in words");
      return null;
    }
  }
}

/** Share of the capacity: what was used, with half as much time again before the rise, and what is to be expected up to the limit. */
export function exhaustionPicture(
  name: string,
  points: readonly MetricPoint[],
  found: Exhaustion,
  capacity: number,
): AnomalyPicture {
  const { since, course, likely, earliest, latest } = found;
  const last = points.at(-1)?.at ?? since;
  const from = since - Math.max(HOUR, (last - since) / 2);
  const shown = points.filter(({ at }) => at >= from);
  const every = Math.max(1, Math.ceil(shown.length / MOST_DRAWN));
  const when = (at: EpochMs) => new Date(at).toISOString().slice(0, 16).replace("T", " ");
  return {
    title: `${name}, used`,
    alt: `What is used since ${when(from)} UTC and what to expect: full likeliest at ${when(likely)}, with 80 % between ${when(earliest)} and ${latest === null ? "never" : when(latest)}.`,
    unit: "1",
    points: shown
      .filter((_, index) => (shown.length - 1 - index) % every === 0)
      .map(({ at, value }) => ({ at, value: value / capacity })),
    band: course.map(({ at, expected, lower, upper }) => ({
      at,
      expected: expected / capacity,
      lower: Math.max(0, lower) / capacity,
      upper: upper / capacity,
    })),
    anomalyFrom: since,
    anomalyTo: last,
    changes: [],
    limit: { value: 1, label: "full" },
  };
}

/** Beyond this many, forecasting would take longer than anybody waits. */
const MOST_RESOURCES = 300;

/**
 * What can run full, with the metrics of its service. Service by service: without naming one, a source of many services lists nothing.
 */
export async function resourcesIn(
  source: Pick<MetricSource, "services" | "metrics">,
): Promise<{ readonly resource: Resource; readonly infos: readonly MetricInfo[] }[]> {
  const found: { readonly resource: Resource; readonly infos: readonly MetricInfo[] }[] = [];
  for (const service of await source.services()) {
    const infos = (await source.metrics(service)).map((info) => ({ ...info, services: [service] }));
    for (const resource of resourcesOf(infos)) found.push({ resource, infos });
    if (found.length >= MOST_RESOURCES) break;
  }
  return found.slice(0, MOST_RESOURCES);
}

const keyOf = (labels: Labels): string => JSON.stringify(Object.entries(labels).sort());
/** Without the label that only says the service's name again. */
const labelWords = (labels: Labels, service: ServiceName): string => {
  const words = Object.entries(labels).flatMap(([key, value]) => (value === "" || value === service ? [] : [`${key}=${value}`]));
  return words.length === 0 ? "" : ` (${words.join(", ")})`;
};
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** `is at 74 % and will be full about 04:12 UTC, in 35 min (80 %: 28 min to 50 min) if it goes on as it has since 03:10 UTC: +12 points an hour.` */
function sentence({ since, level, perHour, likely, earliest, latest }: Exhaustion, capacity: number, now: EpochMs): string {
  const day = likely - now > 20 * HOUR ? `${new Date(likely).toISOString().slice(0, 10)} ` : "";
  const range = `80 %: ${span(Math.max(0, earliest - now))} to ${latest === null ? "never" : span(latest - now)}`;
  const growth = ((100 * perHour) / capacity).toPrecision(2);
  return `is at ${percent(level / capacity)} and will be full about ${day}${clockTime(likely)} UTC, in ${span(likely - now)} (${range}), if it goes on as it has since ${clockTime(since)} UTC: +${Number(growth)} points an hour.`;
}

const span = (length: Milliseconds): string =>
  length < 2 * HOUR
    ? `${Math.round(length / MINUTE)} min`
    : length < 2 * DAY
      ? `${(length / HOUR).toFixed(1)} h`
      : `${(length / DAY).toFixed(1)} days`;
