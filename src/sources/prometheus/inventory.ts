import type { MetricInfo, ServiceName, TimeRange } from "../../domain/telemetry.ts";
import { type EpochMs, HOUR, MINUTE } from "../../domain/time.ts";
import type { PrometheusApi } from "./api.ts";
import { allowedBy, type FamilyMetadata, metricsOf } from "./catalog.ts";
import type { RedTemplate } from "./presets.ts";
import { inBraces, type Matcher, oneOf, rendered } from "./selector.ts";

export interface InventoryOptions {
  /** Where services' RED signals are found; for each service the first that has it. */
  readonly templates: readonly RedTemplate[];
  /** Labels beside the templates' own that hold a service's name on other metrics, for instance `container`. */
  readonly serviceLabels?: readonly string[];
  /** Added to every question, for instance `namespace="shop"`. */
  readonly matchers?: readonly Matcher[];
  /** Metrics that may be read, with `*` for anything; none means all. */
  readonly allow?: readonly string[];
  /** Telemetry time. */
  readonly now: () => EpochMs;
}

export interface KnownMetric {
  readonly info: MetricInfo;
  /** The label that holds the service's name on this metric. */
  readonly label: string;
}

/** Services and metrics that sent nothing for so long are not listed. */
const SEEN_WITHIN = HOUR;
const SERVICES_AGE = MINUTE;
const METADATA_AGE = 10 * MINUTE;

/** What there is in a Prometheus: services, and the metrics of each. Kept for a while, so that questions do not ask for it anew. */
export class Inventory {
  readonly #api: PrometheusApi;
  readonly #options: InventoryOptions;
  readonly #templateOf = new Map<ServiceName, RedTemplate>();
  #services: { readonly at: EpochMs; readonly names: Promise<readonly ServiceName[]> } | null = null;
  #metadata: { readonly at: EpochMs; readonly families: Promise<ReadonlyMap<string, FamilyMetadata>> } | null = null;
  readonly #metrics = new Map<ServiceName, { readonly at: EpochMs; readonly found: Promise<readonly KnownMetric[]> }>();

  constructor(api: PrometheusApi, options: InventoryOptions) {
    this.#api = api;
    this.#options = options;
  }

  async services(): Promise<readonly ServiceName[]> {
    const now = this.#options.now();
    if (!this.#services || now - this.#services.at >= SERVICES_AGE) {
      const found = this.#discover();
      this.#services = { at: now, names: found };
      found.catch(() => {
        this.#services = null;
      });
    }
    return this.#services.names;
  }

  /** Where this service's RED signals are found, by the services as they were listed last. */
  templateOf(service: ServiceName): RedTemplate | undefined {
    return this.#templateOf.get(service);
  }

  /** Labels that may hold this service's name. */
  labelsOf(service: ServiceName): string[] {
    const { serviceLabels = [], templates } = this.#options;
    const own = this.#templateOf.get(service)?.service;
    return [...new Set([...(own ? [own] : templates.map((one) => one.service)), ...serviceLabels])];
  }

  async metricsOf(service: ServiceName): Promise<readonly KnownMetric[]> {
    const now = this.#options.now();
    const kept = this.#metrics.get(service);
    if (kept && now - kept.at < SERVICES_AGE) return kept.found;
    const found = this.#list(service);
    this.#metrics.set(service, { at: now, found });
    found.catch(() => this.#metrics.delete(service));
    return found;
  }

  /** Kind and unit of a metric, whoever has it. */
  async infoOf(metric: string): Promise<Omit<MetricInfo, "services" | "labelKeys">> {
    const parts = oneOf("__name__", [metric, `${metric}_bucket`, `${metric}_count`, `${metric}_sum`]);
    const series = await this.#api.labelValues("__name__", this.#inScope([parts]), this.#recently());
    const info = metricsOf(series, await this.#families()).find((one) => one.metric === metric);
    return info ?? { metric, kind: "gauge", unit: "" };
  }

  async #discover(): Promise<readonly ServiceName[]> {
    const { templates, matchers = [] } = this.#options;
    const lists = await Promise.all(
      templates.map(({ service, requests }) => {
        const selector = rendered({ ...requests, matchers: [...requests.matchers, ...matchers] });
        return this.#api.labelValues(service, selector, this.#recently());
      }),
    );
    const current = new Set(lists.flat());
    // The preferred template comes last, and stays.
    for (const [at, template] of [...templates.entries()].reverse()) {
      for (const name of lists[at] ?? []) this.#templateOf.set(name, template);
    }
    return [...current].sort();
  }

  /** The metrics of one service, whichever label names it there. */
  async #list(service: ServiceName): Promise<readonly KnownMetric[]> {
    const { allow = [] } = this.#options;
    await this.services();
    const labels = this.labelsOf(service);
    const families = await this.#families();
    const known = new Map<string, KnownMetric>();
    for (const label of labels) {
      const selector = this.#inScope([oneOf(label, [service])]);
      const names = await this.#api.labelValues("__name__", selector, this.#recently());
      const listed = names.filter((name) => allowedBy(allow, name));
      if (listed.length === 0) continue;
      // All that the selected series have, whichever metric has them.
      const keys = await this.#api.labels(selector, this.#recently());
      const labelKeys = keys.filter((key) => key !== "__name__" && key !== "le");
      for (const info of metricsOf(listed, families)) {
        if (!known.has(info.metric)) known.set(info.metric, { label, info: { ...info, services: [service], labelKeys } });
      }
    }
    return [...known.values()];
  }

  /** Types and units of all metrics; what cannot be had is guessed from names. */
  #families(): Promise<ReadonlyMap<string, FamilyMetadata>> {
    const now = this.#options.now();
    if (!this.#metadata || now - this.#metadata.at >= METADATA_AGE) this.#metadata = { at: now, families: this.#api.metadata() };
    return this.#metadata.families;
  }

  #recently(): TimeRange {
    const now = this.#options.now();
    return { from: now - SEEN_WITHIN, to: now };
  }

  #inScope(matchers: readonly Matcher[]): string {
    return inBraces([...matchers, ...(this.#options.matchers ?? [])]);
  }
}
