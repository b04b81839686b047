import type { AnomalyScanner } from "../agent/types.ts";
import type { Observation, SeriesDetector } from "../detection/index.ts";
import {
  createDetector,
  type DetectorOptions,
  type DetectorState,
  restoreDetector,
  shareOf,
  watchlist,
} from "../detection/index.ts";
import type { Anomaly } from "../domain/anomaly.ts";
import { reachable, type ServiceGraph } from "../domain/service.ts";
import {
  type ChangeSource,
  type MetricSource,
  type RedSignal,
  type Series,
  type ServiceName,
  SourceError,
} from "../domain/telemetry.ts";
import { DAY, type EpochMs, HOUR, MINUTE, type Milliseconds, SECOND } from "../domain/time.ts";
import { type Course, NO_PATIENCE, type Patience } from "../learning/thresholds.ts";
import type { ExhaustionWatch } from "./exhaustion.ts";
import { type IncidentDependencies, Incidents } from "./incidents.ts";
import type { AnomalyPicture } from "./ports.ts";
import { clockTime, signalName, unitOf } from "./signals.ts";
import { BEFORE, followsChange, isTelling } from "./telling.ts";

export interface WatcherDependencies extends Omit<IncidentDependencies, "step"> {
  readonly metrics: MetricSource;
  readonly changes: ChangeSource;
  readonly graph: () => Promise<ServiceGraph>;
  /** Newest telemetry time that is stored, or null while there is none. */
  readonly latest: () => Promise<EpochMs | null>;
  /** Forecasts what runs full; shares the budget of false alarms. */
  readonly exhaustion?: Pick<ExhaustionWatch, "discover" | "look">;
  /** Wall clock, for what is late; telemetry time may run faster. */
  readonly wall?: () => EpochMs;
  /** How long people are spared what looks like noise of before; learned from "noise" verdicts. Absent: not at all. */
  readonly patience?: (course: Course) => Patience;
  readonly options: {
    readonly step: Milliseconds;
    /** For the whole fleet; divided over the watched series. */
    readonly falseAlarmsPerWeek: number;
    readonly historyDays: number;
    /** UTC dates, `2026-12-25`, that do not follow the week. */
    readonly holidays?: readonly string[];
  };
}

interface Watched {
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

interface Reading {
  readonly horizon: EpochMs;
  readonly series: Series;
  /** Requests, for a signal that is not them. */
  readonly traffic: Series | null;
}

const KEEP_OBSERVATIONS = 8 * 60;
const REMEMBER_EVERY_TICKS = 60;
const DISCOVER_EVERY_TICKS = 30;
/** Steps behind the newest that one tick catches up at most, so that a long pause does not freeze the bot. */
const MOST_STEPS_A_TICK = 240;
/** Series that are read at the same time, which a source may answer together; and as many whole histories as memory bears. */
const READ_AT_ONCE = 3_000;
const LEARN_AT_ONCE = 12;

/** A single extreme sample says little; a spike is told when it has lasted this long. */
const CONFIRM_SPIKE_STEPS = 3;
/** A sample that others are ahead of may still come: for two steps, and for three seconds of the wall clock however fast telemetry time runs. */
const LATE_STEPS = 2;
const LATE_AT_LEAST = 3 * SECOND;
/** When nothing at all has arrived for so long, the pipeline is silent, not the services. */
const SILENT_STEPS = 15;
const SILENT_AT_LEAST = 10 * SECOND;

/** Steps by which a detector that learned anew may find a known anomaly later than the one before it did. */
const FOUND_AGAIN_WITHIN_STEPS = 15;

const keyOf = (service: ServiceName, signal: RedSignal): string => `${service}|${signal}`;

/**
 * Watches every RED series against its own seasonal baseline, step by step and each step once, opens one incident for anomalies that
 * belong together, and starts its investigation. What it learned survives a restart; steps missed meanwhile are observed late, not lost.
 */
export class Watcher implements AnomalyScanner {
  readonly #deps: WatcherDependencies;
  readonly #incidents: Incidents;
  readonly #series = new Map<string, Watched>();
  #graph: ServiceGraph = { nodes: [], edges: [] };
  #ticks = 0;
  #shareOfResource = 0;
  /** The last discovery could not read everything. */
  #undiscovered = false;
  #timer: NodeJS.Timeout | null = null;
  #ticking: Promise<void> = Promise.resolve();
  /** The newest telemetry, and the wall time at which it was first seen. */
  #arrival: { readonly latest: EpochMs | null; readonly seen: EpochMs; readonly told: boolean } | null = null;

