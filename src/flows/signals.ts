import type { RedSignal } from "../domain/telemetry.ts";
import type { EpochMs } from "../domain/time.ts";

const names: Readonly<Record<RedSignal, string>> = {
  rate: "request rate",
  errors: "error share",
  latency: "latency",
  latency_p95: "95th percentile latency",
};

/** A RED signal in words. */
export const signalName = (signal: RedSignal): string => names[signal];

/** Unit of a RED signal as OpenTelemetry writes it. */
export const unitOf = (signal: RedSignal): string => (signal === "rate" ? "{request}/s" : signal === "errors" ? "1" : "s");

/** Hours and minutes in UTC, for instance `02:47`. */
export const clockTime = (at: EpochMs): string => new Date(at).toISOString().slice(11, 16);
