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
  readonly severity: "critical" | "warning" | "info";
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
