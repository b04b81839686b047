import type { EpochMs, Milliseconds } from "./time.ts";

/** A service's name as its telemetry says it (OpenTelemetry `service.name`). */
export type ServiceName = string;

export type Labels = Readonly<Record<string, string>>;

/** One sample; `value` is in the series' unit. */
export interface MetricPoint {
  readonly at: EpochMs;
  readonly value: number;
}

/** Samples in ascending time. A step without data has no point: gaps are absent, never zero and never NaN. */
export interface Series {
  readonly metric: string;
  readonly service: ServiceName | null;
  readonly labels: Labels;
  /** UCUM unit as OpenTelemetry gives it: `s`, `1`, `By`, `{request}/s`; empty when unknown. */
  readonly unit: string;
  readonly points: readonly MetricPoint[];
}

export type MetricKind = "gauge" | "sum" | "histogram";

export interface MetricInfo {
  readonly metric: string;
  readonly kind: MetricKind;
  readonly unit: string;
  readonly services: readonly ServiceName[];
  readonly labelKeys: readonly string[];
}

/**
 * How the samples within one step become one value. `rate` is increase per second of a sum or of a histogram's count;
 * `p50`, `p95`, `p99` need a histogram; the rest apply to gauges, and to a histogram's mean.
 */
export type Statistic = "avg" | "min" | "max" | "sum" | "count" | "rate" | "p50" | "p95" | "p99";

/** A half-open range: `from` is included, `to` is not. */
export interface TimeRange {
  readonly from: EpochMs;
  readonly to: EpochMs;
}

export interface MetricQuery extends TimeRange {
  readonly metric: string;
  readonly service?: ServiceName;
  /** Label values that must match exactly. */
  readonly labels?: Labels;
  readonly step: Milliseconds;
  readonly statistic: Statistic;
  /** Label keys that split the result into several series; none gives one series. */
  readonly groupBy?: readonly string[];
}

/** The RED method's signals: requests per second; failed share, 0 to 1; mean and 95th percentile duration in seconds. */
export type RedSignal = "rate" | "errors" | "latency" | "latency_p95";

export interface RedQuery extends TimeRange {
  readonly service: ServiceName;
  readonly signal: RedSignal;
  readonly step: Milliseconds;
  /** Restricts to requests with these labels, for instance one traffic cohort. */
  readonly labels?: Labels;
}

/** One request that a histogram remembers, by its trace. */
export interface Exemplar {
  readonly traceId: string;
  readonly at: EpochMs;
  /** Duration in seconds. */
  readonly value: number;
}

/** Steps for which a source answers one question; who wants more asks for a longer step. */
export const MOST_STEPS = 50_000;

/** Reads metrics from wherever a team keeps them. Every method rejects with `SourceError` when the backend cannot answer. */
/** What a source of metrics knows of a service that fell silent. */
export interface Presence {
  /** Scrape targets by the service's name: up, down, and those that were there within the last hour and are gone. Null where nothing is scraped. */
  readonly targets: { readonly up: number; readonly down: number; readonly gone: number } | null;
  /** Its own series, of any metric, that still have samples. */
  readonly series: number;
}

export interface MetricSource {
  services(): Promise<readonly ServiceName[]>;
  metrics(service?: ServiceName): Promise<readonly MetricInfo[]>;
  query(query: MetricQuery, signal?: AbortSignal): Promise<readonly Series[]>;
  red(query: RedQuery, signal?: AbortSignal): Promise<Series>;
  /** Why a service may have fallen silent; only where the backend can tell. */
  presence?(service: ServiceName, at: EpochMs): Promise<Presence>;
  /** Example requests of a service, the slowest first; only where the backend keeps some. */
  exemplars?(
    query: TimeRange & { readonly service: ServiceName; readonly limit: number },
    signal?: AbortSignal,
  ): Promise<readonly Exemplar[]>;
}

/** OpenTelemetry severity text, upper case. */
export type Severity = "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR" | "FATAL";

export interface LogRecord {
  readonly at: EpochMs;
  readonly service: ServiceName;
  readonly severity: Severity;
  readonly body: string;
  readonly attributes: Labels;
  readonly traceId: string | null;
}

export interface LogQuery extends TimeRange {
  readonly service?: ServiceName;
  readonly minSeverity?: Severity;
  /** Case-insensitive substring of the body. */
  readonly text?: string;
  readonly traceId?: string;
  readonly limit: number;
}

export interface LogSource {
  /** Newest first. */
  logs(query: LogQuery, signal?: AbortSignal): Promise<readonly LogRecord[]>;
}

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | null;
  readonly service: ServiceName;
  readonly operation: string;
  readonly kind: "internal" | "server" | "client" | "producer" | "consumer";
  readonly start: EpochMs;
  readonly duration: Milliseconds;
  readonly error: boolean;
  readonly attributes: Labels;
}

export interface TraceQuery extends TimeRange {
  readonly service?: ServiceName;
  readonly traceId?: string;
  readonly minDuration?: Milliseconds;
  readonly errorsOnly?: boolean;
  /** Most spans to return. */
  readonly limit: number;
}

/** One service calling another, with how often that was seen. */
export interface ServiceEdge {
  readonly caller: ServiceName;
  readonly callee: ServiceName;
  readonly calls: number;
}

export interface TraceSource {
  /** Slowest first. */
  spans(query: TraceQuery, signal?: AbortSignal): Promise<readonly Span[]>;
  dependencies(range: TimeRange, signal?: AbortSignal): Promise<readonly ServiceEdge[]>;
}

export type ChangeKind = "flag" | "deploy" | "config" | "scale" | "other";

/** Something that somebody changed, with who, what, before and after. */
export interface ChangeEvent {
  readonly id: string;
  readonly at: EpochMs;
  readonly kind: ChangeKind;
  /** The flag's key, or the service that was deployed. */
  readonly subject: string;
  /** Services that the change touches directly, where that is known. */
  readonly services: readonly ServiceName[];
  readonly environment: string;
  readonly actor: string;
  /** State before and after as short text, for instance `checkout 1.4.1`, `25% on`. */
  readonly before: string;
  readonly after: string;
  /** Commit message, flag description, or the like: untrusted text. */
  readonly summary: string;
  /** Where a person can see it: a commit hash, a file name, a URL. */
  readonly reference: string;
  /** Which adapter saw it. */
  readonly source: string;
}

export interface ChangeQuery extends TimeRange {
  readonly services?: readonly ServiceName[];
  readonly kinds?: readonly ChangeKind[];
  readonly limit?: number;
}

export interface ChangeSource {
  /** Newest first. */
  changes(query: ChangeQuery): Promise<readonly ChangeEvent[]>;
  /** Why changes of some places are not among them: each place that cannot be read now, with the reason and, after "; ", the remedy. */
  unread?(): readonly string[];
}

/** A telemetry backend could not answer. The message says which, on what, and what to do. */
export class SourceError extends Error {
  override readonly name: string = "SourceError";
}

/** The backend itself failed: it did not answer, refused, or said what nobody understands. Other questions would fare no better. */
export class SourceUnavailable extends SourceError {
  override readonly name = "SourceUnavailable";
}
