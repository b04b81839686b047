import { groupAnomalies } from "../detection/index.ts";
import type { Anomaly } from "../domain/anomaly.ts";
import type { Incident } from "../domain/incident.ts";
import type { ServiceGraph } from "../domain/service.ts";

/** New incidents of one batch; whatever is beyond them is looked into together. */
const MOST_NEW = 5;

export interface Place {
  readonly incidentId: string;
  readonly anomalyId: string;
}

/** The incidents while one batch of alerts is being placed among them. Nothing is stored here. */
export class IncidentBoard {
  readonly #incidents: Map<string, Incident>;
  readonly #graph: ServiceGraph;
  readonly #nextId: () => Promise<string>;
  /** Incidents that somebody is looking into right now. */
  readonly #investigated: ReadonlySet<string>;
  readonly #changed = new Set<string>();
  readonly #opened: string[] = [];

  constructor(options: {
    readonly unresolved: readonly Incident[];
    readonly investigated: ReadonlySet<string>;
    readonly graph: ServiceGraph;
    readonly nextId: () => Promise<string>;
  }) {
    this.#incidents = new Map(options.unresolved.map((incident) => [incident.id, incident]));
    this.#investigated = options.investigated;
    this.#graph = options.graph;
    this.#nextId = options.nextId;
  }

  get changed(): Incident[] {
    return [...this.#changed].flatMap((id) => this.#incidents.get(id) ?? []);
  }

  /** Into the incident whose service is being looked into, else where grouping puts it, else into a new one. */
  async place(anomaly: Anomaly, title: string): Promise<Place> {
    // What starts after an action was verified to help is another incident.
    const open = [...this.#incidents.values()].filter(({ mitigatedAt }) => !mitigatedAt || anomaly.startedAt < mitigatedAt);
    const looked = open.find(({ id, services }) => this.#investigated.has(id) && services.includes(anomaly.service));
    if (looked) return this.#add(looked, anomaly);
    const grouping = groupAnomalies(open, anomaly, this.#graph);
    if (grouping.kind === "joined") return this.#add(this.#incidents.get(grouping.incident.id) ?? grouping.incident, anomaly);
    const rest = this.#opened.length >= MOST_NEW ? this.#incidents.get(this.#opened.at(-1) ?? "") : undefined;
    if (rest) return this.#add({ ...rest, title: "Many alerts at once" }, anomaly);
    const id = await this.#nextId();
    this.#opened.push(id);
    return this.#add(
      {
        id,
        state: "open",
        openedAt: anomaly.detectedAt,
        resolvedAt: null,
        services: [anomaly.service],
        anomalies: [],
        title: `${anomaly.service}: ${title}`,
      },
      anomaly,
    );
  }

  /** Opens a resolved incident again, for an alert that flaps. */
  reopen(incident: Incident, anomaly: Anomaly): Place {
    const current = this.#incidents.get(incident.id) ?? { ...incident, state: "open" as const, resolvedAt: null };
    return this.#add(current, anomaly);
  }

  /** One open anomaly stands for all alerts about the same signal of a service. */
  #add(incident: Incident, anomaly: Anomaly): Place {
    const { service, signal } = anomaly;
    const same = incident.anomalies.find((one) => one.service === service && one.signal === signal && one.endedAt === null);
    const services = incident.services.includes(service) ? incident.services : [...incident.services, service];
    const anomalies = same ? incident.anomalies : [...incident.anomalies, anomaly];
    this.#incidents.set(incident.id, { ...incident, services, anomalies });
    this.#changed.add(incident.id);
    return { incidentId: incident.id, anomalyId: same?.id ?? anomaly.id };
  }
}
