import type { AnomalyScanner } from "../agent/types.ts";
import type { Anomaly } from "../domain/anomaly.ts";
import type { Incident } from "../domain/incident.ts";
import type { Investigation } from "../domain/investigation.ts";
import type { AlertSeverity } from "../domain/oncall.ts";
import { reachable, type ServiceGraph } from "../domain/service.ts";
import type { MetricSource, ServiceName } from "../domain/telemetry.ts";
import { type Clock, type EpochMs, MINUTE, type Milliseconds, SECOND } from "../domain/time.ts";
import type { AlertIntake, AlertRecord, AlertStore, IncomingAlert } from "./alert.ts";
import { IncidentBoard } from "./alert-board.ts";
import { AlertMeter, isMeasured } from "./alert-signal.ts";
import { digestLine, joinedLine, questionOf, resolvedLine } from "./alert-words.ts";
import type { Investigator } from "./investigate.ts";
import type { Log } from "./log.ts";
import type { IncidentChannel } from "./ports.ts";
import type { InvestigationStore } from "./stores.ts";

export interface AlertTriageDependencies {
  readonly alerts: AlertStore;
  readonly store: InvestigationStore;
  readonly investigator: Investigator;
  readonly channel: IncidentChannel;
  readonly graph: () => Promise<ServiceGraph>;
  readonly metrics: Pick<MetricSource, "red" | "services">;
  readonly scanner: AnomalyScanner;
  /** Of telemetry. */
  readonly clock: Clock;
  /** Wall clock. */
  readonly now: () => EpochMs;
  readonly log: Log;
  /** Told when an incident is over, for whoever learns from how it ended. */
  readonly resolved?: (incident: Incident) => Promise<void>;
  /** Whether alerts are looked into here. Otherwise they are only kept, and the replica that leads looks into them. Default: always. */
  readonly leads?: () => boolean;
  readonly options: {
    readonly step: Milliseconds;
    /** Alerts are gathered until none has come for this long. Default a second. */
    readonly quiet?: Milliseconds;
  };
}

const QUIET: Milliseconds = SECOND;
/** Gathered for this many quiet times at most, so that a storm without end is looked into as well. */
const LONGEST_GATHERING = 5;
/** How often it is looked for alerts that another replica took in. */
const LOOK_EVERY: Milliseconds = 5 * SECOND;
/** From so many new alerts on, the channel is told in one line how they were grouped. */
const DIGEST_FROM = 10;
/** An alert that fires again so soon goes on with its incident. */
const FLAPPING = 30 * MINUTE;
/** Stands in for a service that an alert does not name. */
const NO_SERVICE = "unnamed service";

/**
 * Turns alerts into investigations. Alerts are stored, gathered for a moment and grouped like anomalies: those of services that call one
 * another, about the same time, are one incident with one investigation. An alert that repeats opens nothing; one whose service is under
 * investigation joins it; one that only informs opens none; when the last alert of an incident is resolved, so is the incident.
 */
export class AlertTriage implements AlertIntake {
  readonly #deps: AlertTriageDependencies;
  #since: EpochMs | null = null;
  #timer: NodeJS.Timeout | null = null;
  #looks: NodeJS.Timeout | null = null;
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(deps: AlertTriageDependencies) {
    this.#deps = deps;
  }

  async take(alerts: readonly IncomingAlert[]): Promise<number> {
    const news = await this.#deps.alerts.receive(alerts, this.#deps.now());
    if (news > 0) this.#gather();
    return news;
  }

  /** Goes on with what a restart interrupted, and with what other replicas take in. */
  start(): void {
    this.#gather();
    this.#looks ??= setInterval(() => void this.#look(), LOOK_EVERY);
  }

