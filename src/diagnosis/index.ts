import { median, quantile, sorted } from "./robust.ts";
import type { DiagnosisInput, RootCause } from "./types.ts";

export type {
  BeforeDuring,
  CallGraph,
  DiagnosisInput,
  LogLine,
  MetricColumn,
  MetricTable,
  RootCause,
  Span,
  Symptom,
} from "./types.ts";

/** Ranks every service of the incident, likeliest root cause first. Pure. */
export function rankRootCauses(input: DiagnosisInput): RootCause[] {
  const before = new Map(input.before?.columns.map((one) => [`${one.service}|${one.metric}|${one.statistic}`, one.values]));
  const best = new Map<string, RootCause>();
  for (const column of input.during.columns) {
    const normal = sorted(before.get(`${column.service}|${column.metric}|${column.statistic}`) ?? []);
    const spread = quantile(normal, 0.75) - quantile(normal, 0.25);
    const z = Math.abs(median(column.values) - quantile(normal, 0.5)) / spread;
    const score = Number.isFinite(z) ? z : 0;
    if (score >= (best.get(column.service)?.score ?? 0))
      best.set(column.service, {
        service: column.service,
        score,
        reasons: [`${column.metric} moved by ${score.toFixed(1)} spreads`],
      });
  }
  return [...best.values()].sort((a, b) => b.score - a.score);
}
