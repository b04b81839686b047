import type { Incident } from "../../domain/incident.ts";
import type { Investigation } from "../../domain/investigation.ts";
import type { ServiceGraph } from "../../domain/service.ts";
import type { ChangeEvent, ChangeSource, ServiceName, TimeRange } from "../../domain/telemetry.ts";
import { DAY, type EpochMs, HOUR, type Milliseconds, WEEK } from "../../domain/time.ts";
import { ExhaustionWatch } from "../exhaustion.ts";
import type { Log } from "../log.ts";
import { Watcher } from "../watch.ts";
import { ReplayStore } from "./memory-store.ts";
import type { Recording } from "./recording.ts";

export { type RecordedGauge, Recording } from "./recording.ts";

export interface BacktestOptions extends TimeRange {
  readonly step: Milliseconds;
  /** For the whole fleet, as `detection.falseAlarmsPerWeek`. */
  readonly falseAlarmsPerWeek: number;
  /** History that is learned before the replay begins. */
  readonly learn: Milliseconds;
  readonly holidays?: readonly string[];
  readonly onProgress?: (done: number, total: number) => void;
}

/** What would have been posted as an investigation. */
export interface BacktestPost {
  readonly at: EpochMs;
  readonly title: string;
  readonly services: readonly ServiceName[];
  /** Of the anomaly that was told first. */
  readonly signal: string;
  readonly kind: string;
  readonly startedAt: EpochMs;
  readonly relativeChange: number;
  readonly score: number;
  /** Null when it was still going on at the end. */
  readonly resolvedAt: EpochMs | null;
  /** The last changes in the six hours before it, newest first. */
  readonly changes: readonly ChangeEvent[];
}

export interface BacktestForecast {
  readonly at: EpochMs;
  readonly text: string;
}

/** Something that is known to have gone wrong. */
export interface KnownIncident extends TimeRange {
  readonly name: string;
}

export interface BacktestResult {
  /** What was replayed; history before it was learned from. */
  readonly range: TimeRange;
  readonly series: number;
  readonly posts: readonly BacktestPost[];
  readonly forecasts: readonly BacktestForecast[];
  readonly postsPerWeek: number;
  /** The noisiest first. */
  readonly byService: readonly { readonly service: ServiceName; readonly posts: number }[];
  /** Share of the replayed time in which at least one incident was open. */
  readonly timeInIncident: number;
}

const SILENT: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const CHANGES_BEFORE = 6 * HOUR;
const MOST_CHANGES = 3;
/** Steps between two breaths of the event loop. */
const BREATH = 60;

/**
 * Replays history through the watcher that runs in production, step by step, each step knowing only its past: the same baselines, grouping,
 * budget and forecasts. Nothing is posted, investigated or stored.
 */
