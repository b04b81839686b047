import type { MetricInfo, MetricKind } from "../../domain/telemetry.ts";

/** What Prometheus knows about a metric family: its type and unit, where a client said so. */
export interface FamilyMetadata {
  readonly type: string;
  readonly unit: string;
}

const UNITS: Readonly<Record<string, string>> = {
  seconds: "s",
  milliseconds: "ms",
  bytes: "By",
  ratio: "1",
  percent: "%",
  celsius: "Cel",
};

/**
 * Makes metrics of series names: the three names of a histogram are one metric. Kinds come from metadata, else from the naming rules of
 * https://prometheus.io/docs/practices/naming/.
 */
export function metricsOf(
  names: readonly string[],
  metadata: ReadonlyMap<string, FamilyMetadata>,
): Omit<MetricInfo, "services" | "labelKeys">[] {
  const all = new Set(names);
  const found = new Map<string, MetricKind>();
  for (const name of names) {
    const family = /^(.*)_(?:bucket|sum|count)$/.exec(name)?.[1];
    if (family && all.has(`${family}_bucket`) && all.has(`${family}_count`)) found.set(family, "histogram");
    // A summary is its count and sum here: quantiles that a client computed cannot be added up.
    else if (family && name.endsWith("_sum") && all.has(`${family}_count`)) found.set(`${family}_sum`, "sum");
    else found.set(name, kindOf(name, metadata));
  }
  return [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([metric, kind]) => ({ metric, kind, unit: unitOf(metric, metadata) }));
}

function kindOf(name: string, metadata: ReadonlyMap<string, FamilyMetadata>): MetricKind {
  const type = familyOf(name, metadata)?.type;
  if (type === "counter") return "sum";
  if (type === "gauge") return "gauge";
  return /_(?:total|count|sum)$/.test(name) ? "sum" : "gauge";
}

function unitOf(name: string, metadata: ReadonlyMap<string, FamilyMetadata>): string {
  const word = familyOf(name, metadata)?.unit || /_([a-z]+)(?:_total|_sum)?$/.exec(name)?.[1] || "";
  return UNITS[word] ?? "";
}

/** OpenMetrics names a counter's family without `_total`. */
const familyOf = (name: string, metadata: ReadonlyMap<string, FamilyMetadata>): FamilyMetadata | undefined =>
  metadata.get(name) ?? metadata.get(name.replace(/_total$/, ""));

/** Whether a name fits one of the patterns, in which `*` stands for anything; no pattern allows everything. */
export function allowedBy(patterns: readonly string[], name: string): boolean {
  if (patterns.length === 0) return true;
  return patterns.some((pattern) =>
    new RegExp(`^${pattern.replace(/[.+?()|[\]{}^$\\]/g, "\\$&").replaceAll("*", ".*")}$`).test(name),
  );
}
