import type { Anomaly } from "../domain/anomaly.ts";
import type { Incident } from "../domain/incident.ts";
import { reachable, type ServiceGraph } from "../domain/service.ts";
import { HOUR, MINUTE, type Milliseconds } from "../domain/time.ts";

export interface GroupOptions {
  /** Anomalies that start within this time of one another may be one incident. Default half an hour. */
  readonly window?: Milliseconds;
  /** An incident that is still going on takes in related anomalies for this long. Default two hours. */
  readonly ongoingWindow?: Milliseconds;
}

/** `joined` carries the incident as it is now; `new` asks the caller to open one; `ignored` is an end of something nobody knew. */
export type Grouping =
  | { readonly kind: "joined"; readonly incident: Incident }
  | { readonly kind: "new" }
  | { readonly kind: "ignored" };

/**
 * Where an anomaly belongs. One already known to an incident is updated there. Otherwise it joins the unresolved incident nearest in
 * time whose services call it or are called by it, directly or through others, if it started within the window, or while the incident was still going on.
 * Siblings join through the caller or callee that they share, once that is anomalous too. Pure. Single-linkage clustering in time (Sibson 1973) along the
 * call graph; assumes that trouble travels along calls within the window.
 */
export function groupAnomalies(
  open: readonly Incident[],
  anomaly: Anomaly,
  graph: ServiceGraph,
  options: GroupOptions = {},
): Grouping {
  const unresolved = open.filter(({ state }) => state !== "resolved");
  const known = unresolved.find(({ anomalies }) => anomalies.some(({ id }) => id === anomaly.id));
  if (known) {
    const anomalies = known.anomalies.map((other) => (other.id === anomaly.id ? anomaly : other));
    return { kind: "joined", incident: { ...known, anomalies } };
  }
  if (anomaly.endedAt !== null) return { kind: "ignored" };
  const related = new Set([
    anomaly.service,
    ...reachable(graph, anomaly.service, "callers"),
    ...reachable(graph, anomaly.service, "callees"),
  ]);
  const candidates = unresolved
    .filter((incident) => incident.services.some((service) => related.has(service)) && together(incident, anomaly, options))
    .sort((a, b) => distance(a, anomaly) - distance(b, anomaly));
  const [nearest] = candidates;
  if (!nearest) return { kind: "new" };
  const services = nearest.services.includes(anomaly.service) ? nearest.services : [...nearest.services, anomaly.service];
  return { kind: "joined", incident: { ...nearest, services, anomalies: [...nearest.anomalies, anomaly] } };
}

/** How far apart the starts are, at their nearest. */
const distance = (incident: Incident, anomaly: Anomaly): Milliseconds =>
  Math.min(...incident.anomalies.map(({ startedAt }) => Math.abs(startedAt - anomaly.startedAt)));

function together(
  incident: Incident,
  anomaly: Anomaly,
  { window = 30 * MINUTE, ongoingWindow = 2 * HOUR }: GroupOptions,
): boolean {
  const apart = distance(incident, anomaly);
  const ongoing = incident.anomalies.some(({ endedAt }) => endedAt === null || endedAt >= anomaly.startedAt);
  return apart <= window || (ongoing && apart <= ongoingWindow);
}