  /** Leaves alerts to another replica, and waits for what is being done. */
  async rest(): Promise<void> {
    if (this.#looks) clearInterval(this.#looks);
    this.#looks = null;
    await this.#work;
  }

  async #look(): Promise<void> {
    const waiting = await this.#deps.alerts.pending().catch(() => []);
    if (waiting.length > 0 && !this.#timer) this.#gather();
  }

  /** Waits for what is being done; the rest is done at the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    await this.rest();
  }

  #gather(): void {
    if (this.#closed) return;
    const quiet = this.#deps.options.quiet ?? QUIET;
    const now = Date.now();
    this.#since ??= now;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#since = null;
        this.#work = this.#work
          .then(() => this.#triage())
          .catch((error) => {
            this.#deps.log.error({ err: error }, "alerts could not be looked into; trying again");
            this.#gather();
          });
      },
      Math.max(0, Math.min(quiet, this.#since + LONGEST_GATHERING * quiet - now)),
    );
  }

  async #triage(): Promise<void> {
    if (this.#deps.leads?.() === false) return;
    const pending = await this.#deps.alerts.pending();
    const firing = pending.filter(({ state, severity }) => state === "firing" && severity !== "info");
    const ended = pending.filter(({ state }) => state === "resolved");
    if (firing.length > 0) await this.#fire(firing);
    if (ended.length > 0) await this.#end(ended);
    // For information: it is known, and wakes nobody.
    await this.#deps.alerts.settle(pending.filter(({ state, severity }) => state === "firing" && severity === "info"));
  }

  async #fire(records: readonly AlertRecord[]): Promise<void> {
    const { alerts, store, channel, log } = this.#deps;
    const [graph, meter, running] = await Promise.all([this.#deps.graph(), this.#meter(records), this.#running()]);
    const board = new IncidentBoard({
      unresolved: await store.unresolvedIncidents(),
      investigated: new Set(running.flatMap(({ incidentId }) => incidentId ?? [])),
      graph,
      nextId: () => store.nextId("IN"),
    });
    const again = new Set<string>();
    const placed: AlertRecord[] = [];
    for (const record of fromTheTop(records, graph)) {
      const asked = running.find((one) => one.incidentId === null && concerns(one, record.service));
      const anomaly = await meter.anomaly(`alert:${record.source}:${record.fingerprint}:${record.startsAt}`, {
        service: record.service ?? NO_SERVICE,
        words: `${record.title} ${record.summary}`,
        startsAt: this.#telemetryTime(record.startsAt),
        critical: record.severity === "critical",
      });
      const before = await this.#flapping(record, anomaly);
      if (before) again.add(before.id);
      const place = before ? board.reopen(before, anomaly) : await board.place(anomaly, record.title);
      placed.push({ ...record, ...place, investigationId: asked?.id ?? null });
    }
    for (const incident of board.changed) await this.#save(incident);
    const linked: AlertRecord[] = [];
    for (const group of groupBy(placed, ({ incidentId }) => `${incidentId}`)) {
      const investigationId = await this.#investigate(group, again.has(`${group[0]?.incidentId}`));
      linked.push(...group.map((record) => ({ ...record, investigationId })));
    }
    await alerts.settle(linked);
    log.info({ alerts: linked.length, incidents: board.changed.map(({ id }) => id) }, "alerts were grouped");
    if (linked.length >= DIGEST_FROM) await channel.tell(null, digestLine(linked));
  }

  /** Opens the investigation of one incident's alerts, or tells the one that there is. @returns its id */
  async #investigate(group: readonly AlertRecord[], again: boolean): Promise<string | null> {
    const { alerts, store, investigator, channel } = this.#deps;
    const incident = group[0]?.incidentId ? await store.incident(group[0].incidentId) : null;
    if (!incident) return null;
    const known = await store.ofIncident(incident.id);
    const asked = [...group, ...(await alerts.firing()).filter(({ incidentId }) => incidentId === incident.id)];
    const id = known?.id ?? asked.find(({ investigationId }) => investigationId !== null)?.investigationId ?? null;
    if (id === null) {
      const opened = await investigator.open({
        trigger: "alert",
        incidentId: incident.id,
        anomalies: incident.anomalies.filter(isMeasured),
        question: questionOf(group),
        requester: `alert:${group[0]?.source ?? ""}`,
      });
      return opened.id;
    }
    await investigator.join(id, incident.anomalies.filter(isMeasured));
    await channel.tell(id, joinedLine(group, again));
    // More has gone wrong since somebody looked and found nothing; an alert that merely flaps is no reason.
    if (known?.state === "done" && known.report?.outcome !== "cause_found" && !again) await investigator.again(id);
    return id;
  }

