import type { Risk, RiskLine, RiskTier } from "../domain/proposal.ts";
import { type CatalogEntry, reachable, type ServiceGraph } from "../domain/service.ts";
import type { Plan, Reversibility } from "./catalogue/action.ts";

export interface RiskInput {
  readonly plan: Plan;
  readonly reversibility: Reversibility;
  readonly graph: ServiceGraph;
  readonly catalog: readonly CatalogEntry[];
  /** Of the hypothesis behind it, 0 to 1; null when there is none. */
  readonly confidence: number | null;
  /** Other actions in flight. */
  readonly concurrent: number;
  /** Whether the environment serves customers, by policy. */
  readonly production: boolean;
  /** How such actions on these services ended before; null or absent when none ran. */
  readonly record?: PastRuns | null;
}

/** What earlier runs of an action add to its risk: −1 to +2 points, which never move production below T2. */
export interface PastRuns {
  readonly points: number;
  /** `4 of 5 runs helped`. */
  readonly words: string;
}

/** One service at its most critical, undone by a deploy, stays below; unknown or wide targets reach it. */
const WIDE = 11;

/**
 * Scores an action by code from what is known about its target; what is not known counts as bad. T4 for what cannot be undone; T3 for a
 * score of eleven or more; T2 for the rest of production; T1 for the rest.
 */
export function assessRisk(input: RiskInput): Risk {
  const { plan, graph, catalog } = input;
  const lines: RiskLine[] = [];
  const add = (factor: string, value: string, points: number) => lines.push({ factor, value, points });

  add("environment", plan.environment, input.production ? 2 : 0);
  add("way back", input.reversibility, { instant: 0, slow: 1, none: 10 }[input.reversibility]);
  const dependents = new Set(plan.services.flatMap((service) => reachable(graph, service, "callers")));
  if (plan.services.length === 0) add("services touched", "unknown", 2);
  else
    add(
      "dependents",
      dependents.size === 0 ? "none seen" : [...dependents].join(", "),
      dependents.size > 3 ? 2 : dependents.size > 0 ? 1 : 0,
    );
  const share = plan.trafficShare;
  add(
    "share of traffic",
    share === null ? "unknown" : `${(share * 100).toFixed(0)} %`,
    share === null || share > 0.5 ? 2 : share > 0.1 ? 1 : 0,
  );
  const tiers = plan.services.map((service) => catalog.find((entry) => entry.name === service)?.tier ?? null);
  const known = tiers.filter((tier) => tier !== null);
  // One unknown tier makes the whole unknown.
  const critical = known.length > 0 && known.length === tiers.length ? Math.min(...known) : null;
  add(
    "criticality",
    critical === null ? "unknown" : `tier ${critical}`,
    critical === null || critical === 1 ? 2 : critical === 2 ? 1 : 0,
  );
  const confidence = input.confidence;
  add(
    "confidence",
    confidence === null ? "unknown" : `${(confidence * 100).toFixed(0)} %`,
    confidence === null || confidence < 0.5 ? 2 : confidence < 0.75 ? 1 : 0,
  );
  if (input.record) add("track record", input.record.words, Math.max(-1, Math.min(2, input.record.points)));
  if (input.concurrent > 0) add("other actions in flight", String(input.concurrent), 2);

  const score = lines.reduce((sum, line) => sum + line.points, 0);
  const tier: RiskTier =
    input.reversibility === "none" ? "T4" : score >= WIDE ? "T3" : input.production || score >= 5 ? "T2" : "T1";
  return { tier, score, lines };
}
