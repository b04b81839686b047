import type { Labels, LogRecord, ServiceName, Span } from "./telemetry.ts";
import type { EpochMs } from "./time.ts";

interface PointBase {
  readonly metric: string;
  readonly service: ServiceName;
  readonly unit: string;
  readonly labels: Labels;
  readonly at: EpochMs;
}

/** How a sum or histogram counts: since its start (`cumulative`) or since its last point (`delta`). */
export type Temporality = "cumulative" | "delta";

export interface GaugeRecord extends PointBase {
  readonly kind: "gauge";
  readonly value: number;
}

export interface SumRecord extends PointBase {
  readonly kind: "sum";
  readonly temporality: Temporality;
  /** When counting began; a later start is a reset. */
  readonly start: EpochMs;
  readonly monotonic: boolean;
  readonly value: number;
}

export interface HistogramRecord extends PointBase {
  readonly kind: "histogram";
  readonly temporality: Temporality;
  readonly start: EpochMs;
  readonly count: number;
  readonly sum: number;
  /** Upper bounds, ascending; one bucket more than bounds. */
  readonly bounds: readonly number[];
  readonly buckets: readonly number[];
}

/** One metric point as a receiver hands it over. */
export type MetricRecord = GaugeRecord | SumRecord | HistogramRecord;

/** Where a receiver puts what it decoded. Each call is one transaction, and the same record sent twice counts once. */
export interface TelemetrySink {
  appendMetrics(records: readonly MetricRecord[]): void;
  appendLogs(records: readonly LogRecord[]): void;
  appendSpans(spans: readonly Span[]): void;
}
