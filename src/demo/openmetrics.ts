import type { EpochMs } from "../domain/time.ts";
import type { MetricBatch } from "./export.ts";

interface Family {
  readonly kind: "gauge" | "histogram";
  readonly bounds: readonly number[];
  readonly series: Map<string, Kept>;
}

interface Kept {
  readonly labels: readonly string[];
  value: number;
  count: number;
  readonly buckets: number[];
  exemplar: { readonly traceId: string; readonly value: number } | null;
}

export const OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const UNITS: Readonly<Record<string, string>> = { s: "_seconds", By: "_bytes", "1": "_ratio" };

/** The name that OpenTelemetry's translation gives a metric: dots become underscores, and the unit is said at the end. */
export function prometheusName(name: string, unit: string): string {
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
    const family = this.#families.get(prometheusName(name, "s"));
    if (family) seriesOf(family, service, labels).exemplar = { traceId, value: seconds };
  }

  /** Every series as it is now, without the end mark. @param at stamps each line; left out, the scraper's clock does */
  lines(at: EpochMs | null, headers = true): string {
    const stamp = at === null ? "" : ` ${at / 1_000}`;
    let text = "";
    for (const [name, { kind, bounds, series }] of this.#families) {
      if (headers) text += `# TYPE ${name} ${kind}\n`;
      for (const { labels, value, count, buckets, exemplar } of series.values()) {
        const set = labels.join(",");
        if (kind === "gauge") {
          text += `${name}{${set}} ${value}${stamp}\n`;
          continue;
        }
        let below = 0;
        let marked = exemplar === null;
        for (const [index, bucket] of buckets.entries()) {
          below += bucket;
          const bound = bounds[index];
          const here: boolean = !marked && exemplar !== null && (bound === undefined || exemplar.value <= bound);
          marked ||= here;
          const remembered = here && exemplar ? ` # {trace_id="${exemplar.traceId}"} ${exemplar.value}` : "";
          text += `${name}_bucket{${set},le="${bound === undefined ? "+Inf" : bound}"} ${below}${stamp}${remembered}\n`;
        }
        text += `${name}_sum{${set}} ${value}${stamp}\n${name}_count{${set}} ${count}${stamp}\n`;
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

function seriesOf(family: Family, service: string, labels: Readonly<Record<string, string>>): Kept {
  const pairs = Object.entries({ job: service, ...labels }).map(
    ([key, value]) => `${key.replace(/[^a-zA-Z0-9_]/g, "_")}=${JSON.stringify(value)}`,
  );
  const key = pairs.join(",");
  let kept = family.series.get(key);
  if (!kept) {
    kept = { labels: pairs, value: 0, count: 0, buckets: new Array(family.bounds.length + 1).fill(0), exemplar: null };
    family.series.set(key, kept);
  }
  return kept;
}
