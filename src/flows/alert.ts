import type { AlertSeverity } from "../domain/oncall.ts";
import type { Labels, ServiceName } from "../domain/telemetry.ts";
import type { EpochMs } from "../domain/time.ts";

/** An alert as somebody else's monitoring tells it. Its texts are cleaned, and still untrusted. Times are wall clock. */
export interface IncomingAlert {
  /** Who says so: `alertmanager`, `grafana`, `pagerduty`, `generic`. */
  readonly source: string;
  /** What is alerted on, stable from firing to resolved and unique within the source. */
  readonly fingerprint: string;
  readonly state: "firing" | "resolved";
  readonly title: string;
  readonly summary: string;
  /** Null when the alert does not say. */
  readonly service: ServiceName | null;
  readonly severity: AlertSeverity;
  readonly labels: Labels;
  readonly startsAt: EpochMs;
  readonly endsAt: EpochMs | null;
  readonly link: string | null;
}

/** Takes alerts in; what it took is durable when its promise resolves. */
export interface AlertIntake {
  /** @returns how many were news; the rest repeats what is known */
  take(alerts: readonly IncomingAlert[]): Promise<number>;
}

/** An alert with what became of it. The links are those of the newest episode that was dealt with. */
export interface AlertRecord extends IncomingAlert {
  readonly receivedAt: EpochMs;
  readonly incidentId: string | null;
  readonly investigationId: string | null;
  /** The anomaly of the incident that stands for it. */
  readonly anomalyId: string | null;
}

/** Where alerts are kept; every write is durable when its promise resolves. */
export interface AlertStore {
  /** Keeps what is news: a first firing, a new episode, an end. @returns how many were */
  receive(alerts: readonly IncomingAlert[], at: EpochMs): Promise<number>;
  /** What is still to be dealt with, oldest first. */
  pending(): Promise<AlertRecord[]>;
  /** Saves the links, and takes off the list what has not changed in the meantime. */
  settle(records: readonly AlertRecord[]): Promise<void>;
  firing(): Promise<AlertRecord[]>;
}