  async #end(records: readonly AlertRecord[]): Promise<void> {
    const { alerts, store, investigator, channel } = this.#deps;
    const firing = await alerts.firing();
    // What came and went before anybody was told is no news.
    const told = records.filter(({ incidentId }) => incidentId !== null);
    for (const group of groupBy(told, ({ incidentId }) => `${incidentId}`)) {
      const [first] = group;
      const incident = first?.incidentId ? await store.incident(first.incidentId) : null;
      if (!incident) continue;
      const left = firing.filter(({ incidentId }) => incidentId === incident.id);
      const after = this.#ended(incident, group, left);
      await this.#save(after);
      const investigationId = first?.investigationId ?? null;
      if (investigationId) await investigator.join(investigationId, after.anomalies.filter(isMeasured));
      const closed = after.state === "resolved" && incident.state !== "resolved";
      if (closed) await this.#deps.resolved?.(after);
      await channel.tell(investigationId, resolvedLine(group, closed ? after : null));
    }
    await alerts.settle(records);
  }

  /** The incident when these alerts have ended and `left` still fire: resolved once nothing in it goes on. */
  #ended(incident: Incident, alerts: readonly AlertRecord[], left: readonly AlertRecord[]): Incident {
    const over = new Map<string, EpochMs>();
    for (const { anomalyId, endsAt } of alerts) {
      if (anomalyId === null || left.some((other) => other.anomalyId === anomalyId)) continue;
      over.set(anomalyId, Math.max(over.get(anomalyId) ?? 0, this.#telemetryTime(endsAt ?? this.#deps.now())));
    }
    const anomalies = incident.anomalies.map((anomaly) => {
      const end = over.get(anomaly.id);
      // What the watcher has seen itself, it also sees the end of.
      if (end === undefined || anomaly.endedAt !== null || !isAlert(anomaly)) return anomaly;
      return { ...anomaly, endedAt: Math.max(anomaly.startedAt, end) };
    });
    const ends = anomalies.map(({ endedAt }) => endedAt ?? Number.POSITIVE_INFINITY);
    const last = Math.max(...ends);
    if (incident.state === "resolved" || left.length > 0 || !Number.isFinite(last)) return { ...incident, anomalies };
    return { ...incident, anomalies, state: "resolved", resolvedAt: last };
  }

  /** Saves what was changed here, and keeps what the watcher has added to the incident in the meantime. */
  async #save(changed: Incident): Promise<void> {
    const { store } = this.#deps;
    const stored = await store.incident(changed.id);
    if (!stored) return store.saveIncident(changed);
    const ours = changed.anomalies.filter((one) => isAlert(one) || !stored.anomalies.some(({ id }) => id === one.id));
    const anomalies = [...stored.anomalies.filter(({ id }) => !ours.some((one) => one.id === id)), ...ours];
    const services = [...new Set([...stored.services, ...changed.services])];
    await store.saveIncident({
      ...stored,
      ...changed,
      services,
      anomalies: anomalies.sort((a, b) => a.detectedAt - b.detectedAt),
    });
  }

  /** The resolved incident that an alert goes on with when it fires again soon, or null. */
  async #flapping({ incidentId }: AlertRecord, anomaly: Anomaly): Promise<Incident | null> {
    const before = incidentId === null ? null : await this.#deps.store.incident(incidentId);
    if (!before || before.mitigatedAt || before.resolvedAt === null) return null;
    return anomaly.detectedAt - before.resolvedAt < FLAPPING ? before : null;
  }

  async #meter(records: readonly AlertRecord[]): Promise<AlertMeter> {
    const { metrics, scanner, clock, options } = this.#deps;
    const known = new Set(await metrics.services().catch((): readonly ServiceName[] => []));
    const services = [...new Set(records.flatMap(({ service }) => (service && known.has(service) ? [service] : [])))];
    return AlertMeter.at(clock.now(), services, { metrics, scanner, step: options.step });
  }

  async #running(): Promise<Investigation[]> {
    const running = await Promise.all(this.#deps.investigator.running.map((id) => this.#deps.store.get(id)));
    return running.flatMap((one) => one ?? []);
  }

  /** Alerts bear the time of the wall; in the demo, telemetry has its own. */
  #telemetryTime(at: EpochMs): EpochMs {
    const { clock, now } = this.#deps;
    return Math.round(clock.now() - Math.max(0, now() - at) * clock.speed);
  }
}

const isAlert = ({ labels }: Anomaly): boolean => labels.alert !== undefined;

/** Whether somebody asked about the service, or looks at it. */
function concerns({ anomalies, question }: Investigation, service: ServiceName | null): boolean {
  if (service === null) return false;
  const words = (question ?? "").toLowerCase().split(/[^a-z0-9_.-]+/);
  return anomalies.some((one) => one.service === service) || words.includes(service.toLowerCase());
}

const SEVERITIES: readonly AlertSeverity[] = ["critical", "warning", "info"];

/** Nearest to the users first: what calls most of the others tells the story best, and the rest belongs to it. Then the most severe. */
function fromTheTop(records: readonly AlertRecord[], graph: ServiceGraph): AlertRecord[] {
  const names = new Set(records.flatMap(({ service }) => service ?? []));
  const reach = new Map(
    [...names].map((name) => [name, reachable(graph, name, "callees").filter((one) => names.has(one)).length]),
  );
  const reachOf = ({ service }: AlertRecord) => reach.get(service ?? "") ?? -1;
  return records.toSorted(
    (a, b) =>
      SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || reachOf(b) - reachOf(a) || a.startsAt - b.startsAt,
  );
}

/** Groups in the order of their first members. */
function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return [...groups.values()];
}
