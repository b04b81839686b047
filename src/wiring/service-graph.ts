import type { CatalogEntry, ServiceGraph } from "../domain/service.ts";
import { SourceError } from "../domain/telemetry.ts";
import { type Clock, DAY, MINUTE, SECOND } from "../domain/time.ts";
import type { Telemetry } from "./telemetry.ts";

const GRAPH_AGE = 30 * SECOND;

/** A backend that is down makes the graph smaller, not the caller fail. */
const unreadable =
  <T>(instead: T) =>
  (error: unknown): T => {
    if (error instanceof SourceError) return instead;
    throw error;
  };

/** The service graph: calls seen in traces within a day, and what the catalog declares. Kept for half a minute. */
export function graphReader(
  telemetry: Telemetry,
  catalog: () => Promise<readonly CatalogEntry[]>,
  clock: Clock,
): () => Promise<ServiceGraph> {
  let kept: { readonly at: number; readonly graph: Promise<ServiceGraph> } | null = null;
  const read = async (): Promise<ServiceGraph> => {
    const now = clock.now();
    const [seen, declared, services] = await Promise.all([
      telemetry.traces.dependencies({ from: now - DAY, to: now + MINUTE }).catch(unreadable([])),
      catalog(),
      telemetry.metrics.services().catch(unreadable([])),
    ]);
    const known = new Set(services);
    const edges = [...seen];
    for (const { name, dependsOn } of declared) {
      for (const callee of dependsOn) {
        const both = known.has(name) && known.has(callee);
        if (both && !edges.some((edge) => edge.caller === name && edge.callee === callee))
          edges.push({ caller: name, callee, calls: 0 });
      }
    }
    const nodes = [...new Set([...services, ...edges.flatMap(({ caller, callee }) => [caller, callee])])].sort();
    return { nodes, edges };
  };
  return () => {
    if (!kept || Date.now() - kept.at > GRAPH_AGE) kept = { at: Date.now(), graph: read() };
    return kept.graph;
  };
}
