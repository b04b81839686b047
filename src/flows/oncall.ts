import type { ServiceName } from "../domain/telemetry.ts";
import type { EpochMs } from "../domain/time.ts";

/** Somebody who is on call. */
export interface OnCallPerson {
  readonly name: string;
  /** The schedule or escalation policy that says so. */
  readonly schedule: string;
  /** When the duty ends, or null when it does not. */
  readonly until: EpochMs | null;
  readonly email: string | null;
  /** Their id in Slack, for a mention that reaches them. */
  readonly slackId: string | null;
  /** 1 is called first. */
  readonly level: number;
}

/** Says who is on call. Times are wall clock. */
export interface OnCallSource {
  /** Who is on call for a service, first to be called first; for null, over all services. @throws SourceError */
  onCall(service: ServiceName | null, at: EpochMs): Promise<readonly OnCallPerson[]>;
}
