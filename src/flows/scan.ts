import type { AnomalyScanner } from "../agent/types.ts";
import { judgeWindow, watchlist } from "../detection/index.ts";
import type { Anomaly } from "../domain/anomaly.ts";
import type { MetricSource } from "../domain/telemetry.ts";
import { DAY, MINUTE, type Milliseconds } from "../domain/time.ts";

const HISTORY = 7 * DAY;
const WINDOW = 20 * MINUTE;

/** Judges services by their stored history alone: for commands that run beside no watcher. */
export function historyScanner(
  metrics: MetricSource,
  options: { readonly step: Milliseconds; readonly falseAlarmsPerWeek: number },
): AnomalyScanner {
  return {
    async scan(services, at) {
      const found: Anomaly[] = [];
      for (const { service, signal, detector } of watchlist(services, options)) {
        const { points } = await metrics.red({ service, signal, from: at - HISTORY, to: at, step: options.step });
        const start = at - WINDOW;
        const judged = judgeWindow(
          points.filter((point) => point.at < start),
          points.filter((point) => point.at >= start),
          detector,
        );
        if (!judged?.anomalous) continue;
        found.push({
          id: `${service}-${signal}`,
          service,
          signal,
          labels: {},
          kind: "level",
          direction: judged.direction,
          startedAt: judged.startedAt,
          detectedAt: at,
          endedAt: null,
          observed: judged.observed,
          expected: judged.expected,
          relativeChange: judged.relativeChange,
          score: judged.score,
        });
      }
      return found.sort((a, b) => b.score - a.score);
    },
  };
}
