import type { Evidence } from "./evidence.ts";
import { reachableFrom, type Walkable } from "./graph.ts";

/**
 * Failures travel against the calls: errors logged, steps not taken and requests not served by a caller are expected when something that it
 * calls failed. Each service keeps of its evidence the part that its strongest failing callee, direct or indirect, does not account for.
 * After the explaining away of causes in noisy-or networks (Pearl, 1988), as used for services by Sherlock (Bahl et al., 2007).
 */
export function explainAway(evidence: readonly Evidence[], graph: Walkable, share: number): Evidence[] {
  const total = new Map<string, number>();
  for (const { service, weight } of evidence) total.set(service, (total.get(service) ?? 0) + weight);
  const factor = new Map<string, number>();
  for (const [service, own] of total) {
    let below = 0;
    for (const callee of reachableFrom(service, graph.callees))
      if (callee !== service) below = Math.max(below, total.get(callee) ?? 0);
    factor.set(service, own <= 0 ? 1 : 1 - share * Math.min(1, below / own));
  }
  return evidence.map((one) => ({ ...one, weight: one.weight * (factor.get(one.service) ?? 1) }));
}
