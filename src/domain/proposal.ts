import type { RedSignal, ServiceName } from "./telemetry.ts";
import type { EpochMs, Milliseconds } from "./time.ts";

/** T0 reads, T1 small and reversible, T2 production and reversible, T3 wide or slow to undo, T4 irreversible (refused in chat). */
export type RiskTier = "T0" | "T1" | "T2" | "T3" | "T4";

export interface RiskLine {
  readonly factor: string;
  readonly value: string;
  readonly points: number;
}

export interface Risk {
  readonly tier: RiskTier;
  readonly score: number;
  /** The score explained, line by line. */
  readonly lines: readonly RiskLine[];
}

/** One of several steps in which an action runs; the last is the whole. */
export interface ProposalStage {
  readonly args: Readonly<Record<string, unknown>>;
  /** The state it leaves the target in, in words. */
  readonly state: string;
}

/** What must be seen for the action to count as a success. Fixed when the proposal is filed, before any click. */
export interface VerificationCriterion {
  readonly service: ServiceName;
  readonly signal: RedSignal;
  readonly direction: "down" | "up";
  /** Relative change against the baseline taken just before the action that counts as success, for instance 0.05. */
  readonly minimumEffect: number;
  /** Telemetry time to watch before judging. */
  readonly window: Milliseconds;
  /** Telemetry time since which the signal is off; the baseline is not taken from before it. Null when that is not known. */
  readonly baselineFrom: EpochMs | null;
}

/** A wish for an action, before the catalogue and the policy have looked at it. */
export interface ProposalRequest {
  readonly action: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly reason: string;
  readonly expectedEffect: string;
  /** What should get better, and which way; the desk fixes window and minimum effect. */
  readonly watch: {
    readonly service: ServiceName;
    readonly signal: RedSignal;
    readonly direction: "down" | "up";
    /** Telemetry time since which the signal is off: the baseline of the verification is not taken from before it. */
    readonly since?: EpochMs | null;
  } | null;
  /** Of the hypothesis that it rests on, 0 to 1; null when a person asked for it without one. */
  readonly confidence: number | null;
  /** Null when it belongs to none: its card then stands alone. */
  readonly investigationId: string | null;
  readonly requester: string;
}

export type ProposalState =
  | "draft"
  | "pending"
  | "approved"
  | "executing"
  | "verifying"
  | "verified"
  | "denied"
  | "expired"
  | "cancelled"
  | "superseded"
  | "stale"
  | "unknown"
  | "rolling_back"
  /** Put back and read back; being watched whether the signal is no worse than before the action. */
  | "undone"
  | "rolled_back"
  | "rollback_failed"
  | "failed";

/** One person's yes. */
export interface Approval {
  /** `surface:id` */
  readonly user: string;
  readonly at: EpochMs;
  /** Why, in their words, cleaned and in one line; null or absent where they said nothing. */
  readonly reason?: string | null;
}

/** Characters (code points) of what a person says about a decision. */
export const LONGEST_REASON = 500;

export interface Proposal {
  readonly id: string;
  readonly rev: number;
  readonly state: ProposalState;
  /** Name in the catalogue, for instance `toggle_feature_flag`. */
  readonly action: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** What is acted upon, `flag:new-cache-key` or `service:checkout`: one execution in flight for each. */
  readonly target: string;
  readonly environment: string;
  /** Services whose behaviour it changes, as far as is known. */
  readonly services?: readonly ServiceName[];
  /** Absent: it runs at once. Otherwise each is watched before the next begins. */
  readonly stages?: readonly ProposalStage[];
  /** Of the hypothesis behind it, 0 to 1; null when nobody said. */
  readonly confidence?: number | null;
  readonly risk: Risk;
  /** One line from the bytes that will run: current state → wanted state. */
  readonly summary: string;
  readonly currentState: string;
  readonly wantedState: string;
  readonly undo: string;
  readonly reason: string;
  readonly expectedEffect: string;
  readonly criterion: VerificationCriterion | null;
  /** sha256 of the canonical JSON of everything that the approval binds. */
  readonly digest: string;
  readonly requester: string;
  readonly investigationId: string | null;
  readonly neededApprovals: number;
  /** Whether each approval must say why; absent means no. */
  readonly reasonNeeded?: boolean;
  readonly approvals: readonly Approval[];
  /** Wall clock. */
  readonly createdAt: EpochMs;
  readonly expiresAt: EpochMs;
  /** What happened last, in a sentence: a verification result, a refusal, a rollback. */
  readonly outcome: string | null;
}

/** States in which something was sent and is looked after. */
export const RUNNING: ReadonlySet<ProposalState> = new Set(["executing", "verifying", "rolling_back", "undone"]);

/** States that go on by themselves, or by a click. */
export const IN_FLIGHT: readonly ProposalState[] = ["pending", "approved", ...RUNNING];

/** States in which nothing has run, for a reason that may be gone: people may have it proposed anew. */
export const ASKED_ANEW: ReadonlySet<ProposalState> = new Set(["expired", "cancelled", "stale", "failed"]);

/** States that people must hear of: something stands changed or unclear, and nothing more is done about it. */
export const NEEDS_PEOPLE: ReadonlySet<ProposalState> = new Set(["unknown", "rollback_failed"]);

/** States from which nothing more happens by itself. */
export const FINAL_STATES: ReadonlySet<ProposalState> = new Set([
  "verified",
  "denied",
  "expired",
  "cancelled",
  "superseded",
  "stale",
  "unknown",
  "rolled_back",
  "rollback_failed",
  "failed",
]);
