import type { ServiceName } from "../domain/telemetry.ts";

/** A share of traffic, told apart by the attribute `traffic.cohort` on requests and by the same key in the flag's evaluation context. */
export type Cohort = "test" | "live";

export interface FlagState {
  readonly key: string;
  readonly description: string;
  /** False when the flag is switched off for everybody. */
  readonly enabled: boolean;
  /** Share of all traffic that gets the new behaviour, 0 to 100. */
  readonly percent: number;
  /** Cohorts that are pinned to off by a causal test, whatever `percent` says. */
  readonly pinnedOff: readonly Cohort[];
  /** Services known to read the flag; empty when the provider does not say. */
  readonly services: readonly ServiceName[];
  /** Opaque fingerprint of this flag's whole definition; equal fingerprints mean equal behaviour. */
  readonly fingerprint: string;
}

/**
 * Acts on feature flags. Every write is atomic, keeps the rest of the file or project as it is, and records `actor` and `reason`
 * where the provider can. Writes with an `expected` fingerprint that no longer holds reject with `StateMovedError`.
 */
export interface FlagProvider {
  readonly environment: string;
  list(): Promise<readonly FlagState[]>;
  get(key: string): Promise<FlagState | null>;
  setPercent(key: string, percent: number, write: WriteContext): Promise<FlagState>;
  setEnabled(key: string, enabled: boolean, write: WriteContext): Promise<FlagState>;
  /** Pins a cohort to off (`true`) or lets it follow the flag again (`false`). */
  pinCohort(key: string, cohort: Cohort, pinned: boolean, write: WriteContext): Promise<FlagState>;
  /** Opaque snapshot that `restore` puts back exactly. */
  snapshot(key: string): Promise<string>;
  restore(key: string, snapshot: string, write: WriteContext): Promise<FlagState>;
}

export interface DeployState {
  readonly service: ServiceName;
  readonly environment: string;
  readonly version: string;
  /** The version that ran before this one, or null when there is none to go back to. */
  readonly previousVersion: string | null;
  /** What put this version there, for instance a commit hash. */
  readonly reference: string;
  /** True while a change is accepted but not live yet: a pull request waits, or a sync or roll-out is under way. */
  readonly settling?: boolean;
  readonly fingerprint: string;
}

/** Acts on deployed versions. */
export interface DeployTarget {
  readonly environment: string;
  list(): Promise<readonly DeployState[]>;
  get(service: ServiceName): Promise<DeployState | null>;
  /** Undoes the change that put the current version there, leaving a record (a revert commit). */
  rollBack(service: ServiceName, write: WriteContext): Promise<DeployState>;
  /** Puts a version back, used to undo a rollback. */
  setVersion(service: ServiceName, version: string, write: WriteContext): Promise<DeployState>;
}

export interface WorkloadState {
  readonly service: ServiceName;
  readonly environment: string;
  /** Copies that shall run. */
  readonly replicas: number;
  /** Copies that run and take traffic now. */
  readonly ready: number;
  /** True while copies are being replaced or added: what was asked for is accepted but not all there yet. */
  readonly settling: boolean;
  /** Whether copies keep data of their own, so that stopping one costs more than its share of traffic; null when that cannot be told. */
  readonly stateful: boolean | null;
  /** What the platform allows, for instance an autoscaler's bounds; null when it sets none. */
  readonly bounds: { readonly min: number; readonly max: number } | null;
  /** Changes with every restart, for instance the time of the last one; null before the first. */
  readonly restartMark: string | null;
  /** Of what is wanted (replicas, version, restart mark), not of what is ready: it holds still while copies come and go by themselves. */
  readonly fingerprint: string;
}

/** Acts on running copies of services. Writes with an `expected` fingerprint that no longer holds reject with `StateMovedError`. */
export interface WorkloadTarget {
  readonly environment: string;
  list(): Promise<readonly WorkloadState[]>;
  get(service: ServiceName): Promise<WorkloadState | null>;
  /** Replaces the copies a few at a time, same version, same number. Returns once it is accepted, not once all are ready. */
  restart(service: ServiceName, write: WriteContext): Promise<WorkloadState>;
  /** Sets the wanted number of copies, at least 1. Returns once it is accepted, not once all are ready. */
  scale(service: ServiceName, replicas: number, write: WriteContext): Promise<WorkloadState>;
}

/**
 * How a write is told apart from others. An adapter gives up after a time-out of its own and then throws a `TargetError` with
 * `outcomeUnknown`; who calls it has a time-out besides, and reads the target back whenever the outcome is unknown.
 */
export interface WriteContext {
  /** Appears in the provider's history, for instance `vigil (approved by maya)`. */
  readonly actor: string;
  readonly reason: string;
  /** The same key never changes anything twice. */
  readonly idempotencyKey: string;
  /** Fingerprint that must still hold, or null when the write does not depend on it. */
  readonly expected: string | null;
}

/** The target is not as it was when the action was decided. */
export class StateMovedError extends Error {
  override readonly name = "StateMovedError";
}

/** The target could not be read or written; whether a write took effect may be unknown. */
export class TargetError extends Error {
  override readonly name = "TargetError";
  readonly outcomeUnknown: boolean;
  constructor(message: string, options: { outcomeUnknown: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.outcomeUnknown = options.outcomeUnknown;
  }
}