export async function backtest(
  recording: Recording,
  options: BacktestOptions,
  world: { readonly graph: ServiceGraph; readonly changes: ChangeSource },
): Promise<BacktestResult> {
  const { step, falseAlarmsPerWeek, holidays, onProgress } = options;
  const begin = Math.ceil((options.from + options.learn) / step) * step;
  const end = Math.floor(options.to / step) * step;
  let now = begin;
  const store = new ReplayStore();
  const clock = { now: () => now, speed: 1 };
  const forecasts: BacktestForecast[] = [];
  const tell = async (investigation: string | null, text: string): Promise<void> => {
    if (investigation === null && text.startsWith("⏳")) forecasts.push({ at: now, text: text.replace(/^⏳ /, "") });
  };
  const watcher = new Watcher({
    metrics: recording,
    changes: world.changes,
    graph: async () => world.graph,
    latest: async () => now,
    store,
    memory: store,
    investigator: { open: (request) => opened(store, request, now), join: async () => {}, again: async () => {} },
    channel: { tell, showInvestigation: async () => {}, showProposal: async () => {} },
    exhaustion: new ExhaustionWatch({ metrics: recording, memory: store, channel: { tell }, log: SILENT, step }),
    clock,
    wall: () => now,
    log: SILENT,
    options: { step, falseAlarmsPerWeek, historyDays: Math.max(1, options.learn / DAY), ...(holidays ? { holidays } : {}) },
  });
  await watcher.prepare();
  for (let ticks = 0; now < end; now += step) {
    await watcher.tick();
    if (++ticks % BREATH === 0) {
      onProgress?.(now - begin, end - begin);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const incidents = await store.incidents();
  const posts: BacktestPost[] = [];
  for (const investigation of await store.list()) {
    const incident = incidents.find(({ id }) => id === investigation.incidentId);
    if (incident) posts.push(await postOf(investigation, incident, world.changes));
  }
  return summary({ from: begin, to: end }, recording.seriesCount, posts, forecasts);
}

async function opened(
  store: ReplayStore,
  request: Pick<Investigation, "trigger" | "incidentId" | "anomalies" | "question">,
  at: EpochMs,
): Promise<Investigation> {
  const { trigger, incidentId, anomalies, question } = request;
  const id = await store.nextId("INV");
  const investigation: Investigation = {
    id,
    incidentId,
    trigger,
    question,
    anomalies,
    state: "done",
    startedAt: at,
    finishedAt: at,
    steps: [],
    report: null,
  };
  await store.save(investigation);
  return investigation;
}

async function postOf(investigation: Investigation, incident: Incident, source: ChangeSource): Promise<BacktestPost> {
  const first = investigation.anomalies[0];
  const { startedAt: at } = investigation;
  const onset = first?.startedAt ?? at;
  const changes = await source.changes({
    from: onset - CHANGES_BEFORE,
    to: at,
    services: incident.services,
    limit: MOST_CHANGES,
  });
  return {
    at,
    title: incident.title,
    services: incident.services,
    signal: first?.signal ?? "",
    kind: first?.kind ?? "",
    startedAt: onset,
    relativeChange: first?.relativeChange ?? 0,
    score: first?.score ?? 0,
    resolvedAt: incident.resolvedAt,
    changes,
  };
}

function summary(
  range: TimeRange,
  series: number,
  posts: readonly BacktestPost[],
  forecasts: readonly BacktestForecast[],
): BacktestResult {
  const counts = new Map<ServiceName, number>();
  for (const { services } of posts) for (const service of services) counts.set(service, (counts.get(service) ?? 0) + 1);
  const length = Math.max(1, range.to - range.from);
  let covered = 0;
  let until = range.from;
  for (const { startedAt, resolvedAt } of [...posts].sort((a, b) => a.startedAt - b.startedAt)) {
    const from = Math.max(until, startedAt);
    const to = Math.max(from, Math.min(range.to, resolvedAt ?? range.to));
    covered += to - from;
    until = Math.max(until, to);
  }
  return {
    range,
    series,
    posts: [...posts].sort((a, b) => a.at - b.at),
    forecasts,
    postsPerWeek: ((posts.length + forecasts.length) * WEEK) / length,
    byService: [...counts].map(([service, count]) => ({ service, posts: count })).sort((a, b) => b.posts - a.posts),
    timeInIncident: covered / length,
  };
}

export interface Reckoning {
  readonly found: readonly { readonly incident: KnownIncident; readonly post: BacktestPost; readonly delay: Milliseconds }[];
  readonly missed: readonly KnownIncident[];
  /** Posts that no known incident explains. */
  readonly others: readonly BacktestPost[];
}

/** A post belongs to the known incident during which it was made, or within `margin` before (it was early) or after. */
export function reckon(result: BacktestResult, known: readonly KnownIncident[], margin: Milliseconds = HOUR): Reckoning {
  const within = (incident: KnownIncident, { at }: BacktestPost) => at >= incident.from - margin && at <= incident.to + margin;
  const inRange = known.filter(({ from, to }) => to >= result.range.from && from <= result.range.to);
  const found = inRange.flatMap((incident) => {
    const post = result.posts.find((one) => within(incident, one));
    return post ? [{ incident, post, delay: post.at - incident.from }] : [];
  });
  return {
    found,
    missed: inRange.filter((incident) => !found.some((one) => one.incident === incident)),
    others: result.posts.filter((post) => !inRange.some((incident) => within(incident, post))),
  };
}
