import type { AnomalyScanner } from "../agent/types.ts";
import { shareOf, watchlist } from "../detection/index.ts";
import type { Anomaly } from "../domain/anomaly.ts";
import { reachable, type ServiceGraph } from "../domain/service.ts";
import { type ChangeSource, type MetricSource, type ServiceName, SourceError } from "../domain/telemetry.ts";
import { type EpochMs, HOUR, type Milliseconds } from "../domain/time.ts";
import { type Course, NO_PATIENCE, type Patience } from "../learning/thresholds.ts";
import type { ExhaustionWatch } from "./exhaustion.ts";
import { type IncidentDependencies, Incidents } from "./incidents.ts";
import type { AnomalyPicture } from "./ports.ts";
import { clockTime, signalName, unitOf } from "./signals.ts";
import { Silence } from "./silence.ts";
import { BEFORE, followsChange, isTelling } from "./telling.ts";
import { keyOf, learnSeries, observeSeries, type Reading, rememberSeries, suspicion, type Watched } from "./watched-series.ts";

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

const REMEMBER_EVERY_TICKS = 60;
const DISCOVER_EVERY_TICKS = 30;
/** Steps behind the newest that one tick catches up at most, so that a long pause does not freeze the bot. */
const MOST_STEPS_A_TICK = 240;
/** Series that are read at the same time, which a source may answer together; and as many whole histories as memory bears. */
const READ_AT_ONCE = 3_000;
const LEARN_AT_ONCE = 12;

/** What was off when a series fell silent waits so many steps for it to be heard again or to be told as missing: its last samples were not whole. */
const SILENCE_IS_SEEN_STEPS = 15;

/** A single extreme sample says little; a spike is told when it has lasted this long. */
const CONFIRM_SPIKE_STEPS = 3;

/**
 * Watches every RED series against its own seasonal baseline, step by step and each step once, opens one incident for anomalies that
 * belong together, and starts its investigation. What it learned survives a restart; steps missed meanwhile are observed late, not lost.
 */
export class Watcher implements AnomalyScanner {
  readonly #deps: WatcherDependencies;
  readonly #incidents: Incidents;
  readonly #silence: Silence;
  readonly #series = new Map<string, Watched>();
  /** Steps at which any series had a sample, as far back as one tick catches up. */
  readonly #heard = new Set<EpochMs>();
  #graph: ServiceGraph = { nodes: [], edges: [] };
  #ticks = 0;
  #shareOfResource = 0;
  /** The last discovery could not read everything. */
  #undiscovered = false;
  #timer: NodeJS.Timeout | null = null;
  #ticking: Promise<void> = Promise.resolve();

  constructor(deps: WatcherDependencies) {
    this.#deps = deps;
    this.#incidents = new Incidents({ ...deps, step: deps.options.step });
    this.#silence = new Silence({ ...deps, step: deps.options.step });
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
    const latest = await this.#newest();
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
      for (const { reading } of readings) for (const { at } of reading.series.points) this.#heard.add(at);
      for (const { watched, reading } of readings) {
        observed = true;
        raised.push(...(await observeSeries(this.#deps, watched, reading, (at) => this.#heard.has(at))));
      }
    }
    for (const at of this.#heard) if (at < until - MOST_STEPS_A_TICK * step) this.#heard.delete(at);
    raised.push(...(await this.#toTell(until)));
    // Series that are off at the same time bear each other out: when one is told, so are those that were still waiting.
    if (raised.some((anomaly) => anomaly.endedAt === null)) raised.push(...this.#confirmAll());
    for (const anomaly of this.#fromTheTop(raised)) await this.#incidents.raise(anomaly, this.#graph);
    if (observed) {
      const removed = new Set((await this.#incidents.close(until)).map(({ id }) => id));
      for (const watched of this.#series.values()) if (watched.open && removed.has(watched.open.id)) watched.open = null;
      await this.#incidents.lookAgain(until);
    }
    await this.#deps.exhaustion?.look(until, this.#shareOfResource);
    if (this.#ticks % REMEMBER_EVERY_TICKS === 0) await this.#rememberAll();
  }

  /** The newest telemetry; null while there is none, or its source does not answer, which is told by itself. */
  async #newest(): Promise<EpochMs | null> {
    try {
      const latest = await this.#deps.latest();
      await this.#silence.notice(latest);
      return latest;
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      await this.#silence.unanswered(error);
      return null;
    }
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
      alt:
        anomaly.kind === "missing"
          ? `${signalName(anomaly.signal)} of ${anomaly.service} has no data since ${clockTime(anomaly.startedAt)} UTC.`
          : `${signalName(anomaly.signal)} of ${anomaly.service} left its expected band at ${clockTime(anomaly.startedAt)} UTC: ${change} against the seasonal baseline.`,
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
        portion.map(({ service, signal, detector }) => learnSeries(this.#deps, service, signal, detector, until, open)),
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
      if (!watched.open || !watched.unconfirmed || this.#fellSilent(watched)) continue;
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

  /** Whether the newest samples are missing and it is not known yet whether the series is gone. */
  #fellSilent({ open, recent }: Watched): boolean {
    if (!open || open.kind === "missing" || recent.at(-1)?.value !== null) return false;
    return recent.slice(-SILENCE_IS_SEEN_STEPS).some(({ value }) => value !== null);
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
      if (!watched.open || !watched.unconfirmed || this.#fellSilent(watched)) return [];
      watched.unconfirmed = false;
      return [watched.open];
    });
  }

  async #rememberAll(): Promise<void> {
    for (const watched of this.#series.values()) await rememberSeries(this.#deps, watched);
  }
}
