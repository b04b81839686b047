import type { Anomaly } from "../domain/anomaly.ts";
import type { LearnedPrior, Objection } from "../domain/feedback.ts";
import type { OpenCase } from "../domain/incident.ts";
import type { CausalTestResult, Evidence, Hypothesis } from "../domain/investigation.ts";
import type { SearchHit } from "../domain/knowledge.ts";
import type { OnCallPerson } from "../domain/oncall.ts";
import type { Proposal } from "../domain/proposal.ts";
import type { CatalogEntry, ServiceGraph } from "../domain/service.ts";
import type { ChangeEvent, MetricKind, MetricPoint, RedSignal, ServiceName, Severity } from "../domain/telemetry.ts";
import type { EpochMs, Milliseconds } from "../domain/time.ts";
import type { AttributeContrast } from "./statistics/contrast.ts";
import type { Comparison } from "./statistics/series.ts";

/** One series before and during the incident. */
export interface SeriesFinding extends Comparison {
  readonly name: string;
  /** Set for the RED signals, null for any other metric. */
  readonly signal: RedSignal | null;
  readonly kind: MetricKind | null;
  readonly unit: string;
  /** Both courses, for a picture; only where one series was asked for. */
  readonly course?: {
    readonly during: readonly MetricPoint[];
    readonly baseline: readonly MetricPoint[];
    readonly shift: Milliseconds;
  };
}

export interface TemplateFinding {
  /** Cleaned text with the varying parts as `<*>`. */
  readonly template: string;
  readonly severity: Severity;
  readonly before: number;
  readonly during: number;
  readonly suspicious: boolean;
}

export interface CauseRank {
  readonly service: ServiceName;
  /** Share of blame, 0 to 1. */
  readonly score: number;
  /** When it began to move, where that can be told. */
  readonly onset: EpochMs | null;
  readonly why: string;
  readonly anomalous: boolean;
}

/** What a tool found, typed by tool, for code; `evidence` is what people and models read. */
export type Details =
  | { readonly kind: "metrics"; readonly service: ServiceName; readonly series: readonly SeriesFinding[] }
  | {
      readonly kind: "logs";
      readonly service: ServiceName;
      readonly fresh: readonly TemplateFinding[];
      readonly linesBefore: number;
      readonly linesDuring: number;
    }
  | {
      readonly kind: "traces";
      readonly service: ServiceName;
      readonly spans: number;
      readonly contrasts: readonly AttributeContrast[];
    }
  | { readonly kind: "changes"; readonly changes: readonly ChangeEvent[] }
  | {
      readonly kind: "incidents";
      readonly symptom: string;
      readonly hits: readonly SearchHit[];
      readonly priors?: readonly LearnedPrior[];
    }
  | { readonly kind: "open_incidents"; readonly cases: readonly OpenCase[] }
  | { readonly kind: "actions"; readonly proposals: readonly Proposal[] }
  | { readonly kind: "past_changes"; readonly hits: readonly SearchHit[] }
  | { readonly kind: "runbook"; readonly hit: SearchHit | null; readonly text: string }
  | {
      readonly kind: "dependencies";
      readonly service: ServiceName;
      readonly graph: ServiceGraph;
      readonly upstream: readonly ServiceName[];
      readonly downstream: readonly ServiceName[];
      readonly entry: CatalogEntry | null;
    }
  | { readonly kind: "causes"; readonly service: ServiceName | null; readonly ranked: readonly CauseRank[] }
  | { readonly kind: "anomalies"; readonly scanned: readonly ServiceName[]; readonly anomalies: readonly Anomaly[] }
  | { readonly kind: "causal"; readonly flag: string; readonly result: CausalTestResult | null; readonly refusal: string | null }
  | { readonly kind: "on_call"; readonly service: ServiceName | null; readonly people: readonly OnCallPerson[] }
  /** What a tool of another server said. */
  | { readonly kind: "foreign"; readonly server: string }
  | { readonly kind: "statement"; readonly objection: Objection; readonly held: readonly Hypothesis[] }
  | { readonly kind: "proposal"; readonly proposal: Proposal | null; readonly refusal: string | null };

export interface Finding {
  readonly evidence: Evidence;
  readonly details: Details;
}

export type DetailsOf<Kind extends Details["kind"]> = Extract<Details, { kind: Kind }>;

/** Findings of one kind with their details narrowed, in the order they were made. */
export function findingsOf<Kind extends Details["kind"]>(
  findings: readonly Finding[],
  kind: Kind,
): { readonly evidence: Evidence; readonly details: DetailsOf<Kind> }[] {
  return findings.flatMap(({ evidence, details }) =>
    details.kind === kind ? [{ evidence, details: details as DetailsOf<Kind> }] : [],
  );
}
