import { groupAnomalies } from "../detection/index.ts";
import type { Anomaly } from "../domain/anomaly.ts";
import type { Incident } from "../domain/incident.ts";
import type { ServiceGraph } from "../domain/service.ts";
import { type Clock, DAY, type EpochMs, MINUTE, type Milliseconds } from "../domain/time.ts";
import { deservesAnotherLook, type Looks } from "./another-look.ts";
import type { Investigator } from "./investigate.ts";
import type { Log } from "./log.ts";
import type { IncidentChannel } from "./ports.ts";
import { clockTime, signalName } from "./signals.ts";
import type { InvestigationStore, WatchMemory } from "./stores.ts";

export interface IncidentDependencies {
  readonly store: InvestigationStore;
  readonly memory: WatchMemory;
  readonly investigator: Pick<Investigator, "open" | "join" | "again">;
  readonly channel: IncidentChannel;
  readonly clock: Clock;
  readonly log: Log;
  /** Told when an incident is over, for whoever learns from how it ended. */
  readonly resolved?: (incident: Incident) => Promise<void>;
  /** Whether people say together that an investigation is about nothing: what sends no data then was removed on purpose. */
  readonly dismissed?: (investigationId: string) => Promise<boolean>;
  readonly step: Milliseconds;
}

/** What has sent nothing for so long is taken as removed, whether or not anybody says so. */
const REMOVED_AFTER_DAYS = 7;

/** An incident's life: anomalies that belong together open it, its investigation is repeated while it goes on, and it closes when all is well again. */
export class Incidents {
  readonly #deps: IncidentDependencies;

  constructor(deps: IncidentDependencies) {
    this.#deps = deps;
  }

  /** Opens an incident for a new anomaly or adds it to the one it belongs to; an ended one is noted where it is known. */
  async raise(anomaly: Anomaly, graph: ServiceGraph): Promise<void> {
    const { store, investigator, log } = this.#deps;
    const open = (await store.unresolvedIncidents()).filter(
      ({ mitigatedAt, anomalies }) =>
        !mitigatedAt || anomaly.startedAt < mitigatedAt || anomalies.some(({ id }) => id === anomaly.id),
    );
    const grouping = groupAnomalies(open, anomaly, graph);
    if (grouping.kind === "ignored") return;
    const incident: Incident =
      grouping.kind === "joined"
        ? grouping.incident
        : {
            id: await store.nextId("IN"),
            state: "open",
            openedAt: anomaly.detectedAt,
            resolvedAt: null,
            services: [anomaly.service],
            anomalies: [anomaly],
            title:
              anomaly.kind === "missing"
                ? `${anomaly.service}: no data`
                : `${anomaly.service} ${signalName(anomaly.signal)} ${anomaly.direction}`,
          };
    await store.saveIncident(incident);
    const known = await store.ofIncident(incident.id);
    if (known) {
      await investigator.join(known.id, incident.anomalies);
      return;
    }
    log.info(
      { incident: incident.id, service: anomaly.service, signal: anomaly.signal, change: anomaly.relativeChange },
      "anomaly",
    );
    await investigator.open({
      trigger: "anomaly",
      incidentId: incident.id,
      anomalies: incident.anomalies,
      question: null,
      requester: "vigil",
    });
  }

  /** An action of this investigation was verified: its incident takes in nothing that starts from now on. */
  async mitigated(investigationId: string): Promise<void> {
    const { store, clock } = this.#deps;
    const incidentId = (await store.get(investigationId))?.incidentId;
    const incident = incidentId ? await store.incident(incidentId) : null;
    if (incident?.state !== "open") return;
    await store.saveIncident({ ...incident, state: "mitigated", mitigatedAt: clock.now() });
  }

  /** A first look comes early and may see too little; while the trouble goes on without a cause or a way out, it is looked at again. */
  async lookAgain(now: EpochMs): Promise<void> {
    const { store, memory, investigator, log, step } = this.#deps;
    for (const incident of await store.unresolvedIncidents()) {
      const investigation = await store.ofIncident(incident.id);
      const report = investigation?.state === "done" ? investigation.report : null;
      if (!investigation || !report) continue;
      const key = `looks/${incident.id}`;
      const seen = (count: number): Looks => ({ count, at: now, services: incident.services });
      const looks = await memory.recall<Looks>(key);
      if (!looks?.services) {
        await memory.remember(key, seen(1));
        continue;
      }
      if (!deservesAnotherLook(incident, looks, report, now, step)) continue;
      await memory.remember(key, seen(looks.count + 1));
      log.info({ investigation: investigation.id, looks: looks.count + 1 }, "still going on; looking again");
      await investigator.again(investigation.id);
    }
  }

  /** Resolves incidents all of whose anomalies have been over for a while, or are of services that were removed. Returns the anomalies that have no other end. */
  async close(now: EpochMs): Promise<readonly Anomaly[]> {
    const { store, channel, step } = this.#deps;
    const removed: Anomaly[] = [];
    for (const incident of await store.unresolvedIncidents()) {
      const gone = await this.#removed(incident, now);
      if (gone) {
        removed.push(...gone);
        continue;
      }
      const ends = incident.anomalies.map((anomaly) => anomaly.endedAt);
      const last = Math.max(...ends.map((end) => end ?? Number.POSITIVE_INFINITY));
      if (now - last < 10 * step) continue;
      const resolved: Incident = { ...incident, state: "resolved", resolvedAt: last };
      await store.saveIncident(resolved);
      await this.#deps.resolved?.(resolved);
      const investigation = await store.ofIncident(incident.id);
      const minutes = Math.round((last - incident.openedAt) / MINUTE);
      const missed = incident.anomalies.every(({ kind }) => kind === "missing");
      await channel.tell(
        investigation?.id ?? null,
        `Back to normal: ${incident.services.join(", ")} ${missed ? "sends metrics again" : "within the expected band"} since ${clockTime(last)} UTC, ${minutes} min after it was noticed.`,
      );
    }
    return removed;
  }

  /**
   * Ends an incident in which nothing goes on but that services send no data, once people say that it is nothing, or after a week: nobody would
   * end it otherwise. Nothing is inferred from such an end. Null while it goes on.
   */
  async #removed(incident: Incident, now: EpochMs): Promise<readonly Anomaly[] | null> {
    const { store, channel, dismissed, log } = this.#deps;
    const going = incident.anomalies.filter(({ endedAt }) => endedAt === null);
    if (going.length === 0 || going.some(({ kind }) => kind !== "missing")) return null;
    const investigation = await store.ofIncident(incident.id);
    const long = now - Math.max(...going.map(({ startedAt }) => startedAt)) >= REMOVED_AFTER_DAYS * DAY;
    if (!long && !(investigation && (await dismissed?.(investigation.id)))) return null;
    const anomalies = incident.anomalies.map((one) => (one.endedAt === null ? { ...one, endedAt: now } : one));
    await store.saveIncident({ ...incident, anomalies, state: "resolved", resolvedAt: now });
    const services = [...new Set(going.map(({ service }) => service))].join(", ");
    log.info({ incident: incident.id, services, long }, "taken as removed");
    await channel.tell(
      investigation?.id ?? null,
      `Closed: ${services} ${long ? `sent nothing for ${REMOVED_AFTER_DAYS} days, so I take it as removed` : "sends nothing, and you say that this is nothing, so I take it as removed"}. When it is heard again, it is watched again.`,
    );
    return going;
  }
}