  constructor(deps: WatcherDependencies) {
    this.#deps = deps;
    this.#incidents = new Incidents({ ...deps, step: deps.options.step });
  }

  get watchedSeries(): number {
    return this.#series.size;
  }

  /** Learns every series from stored history, or takes up what was remembered. */
  async prepare(onProgress: (done: number, total: number) => void = () => {}): Promise<void> {
    try {
      await this.#discover(onProgress);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      this.#deps.log.warn({ err: error }, "metrics cannot be read yet; Vigil starts without a watch and tries again");
    }
  }

  /** Begins to watch; a tick looks whether a further step is complete. */
  start(): void {
    const pause = Math.max(200, this.#deps.options.step / this.#deps.clock.speed / 4);
    const loop = () => {
      this.#ticking = this.tick().catch((error) =>
        this.#deps.log.error({ err: error }, "a watch tick failed; the next one tries again"),
      );
      void this.#ticking.then(() => {
        if (this.#timer) this.#timer = setTimeout(loop, pause);
      });
    };
    this.#timer = setTimeout(loop, 0);
  }

  async stop(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#ticking;
    await this.#rememberAll();
  }

  /** Observes every step that has become complete. */
  async tick(): Promise<void> {
    const { step } = this.#deps.options;
    const latest = await this.#deps.latest();
    await this.#noticeSilence(latest);
    if (latest === null) return;
    // A step is complete when telemetry of a later one has arrived; a series that is late gets its time.
    const until = Math.floor(latest / step) * step;
    if (this.#ticks++ % DISCOVER_EVERY_TICKS === 0 || this.#undiscovered) await this.#discover();
    const raised: Anomaly[] = [];
    let observed = false;
    const due = [...this.#series.values()].filter(({ next }) => next < until);
    for (let from = 0; from < due.length; from += READ_AT_ONCE) {
      const portion = due.slice(from, from + READ_AT_ONCE);
      const readings = await this.#readAll(portion, (watched) => Math.min(until, watched.next + MOST_STEPS_A_TICK * step));
      for (const { watched, reading } of readings) {
        observed = true;
        raised.push(...(await this.#observe(watched, reading)));
      }
    }
    raised.push(...(await this.#toTell(until)));
    // Series that are off at the same time bear each other out: when one is told, so are those that were still waiting.
    if (raised.some((anomaly) => anomaly.endedAt === null)) raised.push(...this.#confirmAll());
    for (const anomaly of this.#fromTheTop(raised)) await this.#incidents.raise(anomaly, this.#graph);
    if (observed) {
      await this.#incidents.close(until);
      await this.#incidents.lookAgain(until);
    }
    await this.#deps.exhaustion?.look(until, this.#shareOfResource);
    if (this.#ticks % REMEMBER_EVERY_TICKS === 0) await this.#rememberAll();
  }

  /** Series of these services that are off their baseline now or were within the last half hour before `at`. */
  async scan(services: readonly ServiceName[], at: EpochMs): Promise<readonly Anomaly[]> {
    const found: Anomaly[] = [];
    for (const watched of this.#series.values()) {
      if (!services.includes(watched.service)) continue;
      const anomaly = watched.open ?? suspicion(watched, at, this.#deps.options.step);
      if (anomaly) found.push(anomaly);
    }
    return found.sort((a, b) => b.score - a.score);
  }

  /** Draws a series around an anomaly: expected band, observed values, markers of changes. */
  async picture(anomaly: Anomaly): Promise<AnomalyPicture | null> {
    const watched = this.#series.get(keyOf(anomaly.service, anomaly.signal));
    const from = anomaly.startedAt - 2 * HOUR;
    const shown = watched?.recent.filter((observation) => observation.at >= from) ?? [];
    if (shown.length < 10) return null;
    const last = shown.at(-1)?.at ?? anomaly.detectedAt;
    const changes = await this.#deps.changes.changes({ from, to: last + this.#deps.options.step, limit: 8 });
    const change = `${anomaly.relativeChange >= 0 ? "+" : "−"}${Math.abs(anomaly.relativeChange * 100).toFixed(0)} %`;
    return {
      title: `${anomaly.service} ${signalName(anomaly.signal)}`,
      alt: `${signalName(anomaly.signal)} of ${anomaly.service} left its expected band at ${clockTime(anomaly.startedAt)} UTC: ${change} against the seasonal baseline.`,
      unit: unitOf(anomaly.signal),
      points: shown.flatMap(({ at, value }) => (value === null ? [] : [{ at, value }])),
      band: shown.map(({ at, expected, lower, upper }) => ({ at, expected, lower, upper })),
      anomalyFrom: anomaly.startedAt,
      anomalyTo: anomaly.endedAt,
      changes,
    };
  }

  async #discover(onProgress: (done: number, total: number) => void = () => {}): Promise<void> {
    const { metrics, options, store, log } = this.#deps;
    this.#undiscovered = true;
    const latest = await this.#deps.latest();
    if (latest === null) return;
    const until = Math.floor(latest / options.step) * options.step;
    this.#graph = await this.#deps.graph();
    const services = await metrics.services();
    const besides = await this.#resources(services.length, until);
    const wanted = watchlist(services, { ...options, besides });
    const fresh = wanted.filter(({ service, signal }) => !this.#series.has(keyOf(service, signal)));
    const open = (await store.unresolvedIncidents())
      .flatMap(({ anomalies }) => anomalies)
      .filter(({ endedAt }) => endedAt === null);
    const failures: unknown[] = [];
    for (let from = 0; from < fresh.length; from += LEARN_AT_ONCE) {
      const portion = fresh.slice(from, from + LEARN_AT_ONCE);
      const learned = await Promise.allSettled(
        portion.map(({ service, signal, detector }) => this.#learn(service, signal, detector, until, open)),
      );
      for (const result of learned) {
        if (result.status === "rejected") failures.push(result.reason);
        else if (result.value) this.#series.set(keyOf(result.value.service, result.value.signal), result.value);
      }
      onProgress(wanted.length - fresh.length + Math.min(fresh.length, from + LEARN_AT_ONCE), wanted.length);
    }
    this.#undiscovered = failures.length > 0;
    if (failures[0])
      log.warn({ err: failures[0], series: failures.length }, "some series could not be learned yet; the next tick tries again");
  }

  /** How many resources are forecast; a source that cannot list its metrics is watched without. */
  async #resources(services: number, now: EpochMs): Promise<number> {
    const { exhaustion, log, options } = this.#deps;
    const count = await exhaustion?.discover(now).catch((error) => {
      log.warn({ err: error }, "no metrics could be listed, so nothing is forecast; tried again later");
      return 0;
    });
    this.#shareOfResource = shareOf(options.falseAlarmsPerWeek, services, count);
    return count ?? 0;
  }

  /** Null while the series has no data. */
  async #learn(
    service: ServiceName,
    signal: RedSignal,
    detector: DetectorOptions,
    until: EpochMs,
    unended: readonly Anomaly[],
  ): Promise<Watched | null> {
    const { memory, options, metrics } = this.#deps;
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
    if (history.points.length < 60) return null;
    const fresh = createDetector(detector);
    fresh.train(history.points);
    const rest = { inherited: open !== null, unconfirmed: false, behindSince: null };
    return { service, signal, detector: fresh, next: learnUntil, recent: [], open, ...rest };
  }

  /** What could be read; a series that could not is read again at the next tick. */
  async #readAll(
    portion: readonly Watched[],
    horizonOf: (watched: Watched) => EpochMs,
  ): Promise<{ readonly watched: Watched; readonly reading: Reading }[]> {
    const { metrics, options, log } = this.#deps;
    const settled = await Promise.allSettled(
      portion.map(async (watched) => {
        const { service, signal } = watched;
        const horizon = horizonOf(watched);
        const range = { from: watched.next, to: horizon, step: options.step };
        const [series, traffic] = await Promise.all([
          metrics.red({ service, signal, ...range }),
          signal === "rate" ? null : metrics.red({ service, signal: "rate", ...range }),
        ]);
        return { watched, reading: { horizon, series, traffic } };
      }),
    );
    const failures = settled.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    if (failures[0])
      log.warn({ err: failures[0], series: failures.length }, "some series could not be read; the next tick tries again");
    return settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  }

  async #observe(watched: Watched, { horizon, series, traffic }: Reading): Promise<Anomaly[]> {
    const { options, store } = this.#deps;
    const { service, signal } = watched;
    const values = new Map(series.points.map((point) => [point.at, point.value]));
    const counts = new Map(traffic?.points.map((point) => [point.at, Math.round((point.value * options.step) / SECOND)]));
    const newest = series.points.at(-1)?.at;
    const until = this.#arrived(watched, newest === undefined ? watched.next : newest + options.step, horizon);
    const raised: Anomaly[] = [];
    for (let at = watched.next; at < until; at += options.step) {
      const value = values.get(at);
      const count = counts.get(at);
      const observation =
        value === undefined
          ? watched.detector.missing(at)
          : watched.detector.observe({ at, value }, count === undefined ? {} : { count });
      watched.recent.push(observation);
      if (watched.recent.length > KEEP_OBSERVATIONS) watched.recent.shift();
      if (observation.change && watched.inherited) {
        watched.inherited = false;
      } else if (observation.change) {
        watched.open = { id: await store.nextId("ANO"), service, signal, labels: {}, endedAt: null, ...observation.change };
        watched.unconfirmed = true;
      } else if (watched.open && observation.ongoing) {
        watched.open = { ...watched.open, ...observation.ongoing };
        watched.inherited = false;
      } else if (watched.open && observation.state !== "alarm" && !awaited(watched, watched.open, at, options.step)) {
        watched.inherited = false;
        // What came and went before anybody was told is no news.
        if (watched.unconfirmed) this.#keepBack(watched, watched.open, at);
        else raised.push({ ...watched.open, endedAt: observation.ended?.endedAt ?? at });
        watched.open = null;
      }
    }
    watched.next = until;
    return raised;
  }

  #keepBack(watched: Watched, { service, signal, detectedAt, relativeChange }: Anomaly, at: EpochMs): void {
    watched.keptBackAt = at;
    const minutes = (at - detectedAt) / MINUTE;
    this.#deps.log.info(
      { service, signal, change: relativeChange, minutes },
      "healed before it was told: like noise of before, or a spike",
    );
  }

  /** Up to where a series may be judged: its own newest sample, or the others' when it is later than samples may be. */
  #arrived(watched: Watched, own: EpochMs, horizon: EpochMs): EpochMs {
    const { wall = Date.now, clock, options } = this.#deps;
    if (own >= horizon) {
      watched.behindSince = null;
      return horizon;
    }
    if (own > watched.next || watched.behindSince === null) watched.behindSince = wall();
    const patience = Math.max(LATE_AT_LEAST, (LATE_STEPS * options.step) / clock.speed);
    return wall() - watched.behindSince < patience ? own : horizon;
  }

  /** Says once that nothing arrives any more, and once that it does again. */
  async #noticeSilence(latest: EpochMs | null): Promise<void> {
    const { wall = Date.now, clock, channel, log, options } = this.#deps;
    const before = this.#arrival;
    if (!before || before.latest !== latest) {
      this.#arrival = { latest, seen: wall(), told: false };
      if (before?.told) await channel.tell(null, "Telemetry arrives again. Vigil watches.");
      return;
    }
    const patience = Math.max(SILENT_AT_LEAST, (SILENT_STEPS * options.step) / clock.speed);
    if (before.told || latest === null || wall() - before.seen < patience) return;
    this.#arrival = { ...before, told: true };
    log.warn({ latest: new Date(latest).toISOString() }, "no telemetry arrives");
    await channel.tell(
      null,
      `No telemetry has arrived since ${clockTime(latest)} UTC, from any service. Until it does, Vigil sees nothing: look at the collector first, then at \`vigil doctor\`.`,
    );
  }

  /** An action of this investigation was verified: its incident takes in nothing that starts from now on. */
  mitigated(investigationId: string): Promise<void> {
    return this.#incidents.mitigated(investigationId);
  }

  /** Nearest to the users first: what calls most of the others tells the story best. */
  #fromTheTop(anomalies: readonly Anomaly[]): Anomaly[] {
    const names = new Set(anomalies.map(({ service }) => service));
    const reach = (service: ServiceName) => reachable(this.#graph, service, "callees").filter((one) => names.has(one)).length;
    return anomalies.toSorted((a, b) => reach(b.service) - reach(a.service) || b.score - a.score);
  }

  /** Of the open anomalies that nobody was told yet, those whose time has come. */
  async #toTell(until: EpochMs): Promise<Anomaly[]> {
    const { step } = this.#deps.options;
    if (![...this.#series.values()].some(({ open, unconfirmed }) => open && unconfirmed)) return [];
    await this.#markAfterChange(until);
    const open = [...this.#series.values()].flatMap((watched) => watched.open ?? []);
    const around = { open, graph: this.#graph, patience: this.#deps.patience ?? (() => NO_PATIENCE) };
    const told: Anomaly[] = [];
    for (const watched of this.#series.values()) {
      if (!watched.open || !watched.unconfirmed) continue;
      const at = watched.next - step;
      const { detectedAt, kind } = watched.open;
      // What was kept back and comes again soon is no blip.
      const again = watched.keptBackAt !== undefined && detectedAt - watched.keptBackAt < HOUR;
      if (!again && !isTelling(watched.open, at, around)) continue;
      if (kind === "spike" && at - detectedAt < CONFIRM_SPIKE_STEPS * step) continue;
      watched.unconfirmed = false;
      told.push(watched.open);
    }
    return told;
  }

  /** Notes on what was not told yet whether it follows a change; where changes cannot be read, none is known of. */
  async #markAfterChange(until: EpochMs): Promise<void> {
    const { changes, log } = this.#deps;
    const open = [...this.#series.values()].flatMap((watched) => watched.open ?? []);
    const from = Math.min(...open.map(({ startedAt }) => startedAt)) - BEFORE;
    const known = await changes.changes({ from, to: until, limit: 500 }).catch((error) => {
      log.warn({ err: error }, "changes could not be read, so anomalies are taken to follow none");
      return [];
    });
    for (const watched of this.#series.values())
      if (watched.open && watched.unconfirmed && followsChange(watched.open, open, this.#graph, known))
        watched.open = { ...watched.open, afterChange: true };
  }

  #confirmAll(): Anomaly[] {
    return [...this.#series.values()].flatMap((watched) => {
      if (!watched.open || !watched.unconfirmed) return [];
      watched.unconfirmed = false;
      return [watched.open];
    });
  }

  async #rememberAll(): Promise<void> {
    for (const [key, watched] of this.#series) {
      const { next, detector, open, unconfirmed, keptBackAt } = watched;
      const untold = unconfirmed ? open : null;
      await this.#deps.memory.remember(`detector/${key}`, { next, state: detector.state(), untold, keptBackAt });
    }
  }
}

/** Whether an anomaly that was told by a process before this one lies ahead of what is observed: a step before it does not end it. */
const awaited = ({ inherited }: Watched, { detectedAt }: Anomaly, at: EpochMs, step: Milliseconds): boolean =>
  inherited && at <= detectedAt + FOUND_AGAIN_WITHIN_STEPS * step;

/** The share of the alarm threshold from which a series that raised no alarm is still worth a word. */
const SUSPICIOUS_SCORE = 0.6;
const SUSPICION_WINDOW = 15 * MINUTE;

/** What a series looks like shortly before `at`, when that is unusual but not (yet) an alarm. */
function suspicion(watched: Watched, at: EpochMs, step: Milliseconds): Anomaly | null {
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
    startedAt: samples[0]?.at ?? at,
    detectedAt: at - step,
    endedAt: null,
    observed,
    expected,
    relativeChange: expected === 0 ? 0 : observed / expected - 1,
    score,
  };
}
