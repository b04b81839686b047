import type { KnowledgeBase } from "../../../domain/knowledge.ts";
import type { ChangeSource, LogSource, MetricSource, TraceSource } from "../../../domain/telemetry.ts";
import type { EpochMs } from "../../../domain/time.ts";

/** What the tools read, for people to look at; nothing in it writes. */
export interface Readable {
  readonly metrics: MetricSource;
  readonly logs: LogSource;
  readonly traces: TraceSource;
  readonly changes: ChangeSource;
  /** A document that the readers of the page may know, or null. */
  readonly document: KnowledgeBase["document"];
  readonly now: () => EpochMs;
}

/** One look at telemetry, as HTML within the strict content security policy; `heading` is text, `nav` and `main` are HTML. */
export interface View {
  readonly heading: string;
  /** Neighbouring looks. */
  readonly nav: string;
  readonly main: string;
}

/** Most rows of a table. */
export const MOST_ROWS = 300;
