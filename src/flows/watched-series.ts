import {
  createDetector,
  type DetectorOptions,
  type DetectorState,
  type Observation,
  restoreDetector,
  type SeriesDetector,
} from "../detection/index.ts";
import type { Anomaly } from "../domain/anomaly.ts";
import type { MetricSource, RedSignal, Series, ServiceName } from "../domain/telemetry.ts";
import { type Clock, DAY, type EpochMs, HOUR, MINUTE, type Milliseconds, SECOND } from "../domain/time.ts";
import type { Log } from "./log.ts";
import type { InvestigationStore, WatchMemory } from "./stores.ts";

export interface SeriesDependencies {
  readonly metrics: MetricSource;
  readonly store: Pick<InvestigationStore, "nextId">;
  readonly memory: WatchMemory;
  readonly clock: Clock;
  /** Wall clock, for what is late; telemetry time may run faster. */
  readonly wall?: () => EpochMs;
  readonly log: Log;
  readonly options: { readonly step: Milliseconds; readonly historyDays: number };
}

/** One series that is watched, step by step and each step once. */
export interface Watched {
  readonly service: ServiceName;
  readonly signal: RedSignal;
  readonly detector: SeriesDetector;
  /** The next step to observe. */
  next: EpochMs;
  /** The newest observations, oldest first, for pictures and for "what else is anomalous?". */
  readonly recent: Observation[];
  /** The anomaly that is open on this series. */
  open: Anomaly | null;
  /** The open anomaly was not told yet. */
  unconfirmed: boolean;
  /** When an anomaly ended that was never told. */
  keptBackAt?: EpochMs | undefined;
  /** What is open was told by a process before this one, and the detector here has not come to it yet. */
  inherited: boolean;
  /** Wall time since when others are ahead of this series; null while it keeps up. */
  behindSince: EpochMs | null;
}

/** A series across a restart; the last two are absent in what older versions remembered. */
interface Remembered {
  readonly next: EpochMs;
  readonly state: DetectorState;
  readonly untold?: Anomaly | null;
  readonly keptBackAt?: EpochMs;
}

/** What was read of a series, up to a time. */
export interface Reading {
  readonly horizon: EpochMs;
  readonly series: Series;
  /** Requests, for a signal that is not them. */
  readonly traffic: Series | null;
}

const KEEP_OBSERVATIONS = 8 * 60;
/** A sample that others are ahead of may still come: for two steps, and for three seconds of the wall clock however fast telemetry time runs. */
const LATE_STEPS = 2;
const LATE_AT_LEAST = 3 * SECOND;
/** Steps by which a detector that learned anew may find a known anomaly later than the one before it did. */
const FOUND_AGAIN_WITHIN_STEPS = 15;

export const keyOf = (service: ServiceName, signal: RedSignal): string => `${service}|${signal}`;

/** Learns a series from stored history, or takes up what was remembered. Null while it has no data, or none any more. */
export async function learnSeries(
  deps: SeriesDependencies,
  service: ServiceName,
  signal: RedSignal,
  detector: DetectorOptions,
  until: EpochMs,
  unended: readonly Anomaly[],
): Promise<Watched | null> {
  const { memory, options, metrics } = deps;
  const open = unended.find((anomaly) => anomaly.service === service && anomaly.signal === signal) ?? null;

  const remembered = await memory.recall<Remembered>(`detector/${keyOf(service, signal)}`);
  if (remembered && remembered.next > until - DAY) {
    return {
      service,
      signal,
      // What was learned is taken up; how strict to be and which days are holidays is as configured now.
      detector: restoreDetector({ ...remembered.state, options: detector }),
      next: remembered.next,
      recent: [],
      open: open ?? remembered.untold ?? null,
      inherited: open !== null,
      unconfirmed: !open && remembered.untold != null,
      keptBackAt: remembered.keptBackAt,
      behindSince: null,
    };
  }
  // The newest steps are observed rather than learned, so that what is wrong already is seen, and pictures have a past.
  const learnUntil = until - 3 * HOUR;
  const history = await metrics.red({
    service,
    signal,
    from: until - options.historyDays * DAY,
    to: learnUntil,
    step: options.step,
  });
  // What was silent for a day before anybody looked does not go missing now: it was removed before.
  const newest = history.points.at(-1)?.at ?? 0;
  if (history.points.length < 60 || (!open && newest < learnUntil - DAY)) return null;
  const fresh = createDetector(detector);
  fresh.train(history.points);
  const rest = { inherited: open !== null, unconfirmed: false, behindSince: null };
  return { service, signal, detector: fresh, next: learnUntil, recent: [], open, ...rest };
}

/**
 * Observes what was read. Returns the anomalies that ended and that were told before. A step at which nobody was heard says something about the source
 * of metrics, not about this series; and without requests there is no latency to measure: neither counts as missing.
 */
