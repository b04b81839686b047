import type { Proposal } from "../domain/proposal.ts";
import type { CatalogEntry, ServiceGraph } from "../domain/service.ts";
import type { MetricSource, ServiceName } from "../domain/telemetry.ts";
import type { Clock, EpochMs, Milliseconds } from "../domain/time.ts";
import type { Action } from "./catalogue/action.ts";
import { withDeadline } from "./deadline.ts";
import type { HeldBack } from "./limits.ts";
import type { Policy } from "./policy.ts";
import type { FlagProvider } from "./ports.ts";
import type { PastRuns, Severity } from "./risk.ts";
import type { ExperimentStore, ProposalStore, SwitchStore } from "./store.ts";

/** A person as the gate knows them: `surface:id`. */
export type Actor = string;

/** The steps between which a process may die. Named so that a test can make it die there. */
export type Checkpoint =
  | "decided"
  | "checked"
  | "claimed"
  | "sent"
  | "read-back"
  | "verifying"
  | "sampled"
  | "undo-claimed"
  | "undo-sent"
  | "undo-read-back"
  | "undone"
  | "undo-sampled"
  | "ended"
  | "experiment-begun"
  | "pinned"
  | "unpinning"
  | "unpinned";

/** What the parts of `actions/` share; handed in once, at the start. */
export interface ActionContext {
  readonly store: ProposalStore;
  readonly switches: SwitchStore;
  readonly experiments: ExperimentStore;
  /** This process among several on one store; the same after a restart where there is only one. */
  readonly holder: string;
  readonly catalogue: readonly Action[];
  /** Null when no flag provider is configured. */
  readonly flags: FlagProvider | null;
  readonly metrics: MetricSource;
  readonly policy: Policy;
  readonly graph: () => Promise<ServiceGraph>;
  readonly catalog: () => Promise<readonly CatalogEntry[]>;
  /** How bad the incident behind an investigation is; null when that is not known. */
  readonly severityOf: (investigationId: string | null) => Promise<Severity | null>;
  /** Whether this person may approve this now; null asks for no proposal in particular (to resume). An error or a time-out counts as no. */
  readonly isApprover: (actor: Actor, proposal: Proposal | null) => Promise<boolean>;
  /** Why people have switched everything off outside the database, by file or environment; null when they have not. */
  readonly stoppedOutside: () => string | null;
  /** Calls people: something stands changed, and Vigil does nothing more about it. */
  readonly page: (proposal: Proposal, why: string) => Promise<void>;
  /** Told of a sound wish that got no card, since there are too many. */
  readonly heldBack: (wish: HeldBack) => Promise<void>;
  /** Telemetry time: baselines, verification windows, limits. */
  readonly clock: Clock;
  /** Wall clock: approvals and expiries. */
  readonly now: () => EpochMs;
  readonly key: Buffer;
  readonly step: Milliseconds;
  readonly approvalTtl: Milliseconds;
  readonly verificationWindow: Milliseconds;
  readonly causalWindow: Milliseconds;
  /** Wall clock that reading a target may take. */
  readonly targetTimeout: Milliseconds;
  /** Wall clock that changing one may take. */
  readonly writeTimeout: Milliseconds;
  readonly changed: (proposal: Proposal) => void;
  /** What earlier runs of an action on services taught; null or absent when nothing. */
  readonly record?: (action: string, services: readonly ServiceName[]) => PastRuns | null;
  /** Waits for so long (wall clock). */
  readonly pause: (time: Milliseconds) => Promise<void>;
  /** Called between the steps of everything that must survive a crash. */
  readonly checkpoint: (point: Checkpoint) => Promise<void>;
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
export async function stopReason(context: Pick<ActionContext, "stoppedOutside" | "switches">): Promise<string | null> {
  return stopWords(context.stoppedOutside(), await context.switches.stopped());
}

export function stopWords(
  outside: string | null,
  stopped: { readonly by: string; readonly reason: string } | null,
): string | null {
  return outside ?? (stopped ? `stopped by ${stopped.by}: ${stopped.reason}` : null);
}

/** Asks the people directory, which may be slow or down. @throws then */
export const mayApprove = (context: ActionContext, actor: Actor, proposal: Proposal | null): Promise<boolean> =>
  withDeadline(context.isApprover(actor, proposal), context.targetTimeout, "The lookup of approvers", "read");

export const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
