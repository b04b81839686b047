import type { ServiceName } from "./telemetry.ts";
import type { EpochMs } from "./time.ts";

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

export type AlertSeverity = "critical" | "warning" | "info";

/** What a person is woken for. Texts come from alerts: cleaned, and still untrusted. */
export interface Page {
  /** The same for everything about one incident, so that a page sent twice rings once. */
  readonly key: string;
  readonly incidentId: string;
  readonly investigationId: string | null;
  readonly summary: string;
  readonly reason: string;
  readonly severity: AlertSeverity;
  readonly service: ServiceName | null;
  readonly details: Readonly<Record<string, string>>;
  readonly at: EpochMs;
}

/** A way to reach people beyond the incident channel. */
export interface Pager {
  readonly name: string;
  /** @returns what the system calls it, for the record @throws when it cannot be told that it was sent */
  page(page: Page, people: readonly OnCallPerson[]): Promise<string>;
  /** It is over; a pager that has nothing to close does nothing. */
  resolve(page: Pick<Page, "key" | "incidentId" | "investigationId">): Promise<void>;
}
