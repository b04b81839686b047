import { z } from "zod";
import { lookAddress } from "../../domain/look-address.ts";
import { reachable, type ServiceGraph } from "../../domain/service.ts";
import type { ServiceEdge } from "../../domain/telemetry.ts";
import { HOUR } from "../../domain/time.ts";
import { cleanUntrusted } from "../../domain/untrusted.ts";
import type { Session } from "../session.ts";
import { defineTool, knownService } from "./kit.ts";

export const serviceDependencies = defineTool({
  name: "service_dependencies",
  description:
    "Who calls a service and whom it calls, directly or not, from traces and the catalogue; with its owner and criticality.",
  schema: z.object({ service: z.string().min(1).max(200).describe("exact service name") }),
  title: ({ service }) => `Who depends on ${service}?`,
  async run({ service: name }, session, signal) {
    const service = await knownService(name, session);
    const [graph, catalog] = await Promise.all([serviceGraph(session, signal), session.deps.catalog()]);
    const upstream = reachable(graph, service, "callers");
    const downstream = reachable(graph, service, "callees");
    const entry = catalog.find(({ name: one }) => one === service) ?? null;
    const list = (names: readonly string[]) => (names.length > 0 ? names.slice(0, 15).join(", ") : "none");
    return {
      evidence: {
        title: `${service}: dependencies`,
        summary: [
          `${service} is called by ${list(upstream)}; it calls ${list(downstream)}.`,
          entry
            ? `Owner ${entry.owner}, tier ${entry.tier ?? "unknown"}: ${cleanUntrusted(entry.description, 160).text}`
            : "Not in the catalogue.",
        ].join("\n"),
        facts: {
          service,
          upstream: upstream.length,
          downstream: downstream.length,
          owner: entry?.owner ?? null,
          tier: entry?.tier ?? null,
        },
        services: [service, ...upstream, ...downstream],
        link: lookAddress(`/services/${encodeURIComponent(service)}`, session.during),
        suspicious: false,
      },
      details: { kind: "dependencies", service, graph, upstream, downstream, entry },
    };
  },
});

/** Calls seen in traces before and during the incident, joined with what the catalogue declares. */
export async function serviceGraph(session: Session, signal: AbortSignal): Promise<ServiceGraph> {
  const { onset, now } = session.focus;
  const [seen, catalog] = await Promise.all([
    session.deps.traces
      .dependencies({ from: Math.min(onset, now) - 6 * HOUR, to: now }, signal)
      .catch((): readonly ServiceEdge[] => []),
    session.deps.catalog(),
  ]);
  const edges = new Map(seen.map((edge) => [`${edge.caller}\u0000${edge.callee}`, edge]));
  for (const { name, dependsOn } of catalog) {
    for (const callee of dependsOn) {
      const key = `${name}\u0000${callee}`;
      if (!edges.has(key)) edges.set(key, { caller: name, callee, calls: 0 });
    }
  }
  const all = [...edges.values()].filter(({ caller, callee }) => caller !== callee);
  return { nodes: [...new Set(all.flatMap(({ caller, callee }) => [caller, callee]))], edges: all };
}
