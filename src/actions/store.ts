import type { Proposal, ProposalState } from "../domain/proposal.ts";
import type { EpochMs } from "../domain/time.ts";
import type { VerifierSnapshot } from "./verification-statistics.ts";

/** What is stored beside a proposal and never shown. */
export interface ProposalSecrets {
  readonly preState: string;
  readonly snapshot: string;
}

/** The write-ahead record of a run: written before the first byte goes out. */
export interface Execution {
  readonly proposalId: string;
  readonly idempotencyKey: string;
  /** Telemetry time at which the change was made, or null while that is not known. */
  readonly actedAt: EpochMs | null;
  /** Samples of the criterion's signal from before the action; empty without a criterion. */
  readonly baseline: readonly number[];
  readonly verifier: VerifierSnapshot | null;
  /** Telemetry time of the next sample to look at. */
  readonly nextSample: EpochMs | null;
}

export interface Decision {
  readonly user: string;
  readonly verdict: "approve" | "deny";
  readonly reason: string | null;
  readonly via: string;
  readonly at: EpochMs;
}

export interface AuditEntry {
  readonly actor: string;
  readonly kind: string;
  readonly subject: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface StoredProposal extends ProposalSecrets {
  readonly proposal: Proposal;
}

/** One test-traffic experiment; rows that are not `restored` are put back at the next start. */
export interface Experiment {
  readonly id: string;
  readonly flag: string;
  readonly snapshot: string;
  readonly state: "pinning" | "running" | "restored";
  /** Telemetry time of the switch for test traffic, and of putting it back; null until then. */
  readonly startedAt: EpochMs;
  readonly endedAt: EpochMs | null;
}

/**
 * Where proposals, executions, switches and the audit trail are kept. Every method is one transaction; a state change and its audit
 * entry stand or fall together. Two processes on one store are safe: the compare-and-set decides.
 */
export interface ProposalStore {
  nextProposalId(): Promise<string>;
  insert(stored: StoredProposal, audit: AuditEntry): Promise<void>;
  get(id: string): Promise<StoredProposal | null>;
  list(filter?: { states?: readonly ProposalState[]; investigationId?: string }): Promise<readonly Proposal[]>;

  /**
   * Records a decision on a pending proposal and moves it on: denied at once, approved when `needed` distinct people said yes.
   * Null when it was no longer pending at this revision, had expired, or this person had decided already.
   */
  decide(id: string, rev: number, decision: Decision, audit: AuditEntry): Promise<Proposal | null>;
  /** Approved → executing, taking the target's lock, unless stopped or expired. Returns why not, or null when claimed. */
  claim(id: string, execution: Execution, now: EpochMs, audit: AuditEntry): Promise<string | null>;
  /** Compare-and-set of the state; false when it had moved. Final states release the target's lock. */
  move(
    id: string,
    from: readonly ProposalState[],
    to: ProposalState,
    outcome: string | null,
    audit: AuditEntry,
  ): Promise<boolean>;
  execution(id: string): Promise<Execution | null>;
  saveExecution(execution: Execution): Promise<void>;
  /** Telemetry times and targets of executions since `since`, for the limits. */
  ranSince(since: EpochMs): Promise<readonly { readonly target: string; readonly at: EpochMs; readonly state: ProposalState }[]>;

  stopped(): Promise<{ readonly by: string; readonly reason: string } | null>;
  /** Switches everything off, cancels what is pending, and says which. */
  stop(by: string, reason: string, at: EpochMs): Promise<readonly string[]>;
  /** Adds one voice for going on; lifts the stop when `needed` distinct people have asked. Returns how many still lack. */
  resume(by: string, needed: number, at: EpochMs): Promise<number>;

  saveExperiment(experiment: Experiment, audit: AuditEntry): Promise<void>;
  openExperiments(): Promise<readonly Experiment[]>;
  /** Tests of a flag that were running at or after `since`. */
  experimentsOf(flag: string, since: EpochMs): Promise<readonly Experiment[]>;
  audit(entry: AuditEntry): Promise<void>;
}
