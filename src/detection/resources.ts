import type { MetricInfo, ServiceName } from "../domain/telemetry.ts";

/** Something of a service that can be used up, told from its metrics. */
export interface Resource {
  readonly service: ServiceName;
  /** What is used, or left when `remaining`. */
  readonly metric: string;
  readonly remaining: boolean;
  /** In the metric's unit, or the metric that says it. */
  readonly capacity: number | { readonly metric: string };
  /** Labels by which the metric falls into several resources, such as mount points. */
  readonly labelKeys: readonly string[];
}

const STOCK =
  /\b(disks?|filesystem|fs|volumes?|storage|tablespace|inodes?|memory|heap|swap|pools?|connections?|quota|sessions?|threads?|descriptors?|fds?|licen[cs]es?|ip addresses)\b/;
/** Shares that are no stock, or stand full of their own accord. */
const NO_STOCK = /\b(cpu|hits?|miss(es)?|cache[ds]?|idle|errors?|success|availability|pending|wait(ing|s)?)\b/;
const USED = /^(.*?) ?\b(used|usage|in use|active|current|count|allocated)$/;
const LEFT = /^(.*?) ?\b(available|avail|free|remaining)$/;
const LIMIT = /^(.*?) ?\b(limit|max|maximum|capacity|quota|hard|size|total)$/;

/** The words of a name without its unit: `node_filesystem_avail_bytes` → `node filesystem avail`. */
const wordsOf = (name: string): string =>
  name
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .replace(/[^A-Za-z0-9]+/g, " ")
    .toLowerCase()
    .replace(/ (bytes|by|kibibytes|ratio)$/, "")
    .trim();

/**
 * The resources that gauges describe, by the general words of metric names (OpenTelemetry's `usage`, `utilization` and `limit`; Prometheus'
 * `avail`, `size` and `capacity`; the saturation of the USE method, Gregg 2013): shares of something that is a stock, and pairs of what is used or left
 * with what there is. A share of time or of luck, such as a CPU's or a cache's, is not used up and is left out.
 */
export function resourcesOf(metrics: readonly MetricInfo[]): Resource[] {
  const gauges = metrics.filter(({ kind }) => kind === "gauge");
  const limits = new Map(
    gauges.flatMap((info) => {
      const stem = LIMIT.exec(wordsOf(info.metric))?.[1];
      return stem === undefined ? [] : [[stem, info] as const];
    }),
  );
  return gauges.flatMap(({ metric, unit, services, labelKeys }): Resource[] => {
    const words = wordsOf(metric);
    if (NO_STOCK.test(words)) return [];
    const left = LEFT.exec(words)?.[1];
    const stem = left ?? USED.exec(words)?.[1];
    const limit = stem === undefined ? undefined : limits.get(stem);
    const share = unit === "1" || unit === "%";
    const whole = unit === "%" ? 100 : 1;
    const shared = labelKeys.filter((key) => limit === undefined || limit.labelKeys.includes(key));
    return services.flatMap((service): Resource[] => {
      const base = { service, metric, remaining: left !== undefined };
      if (limit?.services.includes(service)) return [{ ...base, capacity: { metric: limit.metric }, labelKeys: shared }];
      return share && STOCK.test(words) ? [{ ...base, capacity: whole, labelKeys }] : [];
    });
  });
}
