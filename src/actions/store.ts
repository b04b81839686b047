import type { Proposal, ProposalState } from "../domain/proposal.ts";
import type { EpochMs, Milliseconds } from "../domain/time.ts";
import type { Run } from "./limits.ts";
import type { Reference } from "./verification/reference.ts";
import type { VerifierSnapshot } from "./verification/verifier.ts";

/** What is stored beside a proposal and never shown. */
export interface ProposalSecrets {
  readonly preState: string;
  readonly snapshot: string;
}

export interface StoredProposal extends ProposalSecrets {
  readonly proposal: Proposal;
}

/** The write-ahead record of a run: written before the first byte goes out. */
export interface Execution {
  readonly proposalId: string;
  /** Of the stage that is being sent; the same key never changes anything twice. */
  readonly idempotencyKey: string;
  /** The process that sends it. */
  readonly holder: string;
  /** Wall clock after which no write of that process can still be under way. */
  readonly sentBy: EpochMs;
  /** Wall clock after which the target must have settled. */
  readonly settledBy: EpochMs;
  /** Index of the stage that is being sent or watched. */
  readonly stage: number;
  /** Fingerprint that the write of this stage depends on: the target as it was before it. */
  readonly expected: string;
  /** Fingerprint after the write, once it was read back; null until then. */
  readonly standing: string | null;
  /** What went wrong with the send, when its outcome is not known; null while nothing did. */
  readonly trouble: string | null;
  /** The undo was accepted and is on its way: it is waited for, not sent again. */
  readonly undoSent: boolean;
  /** Telemetry time at which the change was made, or null while that is not known. */
  readonly actedAt: EpochMs | null;
  /** What the criterion's signal was like before the first stage; null without a criterion, or when nobody could tell. */
  readonly reference: Reference | null;
  /** Of what is being watched now: the change, or after it the undoing. */
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

/** What is true at the moment of a filing, read in its transaction. */
export interface FilingFacts {
  readonly stopped: Stop | null;
  /** Neither decided nor ended. */
  readonly active: readonly Proposal[];
  readonly filedSince: number;
  /** Targets on which a causal test is open: they do not stand as they will. */
  readonly tested: readonly string[];
}

/** What is true at the moment of a claim, read in its transaction. */
export interface ClaimFacts {
  readonly stored: StoredProposal;
  readonly execution: Execution | null;
  readonly stopped: Stop | null;
  /** Other proposal or causal test that has the target's lock. */
  readonly heldBy: string | null;
  readonly runs: readonly Run[];
}

export interface Stop {
  readonly by: string;
  readonly reason: string;
}

/** A judgement over facts: go on with `value`, or not, and why. Runs inside the transaction, so it must be quick and without effects. */
export type Judged<T, Refusal> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

export interface ClaimRefusal {
  readonly to: ProposalState;
  readonly why: string;
}

/**
 * Where proposals and executions are kept. Every method is one transaction that nobody else's writes come between; a state change and its
 * audit entry stand or fall together. Several processes on one store are safe: the compare-and-set decides.
 */
export interface ProposalStore {
  nextProposalId(): Promise<string>;
  /** Files a proposal if the judge, knowing all others, agrees. `since`: wall clock from which filings are counted. */
  file<Refusal>(
    since: EpochMs,
    judge: (facts: FilingFacts) => Judged<StoredProposal, Refusal>,
    audit: (stored: StoredProposal) => AuditEntry,
  ): Promise<Judged<StoredProposal, Refusal>>;
  get(id: string): Promise<StoredProposal | null>;
  list(filter?: { states?: readonly ProposalState[]; investigationId?: string }): Promise<readonly Proposal[]>;

