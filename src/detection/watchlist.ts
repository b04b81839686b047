import type { RedSignal, ServiceName } from "../domain/telemetry.ts";
import type { Milliseconds } from "../domain/time.ts";
import type { DetectorOptions, SeriesKind } from "./types.ts";

/** A series worth watching and how. */
export interface WatchedSignal {
  readonly service: ServiceName;
  readonly signal: RedSignal;
  /** Latency and failures hurt upwards; traffic is unusual either way. */
  readonly harmful: "up" | "down" | "both";
  readonly detector: DetectorOptions;
}

/** The mean latency moves with every request and finds small shifts; the 95th percentile repeats it with more noise, so it is left to diagnosis. */
const SIGNALS: readonly { readonly signal: RedSignal; readonly kind: SeriesKind; readonly harmful: "up" | "both" }[] = [
  { signal: "latency", kind: "latency", harmful: "up" },
  { signal: "errors", kind: "ratio", harmful: "up" },
  { signal: "rate", kind: "rate", harmful: "both" },
];

/**
 * Which RED signals of which services to watch. The team's false alarms per week are divided evenly over all series, so that adding
 * services does not add noise: expected false alarms add up, whatever the series have in common (Bonferroni 1936, for rates). `besides` other things share the budget.
 */
export function watchlist(
  services: readonly ServiceName[],
  options: {
    readonly step: Milliseconds;
    readonly falseAlarmsPerWeek: number;
    readonly besides?: number;
    readonly holidays?: readonly string[];
  },
): readonly WatchedSignal[] {
  const share = shareOf(options.falseAlarmsPerWeek, services.length, options.besides);
  return services.flatMap((service) =>
    SIGNALS.map(({ signal, kind, harmful }) => ({
      service,
      signal,
      harmful,
      detector: {
        step: options.step,
        kind,
        harmful,
        falseAlarmsPerWeek: share,
        ...(options.holidays ? { holidays: options.holidays } : {}),
      },
    })),
  );
}

/** Of one watched thing, in the same unit. */
export const shareOf = (falseAlarmsPerWeek: number, services: number, besides = 0): number =>
  falseAlarmsPerWeek / Math.max(1, services * SIGNALS.length + besides);
