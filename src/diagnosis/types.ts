/** What is known about one incident, in neutral terms: tables of metrics, a call graph, log lines and spans. Times are unix seconds. */
export interface DiagnosisInput {
  readonly symptom: Symptom;
  /** Normal operation. Null where there is none to compare with. */
  readonly before: MetricTable | null;
  readonly during: MetricTable;
  /** Null where nobody has drawn one; it is then learned from the spans. */
  readonly graph: CallGraph | null;
  readonly logs?: BeforeDuring<LogLine>;
  readonly spans?: BeforeDuring<Span>;
}

export interface Symptom {
  readonly service: string | null;
  readonly metric: string | null;
  /** Unix seconds. */
  readonly at: number;
}

export interface MetricTable {
  /** Unix seconds, ascending. */
  readonly times: Float64Array;
  readonly columns: readonly MetricColumn[];
}

export interface MetricColumn {
  readonly service: string;
  readonly metric: string;
  readonly statistic: string | null;
  /** One value per time; NaN where there is no sample. */
  readonly values: Float64Array;
}

/** Pairs of caller and callee. */
export interface CallGraph {
  readonly edges: ReadonlyArray<readonly [caller: string, callee: string]>;
}

export interface BeforeDuring<T> {
  readonly before: readonly T[];
  readonly during: readonly T[];
}

export interface LogLine {
  /** Unix seconds. */
  readonly at: number;
  readonly service: string;
  readonly message: string;
  readonly trace?: string | undefined;
}

export interface Span {
  readonly trace: string;
  readonly id: string;
  /** Null or unknown at a trace's root. */
  readonly parent: string | null;
  readonly service: string;
  readonly operation: string;
  /** Unix seconds. */
  readonly start: number;
  /** Seconds. */
  readonly duration: number;
}

/** One candidate, best first in a ranking. */
export interface RootCause {
  readonly service: string;
  /** Comparable within one ranking only; higher is likelier. */
  readonly score: number;
  /** In words with numbers, strongest first. */
  readonly reasons: readonly string[];
}
