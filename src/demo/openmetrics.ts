import type { EpochMs } from "../domain/time.ts";
import type { MetricBatch } from "./export.ts";

interface Family {
  readonly kind: "gauge" | "histogram";
  readonly bounds: readonly number[];
  readonly series: Map<string, Kept>;
}

interface Kept {
  /** As they stand between braces. */
  readonly labels: string;
  value: number;
  count: number;
  readonly buckets: number[];
  exemplar: { readonly traceId: string; readonly value: number } | null;
}

export const OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const UNITS: Readonly<Record<string, string>> = { s: "_seconds", By: "_bytes", "1": "_ratio" };

/** The name that OpenTelemetry's translation gives a metric: dots become underscores, and the unit is said at the end. */
function prometheusName(name: string, unit: string): string {
  const plain = name.replace(/[^a-zA-Z0-9_:]/g, "_");
  const suffix = UNITS[unit] ?? "";
  return plain.endsWith(suffix) ? plain : `${plain}${suffix}`;
}

/**
 * Running totals as a Prometheus client library keeps them, and their text (https://prometheus.io/docs/specs/om/open_metrics_spec/). Fed
 * with increments, so that the same batches can go out as OTLP.
 */
export class OpenMetrics {
  readonly #families = new Map<string, Family>();

  add(batches: readonly MetricBatch[]): void {
    for (const { service, name, unit, bounds = [], histogram, gauge } of batches) {
      const family = this.#family(prometheusName(name, unit), histogram ? "histogram" : "gauge", bounds);
      for (const { labels, count, sum, buckets } of histogram ?? []) {
        const kept = seriesOf(family, service, labels);
        kept.value += sum;
        kept.count += count;
        for (const [at, more] of buckets.entries()) kept.buckets[at] = (kept.buckets[at] ?? 0) + more;
      }
      for (const { labels, value } of gauge ?? []) seriesOf(family, service, labels).value = value;
    }
  }

  /** Remembers a request beside the bucket that counted it. @param seconds its duration */
  exemplar(service: string, name: string, labels: Readonly<Record<string, string>>, traceId: string, seconds: number): void {
    const kept = this.#families.get(prometheusName(name, "s"))?.series.get(keyOf(service, labels));
    if (kept) kept.exemplar = { traceId, value: seconds };
  }

  /** Every series as it is now, without the end mark. @param at stamps each line; without it, the scraper's clock does */
  lines(
    at: EpochMs | null,
    { headers = true, buckets: detailed = true }: { readonly headers?: boolean; readonly buckets?: boolean } = {},
  ): string {
    const stamp = at === null ? "" : ` ${at / 1_000}`;
    let text = "";
    for (const [name, { kind, bounds, series }] of this.#families) {
      if (headers) text += `# TYPE ${name} ${kind}\n`;
      for (const { labels, value, count, buckets, exemplar } of series.values()) {
        if (kind === "gauge") {
          text += `${name}{${labels}} ${value}${stamp}\n`;
          continue;
        }
        text += `${name}_sum{${labels}} ${value}${stamp}\n${name}_count{${labels}} ${count}${stamp}\n`;
        if (!detailed) continue;
        let below = 0;
        let marked = exemplar === null;
        for (const [index, bucket] of buckets.entries()) {
          below += bucket;
          const bound = bounds[index];
          const here: boolean = !marked && exemplar !== null && (bound === undefined || exemplar.value <= bound);
          marked ||= here;
          const remembered = here && exemplar ? ` # {trace_id="${exemplar.traceId}"} ${exemplar.value}` : "";
          text += `${name}_bucket{${labels},le="${bound === undefined ? "+Inf" : bound}"} ${below}${stamp}${remembered}\n`;
        }
      }
    }
    return text;
  }

  #family(name: string, kind: Family["kind"], bounds: readonly number[]): Family {
    let family = this.#families.get(name);
    if (!family) {
      family = { kind, bounds, series: new Map() };
      this.#families.set(name, family);
    }
    return family;
  }
}

/** The labels of a series in their text, `job` first. */
function keyOf(service: string, labels: Readonly<Record<string, string>>): string {
  return Object.entries({ job: service, ...labels })
    .map(([key, value]) => `${key.replace(/[^a-zA-Z0-9_]/g, "_")}=${JSON.stringify(value)}`)
    .join(",");
}

function seriesOf(family: Family, service: string, labels: Readonly<Record<string, string>>): Kept {
  const key = keyOf(service, labels);
  let kept = family.series.get(key);
  if (!kept) {
    kept = { labels: key, value: 0, count: 0, buckets: new Array(family.bounds.length + 1).fill(0), exemplar: null };
    family.series.set(key, kept);
  }
  return kept;
}
