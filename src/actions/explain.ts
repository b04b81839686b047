import { type Proposal, type Risk, RUNNING } from "../domain/proposal.ts";
import { type ActionContext, stopReason } from "./context.ts";
import { checkArguments, dryRun } from "./file.ts";
import { COUNTED, limitReached } from "./limits.ts";
import { frozen, type Ruling } from "./ruling.ts";
import { weigh } from "./weigh.ts";

export interface Explanation {
  readonly action: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly target: string;
  readonly environment: string;
  readonly change: string;
  readonly undo: string;
  readonly stages: Proposal["stages"] | null;
  readonly risk: Risk;
  readonly ruling: Ruling;
  /** What stands in the way just now: a stop, a freeze, a limit. */
  readonly now: readonly string[];
}

export type Explained =
  | { readonly ok: true; readonly explanation: Explanation }
  | { readonly ok: false; readonly refusal: string };

/** Says of an action who would have to approve it and why, with a dry run against the target as it is; files and changes nothing. */
export async function explain(
  context: ActionContext,
  name: string,
  given: Readonly<Record<string, unknown>>,
  confidence: number | null,
): Promise<Explained> {
  const checked = checkArguments(context, name, given);
  if (!checked.ok) return checked;
  const { action, args } = checked;
  const planned = await dryRun(context, action, args);
  if (!planned.ok) return planned;
  const { plan, stages } = planned;
  const { policy, store, clock, verificationWindow } = context;
  const active = await store.list({ states: ["approved", ...RUNNING] });
  const weighed = await weigh(context, action, plan, { confidence, investigationId: null, watched: null });
  const { risk, ruling } = weighed(active.length);
  const now = clock.now();
  const inTheWay = [
    await stopReason(context),
    frozen(policy, plan, context.now()),
    limitReached(policy, await store.ranSince(now - COUNTED), plan, now, verificationWindow),
  ];
  return {
    ok: true,
    explanation: {
      action: action.name,
      args,
      target: plan.target,
      environment: plan.environment,
      change: `${plan.currentState} → ${plan.wantedState}`,
      undo: plan.undo,
      stages: stages ?? null,
      risk,
      ruling,
      now: inTheWay.filter((one) => one !== null),
    },
  };
}
