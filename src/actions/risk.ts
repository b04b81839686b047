import type { Risk, RiskLine, RiskTier } from "../domain/proposal.ts";
import { type CatalogEntry, reachable, type ServiceGraph } from "../domain/service.ts";
import type { EpochMs } from "../domain/time.ts";
import type { Plan, Reversibility } from "./catalogue/action.ts";
import type { Policy } from "./policy.ts";
import { within } from "./ruling.ts";

export type Severity = "critical" | "warning" | "info";

export interface RiskInput {
  readonly plan: Plan;
  readonly reversibility: Reversibility;
  readonly graph: ServiceGraph;
  readonly catalog: readonly CatalogEntry[];
  /** Of the hypothesis behind it, 0 to 1; null when there is none. */
  readonly confidence: number | null;
  /** Of the incident; null when nobody has said. */
  readonly severity: Severity | null;
  /** Other actions in flight. */
  readonly concurrent: number;
  /** How such actions on these services ended before; null or absent when none ran. */
  readonly record?: PastRuns | null;
  readonly policy: Policy;
  /** Wall clock. */
  readonly at: EpochMs;
}

/** What earlier runs of an action add to its risk: −1 to +2 points, which never move production below T2. */
export interface PastRuns {
  readonly points: number;
  /** `4 of 5 runs helped`. */
  readonly words: string;
}

/** One service at its most critical, undone by a deploy at night, stays below; unknown or wide targets reach it. */
const WIDE = 13;
/** Outside production: more than a small, well understood change. */
const NOT_SMALL = 7;

/**
 * Scores an action by code from what is known about its target; each line says what it looked at. What is not known counts as worse than what is. T4 for
 * what cannot be undone; T3 from 13 points; T2 for the rest of production; T1 for the rest. Policy may raise the tier, never lower it.
 */
export function assessRisk(input: RiskInput): Risk {
  const { plan, policy } = input;
  const production = !policy.testEnvironments.includes(plan.environment);
  const lines = [
    line(
      "environment",
      `${plan.environment}${production && plan.environment !== "production" ? " (counts as production)" : ""}`,
      production ? 2 : 0,
    ),
    wayBack(input.reversibility),
    dependents(input),
    line(
      "share of traffic",
      plan.trafficShare === null ? "unknown" : percent(plan.trafficShare),
      above(plan.trafficShare, [0.1, 0.5]),
    ),
    line(
      "data of its own",
      plan.stateful === null ? "cannot be told" : plan.stateful ? "yes" : "no",
      plan.stateful === null ? 1 : plan.stateful ? 3 : 0,
    ),
    criticality(input),
    confidence(input.confidence),
    severity(input.severity),
    ...(input.record ? [line("track record", input.record.words, Math.max(-1, Math.min(2, input.record.points)))] : []),
    line("other actions in flight", String(input.concurrent), Math.min(4, 2 * input.concurrent)),
    timeOfDay(policy, input.at),
  ];
  const score = lines.reduce((sum, { points }) => sum + points, 0);
  const tier: RiskTier =
    input.reversibility === "none" ? "T4" : score >= WIDE ? "T3" : production || score >= NOT_SMALL ? "T2" : "T1";
  return { tier, score, lines };
}

const line = (factor: string, value: string, points: number): RiskLine => ({ factor, value, points });

const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;

/** 0, 1 or 2 by the steps; 2 when it is not known. */
const above = (value: number | null, [some, much]: readonly [number, number]): number =>
  value === null || value > much ? 2 : value > some ? 1 : 0;

function wayBack(reversibility: Reversibility): RiskLine {
  const [value, points] = (
    {
      instant: ["at once", 0],
      slow: ["takes a while", 1],
      itself: ["changes nothing that lasts", 1],
      none: ["none", 10],
    } as const
  )[reversibility];
  return line("way back", value, points);
}

/** Who calls what is touched, and so may feel it. A service that no call was ever seen of is not known to be harmless. */
function dependents({ plan, graph }: RiskInput): RiskLine {
  if (plan.services.length === 0) return line("dependents", "unknown: nobody says which services it touches", 3);
  const strangers = plan.services.filter((service) => !graph.nodes.includes(service));
  if (strangers.length > 0) return line("dependents", `unknown: ${strangers.join(", ")} is not in the service graph`, 3);
  const callers = [...new Set(plan.services.flatMap((service) => reachable(graph, service, "callers")))];
  return line("dependents", callers.join(", ") || "none seen", callers.length > 3 ? 2 : callers.length > 0 ? 1 : 0);
}

function criticality({ plan, catalog }: RiskInput): RiskLine {
  const tiers = plan.services.map((service) => catalog.find((entry) => entry.name === service)?.tier ?? null);
  const known = tiers.filter((tier) => tier !== null);
  // One unknown tier makes the whole unknown.
  const worst = known.length > 0 && known.length === tiers.length ? Math.min(...known) : null;
  return line(
    "criticality",
    worst === null ? "unknown" : `tier ${worst}`,
    worst === null ? 3 : worst === 1 ? 2 : worst === 2 ? 1 : 0,
  );
}

function confidence(value: number | null): RiskLine {
  const points = value === null || value < 0.5 ? 2 : value < 0.75 ? 1 : 0;
  return line("confidence", value === null ? "unknown" : percent(value), points);
}

/** In the worst trouble there is the least room for one more mistake. */
function severity(value: Severity | null): RiskLine {
  return line("severity of the incident", value ?? "unknown", value === "critical" || value === null ? 1 : 0);
}

function timeOfDay({ workingHours }: Policy, at: EpochMs): RiskLine {
  if (!workingHours) return line("time", "working hours are not configured", 1);
  const inside = within(workingHours, at);
  return line("time", inside ? "in working hours" : "outside working hours: fewer people are there", inside ? 0 : 1);
}