export async function observeSeries(
  deps: SeriesDependencies,
  watched: Watched,
  { horizon, series, traffic }: Reading,
  anyoneHeardAt: (at: EpochMs) => boolean = () => true,
): Promise<Anomaly[]> {
  const { options, store } = deps;
  const { service, signal } = watched;
  const values = new Map(series.points.map((point) => [point.at, point.value]));
  const counts = new Map(traffic?.points.map((point) => [point.at, Math.round((point.value * options.step) / SECOND)]));
  const newest = series.points.at(-1)?.at;
  const until = arrived(deps, watched, newest === undefined ? watched.next : newest + options.step, horizon);
  const raised: Anomaly[] = [];
  for (let at = watched.next; at < until; at += options.step) {
    const value = values.get(at);
    const count = counts.get(at);
    if (value === undefined && (count === 0 || !anyoneHeardAt(at))) continue;
    const observation =
      value === undefined
        ? watched.detector.missing(at)
        : watched.detector.observe({ at, value }, count === undefined ? {} : { count });
    watched.recent.push(observation);
    if (watched.recent.length > KEEP_OBSERVATIONS) watched.recent.shift();
    if (observation.change && watched.inherited) {
      watched.inherited = false;
    } else if (observation.change) {
      // What was on until the series went missing ends there.
      if (watched.open && !watched.unconfirmed) raised.push({ ...watched.open, endedAt: observation.change.startedAt });
      watched.open = { id: await store.nextId("ANO"), service, signal, labels: {}, endedAt: null, ...observation.change };
      watched.unconfirmed = true;
    } else if (watched.open && observation.ongoing) {
      watched.open = { ...watched.open, ...observation.ongoing };
      watched.inherited = false;
    } else if (watched.open && observation.state !== "alarm" && !awaited(watched, watched.open, at, options.step)) {
      watched.inherited = false;
      // What came and went before anybody was told is no news.
      if (watched.unconfirmed) keepBack(deps, watched, watched.open, at);
      else raised.push({ ...watched.open, endedAt: observation.ended?.endedAt ?? at });
      watched.open = null;
    }
  }
  watched.next = until;
  return raised;
}

function keepBack(
  deps: SeriesDependencies,
  watched: Watched,
  { service, signal, detectedAt, relativeChange }: Anomaly,
  at: EpochMs,
): void {
  watched.keptBackAt = at;
  const minutes = (at - detectedAt) / MINUTE;
  deps.log.info(
    { service, signal, change: relativeChange, minutes },
    "healed before it was told: like noise of before, or a spike",
  );
}

/** Up to where a series may be judged: its own newest sample, or the others' when it is later than samples may be. */
function arrived(deps: SeriesDependencies, watched: Watched, own: EpochMs, horizon: EpochMs): EpochMs {
  const { wall = Date.now, clock, options } = deps;
  if (own >= horizon) {
    watched.behindSince = null;
    return horizon;
  }
  if (own > watched.next || watched.behindSince === null) watched.behindSince = wall();
  const patience = Math.max(LATE_AT_LEAST, (LATE_STEPS * options.step) / clock.speed);
  return wall() - watched.behindSince < patience ? own : horizon;
}

/** Keeps what a series has learned over a restart. */
export async function rememberSeries({ memory }: SeriesDependencies, watched: Watched): Promise<void> {
  const { service, signal, next, detector, open, unconfirmed, keptBackAt } = watched;
  const untold = unconfirmed ? open : null;
  await memory.remember(`detector/${keyOf(service, signal)}`, { next, state: detector.state(), untold, keptBackAt });
}

/** Whether an anomaly that was told by a process before this one lies ahead of what is observed: a step before it does not end it. */
const awaited = ({ inherited }: Watched, { detectedAt }: Anomaly, at: EpochMs, step: Milliseconds): boolean =>
  inherited && at <= detectedAt + FOUND_AGAIN_WITHIN_STEPS * step;

/** The share of the alarm threshold from which a series that raised no alarm is still worth a word. */
const SUSPICIOUS_SCORE = 0.6;
const SUSPICION_WINDOW = 15 * MINUTE;

/** What a series looks like shortly before `at`, when that is unusual but not (yet) an alarm. */
export function suspicion(watched: Watched, at: EpochMs, step: Milliseconds): Anomaly | null {
  const window = watched.recent.filter((observation) => observation.at < at && observation.at >= at - SUSPICION_WINDOW);
  const score = Math.max(0, ...window.map((observation) => observation.score));
  const samples = window.filter((observation) => observation.value !== null);
  if (score < SUSPICIOUS_SCORE || samples.length < 3) return null;
  const mean = (pick: (observation: Observation) => number) => samples.reduce((sum, one) => sum + pick(one), 0) / samples.length;
  const observed = mean(({ value }) => value ?? 0);
  const expected = mean((observation) => observation.expected);
  return {
    id: `${watched.service}-${watched.signal}-suspicion`,
    service: watched.service,
    signal: watched.signal,
    labels: {},
    kind: "level",
    direction: observed >= expected ? "up" : "down",
    // What was an alarm until just now began when that did, not when this window does.
    startedAt: window.findLast(({ ongoing }) => ongoing)?.ongoing?.startedAt ?? samples[0]?.at ?? at,
    detectedAt: at - step,
    endedAt: null,
    observed,
    expected,
    relativeChange: expected === 0 ? 0 : observed / expected - 1,
    score,
  };
}
