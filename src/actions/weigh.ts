import type { Risk } from "../domain/proposal.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import type { Action, Plan } from "./catalogue/action.ts";
import type { ActionContext } from "./context.ts";
import { assessRisk } from "./risk.ts";
import { type Ruling, rule } from "./ruling.ts";

/** What is known about an action besides its plan. */
export interface Backing {
  /** Of the hypothesis behind it, 0 to 1; null when nobody said. */
  readonly confidence: number | null;
  readonly investigationId: string | null;
  /** Service whose signal shall show success; null when nobody said. */
  readonly watched: ServiceName | null;
}

/** Gathers what risk is judged by; the judgement itself then needs only how many other actions are in flight. */
export async function weigh(
  context: ActionContext,
  action: Action,
  plan: Plan,
  { confidence, investigationId, watched }: Backing,
): Promise<(concurrent: number) => { readonly risk: Risk; readonly ruling: Ruling }> {
  const { policy } = context;
  const [graph, catalog, severity] = await Promise.all([context.graph(), context.catalog(), context.severityOf(investigationId)]);
  const record = context.record?.(action.name, [...plan.services, ...(watched === null ? [] : [watched])]) ?? null;
  const { reversibility } = action;
  return (concurrent) => {
    const at = context.now();
    const risk = assessRisk({ plan, reversibility, graph, catalog, confidence, severity, concurrent, policy, at, record });
    return { risk, ruling: rule(policy, { action: action.name, ...plan }, risk) };
  };
}
