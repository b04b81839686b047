import type { ServiceEdge, ServiceName } from "./telemetry.ts";

/** How much it hurts when the service fails; 1 is customer-facing revenue, 4 is best effort. */
export type CriticalityTier = 1 | 2 | 3 | 4;

export interface CatalogEntry {
  readonly name: ServiceName;
  readonly description: string;
  readonly owner: string;
  readonly tier: CriticalityTier | null;
  readonly dependsOn: readonly ServiceName[];
}

/** Who calls whom. `edges` run from caller to callee, as requests do; blame runs the other way. */
export interface ServiceGraph {
  readonly nodes: readonly ServiceName[];
  readonly edges: readonly ServiceEdge[];
}

/** Services reachable from `start` against (callers) or along (callees) the calls, nearest first, without `start`. */
export function reachable(graph: ServiceGraph, start: ServiceName, towards: "callers" | "callees"): ServiceName[] {
  const next = new Map<ServiceName, ServiceName[]>();
  for (const { caller, callee } of graph.edges) {
    const [from, to] = towards === "callees" ? [caller, callee] : [callee, caller];
    const known = next.get(from);
    if (known) known.push(to);
    else next.set(from, [to]);
  }
  const seen = new Set<ServiceName>([start]);
  const queue = [start];
  for (const service of queue) {
    for (const neighbour of next.get(service) ?? []) {
      if (seen.has(neighbour)) continue;
      seen.add(neighbour);
      queue.push(neighbour);
    }
  }
  return queue.slice(1);
}
