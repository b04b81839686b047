import type { Proposal } from "../domain/proposal.ts";
import type { CatalogEntry, ServiceGraph } from "../domain/service.ts";
import type { MetricSource, ServiceName } from "../domain/telemetry.ts";
import type { Clock, EpochMs, Milliseconds } from "../domain/time.ts";
import type { Action } from "./catalogue/action.ts";
import type { Policy } from "./policy.ts";
import type { FlagProvider } from "./ports.ts";
import type { PastRuns } from "./risk.ts";
import type { ProposalStore } from "./store.ts";

/** A person as the gate knows them: `surface:id`. */
export type Actor = string;

/** What the parts of `actions/` share; handed in once, at the start. */
export interface ActionContext {
  readonly store: ProposalStore;
  readonly catalogue: readonly Action[];
  /** Null when no flag provider is configured. */
  readonly flags: FlagProvider | null;
  readonly metrics: MetricSource;
  readonly policy: Policy;
  readonly graph: () => Promise<ServiceGraph>;
  readonly catalog: () => Promise<readonly CatalogEntry[]>;
  /** Whether this person may approve this now; null asks for no proposal in particular (to resume). An error or a time-out counts as no. */
  readonly isApprover: (actor: Actor, proposal: Proposal | null) => Promise<boolean>;
  /** True when people have switched everything off outside the database: by file or environment. */
  readonly stoppedOutside: () => string | null;
  /** Telemetry time: baselines, verification windows, limits. */
  readonly clock: Clock;
  /** Wall clock: approvals and expiries. */
  readonly now: () => EpochMs;
  readonly key: Buffer;
  readonly step: Milliseconds;
  readonly approvalTtl: Milliseconds;
  readonly verificationWindow: Milliseconds;
  readonly causalWindow: Milliseconds;
  readonly changed: (proposal: Proposal) => void;
  /** What earlier runs of an action on services taught; null or absent when nothing. */
  readonly record?: (action: string, services: readonly ServiceName[]) => PastRuns | null;
  readonly log: ActionLog;
}

export interface ActionLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export function actionNamed(context: ActionContext, name: string): Action | null {
  return context.catalogue.find((action) => action.name === name) ?? null;
}

/** Why nothing may run now, or null. Read again wherever something is about to run. */
export async function stopReason(context: ActionContext): Promise<string | null> {
  const outside = context.stoppedOutside();
  if (outside) return outside;
  const stopped = await context.store.stopped();
  return stopped ? `stopped by ${stopped.by}: ${stopped.reason}` : null;
}
