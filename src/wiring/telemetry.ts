import type { Config } from "../config.ts";
import type { Probe } from "../domain/probe.ts";
import { type LogSource, type MetricSource, SourceError, type TraceSource } from "../domain/telemetry.ts";
import { type EpochMs, HOUR, MINUTE, SECOND } from "../domain/time.ts";
import { ElasticsearchLogs } from "../sources/elasticsearch/index.ts";
import { JaegerTraces } from "../sources/jaeger/index.ts";
import { LokiLogs } from "../sources/loki/index.ts";
import { PrometheusMetrics } from "../sources/prometheus/index.ts";
import { PRESETS, type RedTemplateText, redTemplate } from "../sources/prometheus/presets.ts";
import type { BackendAddress } from "../sources/read-api.ts";
import { TempoTraces } from "../sources/tempo/index.ts";
import type { TelemetryStore } from "../store/telemetry/index.ts";

/** Where metrics, logs and traces are read, whichever backends the configuration names. */
export interface Telemetry {
  readonly metrics: MetricSource;
  readonly logs: LogSource;
  readonly traces: TraceSource;
  /** Time of the newest metrics, or null while there are none. */
  latest(): Promise<EpochMs | null>;
  close(): Promise<void>;
}

/** A backend beside the embedded store. */
interface Backend<Source> extends Probe {
  readonly source: Source;
  readonly close: () => Promise<void>;
}

interface Backends {
  readonly metrics: (Backend<MetricSource> & { readonly latest: () => Promise<EpochMs | null> }) | null;
  readonly logs: Backend<LogSource> | null;
  readonly traces: Backend<TraceSource> | null;
}

export function openTelemetry(
  config: Config,
  store: TelemetryStore,
  now: () => EpochMs,
  onWarning: (message: string) => void,
): Telemetry {
  const { metrics, logs, traces } = openBackends(config, now, onWarning);
  return {
    metrics: metrics?.source ?? store,
    logs: logs?.source ?? store,
    traces: traces?.source ?? store,
    latest: () => metrics?.latest() ?? store.latest(),
    close: async () => {
      for (const backend of [metrics, logs, traces]) await backend?.close();
    },
  };
}

export function openBackends(config: Config, now: () => EpochMs, onWarning: (message: string) => void): Backends {
  return {
    metrics: metricsOf(config.metrics, now, onWarning),
    logs: logsOf(config.logs, now, onWarning),
    traces: tracesOf(config.traces, now, onWarning),
  };
}

type Common = Pick<Config["logs"], "url" | "token" | "username" | "password" | "headers" | "tenant" | "tls" | "timeoutSeconds">;

function addressOf({ url, timeoutSeconds, ...rest }: Common): BackendAddress | null {
  if (url === undefined) return null;
  const { token, username, password, headers, tenant, tls } = rest;
  return { url, token, username, password, headers, tenant, tls, timeout: timeoutSeconds * SECOND };
}

const at = ({ url }: BackendAddress): string => new URL(url).host;

function ago(newest: EpochMs, now: EpochMs): string {
  const seconds = Math.max(0, Math.round((now - newest) / SECOND));
  return seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
}

function metricsOf(config: Config["metrics"], now: () => EpochMs, onWarning: (message: string) => void): Backends["metrics"] {
  const address = addressOf(config);
  if (config.kind === "embedded" || !address) return null;
  const presets = config.presets.flatMap((preset): readonly RedTemplateText[] => PRESETS[preset]);
  const label = config.serviceLabel;
  const source = new PrometheusMetrics({
    ...address,
    templates: [...config.templates, ...presets.map((one) => (label ? { ...one, service: label } : one))].map(redTemplate),
    serviceLabels: config.serviceLabels,
    matchers: Object.entries(config.matchers).map(([name, value]) => ({ label: name, op: "=" as const, value })),
    allow: config.allow,
    scrapeInterval: config.scrapeSeconds * SECOND,
    now,
    onWarning,
  });
  const check = async () => {
    const [services, newest] = [await source.services(), await source.latest()];
    const where = `Prometheus at ${at(address)}`;
    if (services.length === 0) {
      throw new SourceError(
        `${where} has no requests of services by these presets; choose metrics.presets, or set metrics.serviceLabel or metrics.templates`,
      );
    }
    if (newest === null)
      throw new SourceError(`${where} has no sample of the last five minutes; look at the scraping, and at the clocks`);
    return `${where}: ${services.length} services, newest sample ${ago(newest, now())}`;
  };
  return { concern: "metrics", source, check, latest: () => source.latest(), close: () => source.close() };
}

function logsOf(config: Config["logs"], now: () => EpochMs, onWarning: (message: string) => void): Backends["logs"] {
  const address = addressOf(config);
  if (config.kind === "embedded" || !address) return null;
  const [name, key, source] =
    config.kind === "loki"
      ? (["Loki", "logs.loki.serviceLabel", new LokiLogs({ ...address, ...config.loki, onWarning })] as const)
      : ([
          "Elasticsearch",
          "logs.elasticsearch.index and its fields",
          new ElasticsearchLogs({ ...address, ...config.elasticsearch, onWarning }),
        ] as const);
  const check = async () => {
    const [line] = await source.logs({ from: now() - HOUR, to: now() + MINUTE, limit: 1 });
    const found = line ? `newest line ${ago(line.at, now())}, of ${line.service}` : `no line within the last hour; check ${key}`;
    return `${name} at ${at(address)}: ${found}`;
  };
  return { concern: "logs", source, check, close: () => source.close() };
}

function tracesOf(config: Config["traces"], now: () => EpochMs, onWarning: (message: string) => void): Backends["traces"] {
  const address = addressOf(config);
  if (config.kind === "embedded" || !address) return null;
  const [name, source] =
    config.kind === "tempo"
      ? (["Tempo", new TempoTraces({ ...address, now, onWarning })] as const)
      : (["Jaeger", new JaegerTraces(address)] as const);
  const check = async () => {
    const [span] = await source.spans({ from: now() - HOUR, to: now() + MINUTE, limit: 1 });
    const found = span
      ? `a span of ${span.service}, ${ago(span.start, now())}`
      : "no span within the last hour; check what sends them there";
    return `${name} at ${at(address)}: ${found}`;
  };
  return { concern: "traces", source, check, close: () => source.close() };
}