  /**
   * Records a decision if the judge agrees, and moves the proposal on: denied at once, approved when `neededApprovals` distinct people said
   * yes. Null when it is not there.
   */
  decide(
    id: string,
    judge: (facts: { readonly stored: StoredProposal; readonly stopped: Stop | null }) => Judged<Decision, string>,
    audit: (decision: Decision) => AuditEntry,
  ): Promise<Judged<Proposal, string> | null>;
  /**
   * Takes a proposal from `from` to `executing` with the write-ahead record that the judge returns, and the target's lock.
   *
   * @param since telemetry time from which runs are told to the judge
   * @returns null when it was not in `from`
   */
  claim(
    id: string,
    from: ProposalState,
    since: EpochMs,
    judge: (facts: ClaimFacts) => Judged<Execution, ClaimRefusal>,
    claimedAt: EpochMs,
    audit: (execution: Execution) => AuditEntry,
  ): Promise<Judged<Execution, ClaimRefusal> | null>;
  /**
   * Compare-and-set of the state, with the execution's record when one is given; false when the state had moved. Final states release the
   * target's lock; those that people must hear of make it `untold`.
   */
  move(
    id: string,
    from: readonly ProposalState[],
    to: ProposalState,
    outcome: string | null,
    audit: AuditEntry,
    execution?: Execution,
  ): Promise<boolean>;
  /** Ended in a way that people must hear of, and nobody was told yet. */
  untold(): Promise<readonly Proposal[]>;
  told(id: string): Promise<void>;
  execution(id: string): Promise<Execution | null>;
  /** Saves progress within a state; false when the state had moved. */
  saveExecution(execution: Execution, state: ProposalState): Promise<boolean>;
  /** Executions since a telemetry time, oldest first. */
  ranSince(since: EpochMs): Promise<readonly Run[]>;
  audit(entry: AuditEntry): Promise<void>;
}

/** The kill switch, and who looks after what is in flight. */
export interface SwitchStore {
  stopped(): Promise<Stop | null>;
  /** Switches everything off, cancels what is pending or approved, and says which. */
  stop(by: string, reason: string, at: EpochMs): Promise<readonly string[]>;
  /** Adds one voice for going on; lifts the stop when `needed` distinct people have asked. Returns how many still lack. */
  resume(by: string, needed: number, at: EpochMs): Promise<number>;
  /** Takes or renews a lease; false while another holder's has not run out. */
  lease(name: string, holder: string, now: EpochMs, term: Milliseconds): Promise<boolean>;
}

/** One test-traffic experiment; until it is `restored` it holds the flag's lock. */
export interface Experiment {
  readonly id: string;
  readonly flag: string;
  readonly snapshot: string;
  /** `ending`: running, and asked to end early. */
  readonly state: "pinning" | "running" | "ending" | "restored";
  /** The process that runs it. */
  readonly holder: string;
  /** Wall clock after which a pin that was sent can no longer arrive. */
  readonly pinnedBy: EpochMs;
  /** Wall clock after which somebody else puts it back. */
  readonly restoreBy: EpochMs;
  /** Telemetry time of the switch for test traffic, and of putting it back; null until then. */
  readonly startedAt: EpochMs;
  readonly endedAt: EpochMs | null;
}

export interface ExperimentStore {
  /** Begins one if nothing is stopped, none is open, and no proposal for the flag is undecided or in flight; else says what is in the way. */
  begin(experiment: Experiment, audit: AuditEntry): Promise<string | null>;
  save(experiment: Experiment, audit: AuditEntry): Promise<void>;
  /**
   * Asks the open test of a target to end, wherever it runs; false when there is none.
   *
   * @param restoreBy wall clock after which somebody else puts it back
   */
  giveWay(target: string, restoreBy: EpochMs): Promise<boolean>;
  /** Whether a test was asked to end. */
  ending(id: string): Promise<boolean>;
  open(): Promise<readonly Experiment[]>;
  /** Tests that were put back at or after a telemetry time. */
  restoredSince(since: EpochMs): Promise<readonly Experiment[]>;
  /** Tests of a flag that were running at or after `since`. */
  of(flag: string, since: EpochMs): Promise<readonly Experiment[]>;
}
