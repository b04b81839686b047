import type { AnomalyScanner } from "../../agent/types.ts";
import { createDetector, watchlist } from "../../detection/index.ts";
import type { Anomaly } from "../../domain/anomaly.ts";
import type { MetricSource, ServiceName } from "../../domain/telemetry.ts";
import { type EpochMs, HOUR, MINUTE } from "../../domain/time.ts";

const FALSE_ALARMS_PER_WEEK = 0.5;
const OBSERVED = 3 * HOUR;
const LEARN_FOR = 12 * HOUR;

/**
 * What the watcher would have raised by `now`: each RED signal's detector learns the recording up to three hours before, then sees one
 * minute after the other. Anomalies that are over are left out.
 */
export async function watchRecording(
  metrics: MetricSource,
  services: readonly ServiceName[],
  from: EpochMs,
  now: EpochMs,
): Promise<Anomaly[]> {
  const step = MINUTE;
  const found: Anomaly[] = [];
  for (const { service, signal, detector: options } of watchlist(services, { step, falseAlarmsPerWeek: FALSE_ALARMS_PER_WEEK })) {
    const [series, traffic] = await Promise.all([
      metrics.red({ service, signal, from, to: now, step }),
      metrics.red({ service, signal: "rate", from: now - OBSERVED, to: now, step }),
    ]);
    const history = series.points.filter(({ at }) => at < now - OBSERVED);
    if (history.length < 60) continue;
    const detector = createDetector({ ...options, learnFor: LEARN_FOR });
    detector.train(history);
    const values = new Map(series.points.map(({ at, value }) => [at, value]));
    const counts = new Map(traffic.points.map(({ at, value }) => [at, Math.round(value * 60)]));
    let open: Anomaly | null = null;
    for (let at = Math.ceil((now - OBSERVED) / step) * step; at < now; at += step) {
      const value = values.get(at);
      const count = signal === "rate" ? undefined : counts.get(at);
      const seen =
        value === undefined ? detector.missing(at) : detector.observe({ at, value }, count === undefined ? {} : { count });
      open = seen.ongoing ? { id: `${service}-${signal}`, service, signal, labels: {}, endedAt: null, ...seen.ongoing } : null;
    }
    if (open) found.push(open);
  }
  return found.sort((a, b) => b.score - a.score);
}

/** Answers from what the recording's detectors raised. */
export function recordedScanner(anomalies: readonly Anomaly[]): AnomalyScanner {
  return { scan: async (services) => anomalies.filter(({ service }) => services.includes(service)) };
}
