import type { Anomaly } from "./anomaly.ts";
import type { MetricPoint, RedSignal, ServiceName } from "./telemetry.ts";
import type { EpochMs, Milliseconds } from "./time.ts";

/** `E1`, `E2`, … within one investigation. */
export type EvidenceId = string;

/** One thing that a tool found: compact, numeric where it can be, and citable. */
export interface Evidence {
  readonly id: EvidenceId;
  /** The tool that produced it, and its arguments, so that anyone can ask again. */
  readonly tool: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly title: string;
  /** What it says, in a sentence or a few lines. */
  readonly summary: string;
  /** Every number or name that a claim may quote. */
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
  readonly services: readonly ServiceName[];
  readonly at: EpochMs;
  /** Where a person can look: a path on Vigil's page or a backend's URL. */
  readonly link: string | null;
  /** True when the text looked like an attempt to instruct the model. */
  readonly suspicious: boolean;
}

export type CauseKind = "flag" | "deploy" | "dependency" | "resource" | "traffic" | "config" | "none" | "unknown";

export type HypothesisStatus = "supported" | "refuted" | "open";

/** What must be seen if a hypothesis is true, so that looking can refute it. */
export interface Prediction {
  readonly text: string;
  /** What looking showed; null while nobody looked. */
  readonly held: boolean | null;
  readonly evidence: readonly EvidenceId[];
}

export interface Hypothesis {
  readonly id: string;
  readonly statement: string;
  readonly cause: CauseKind;
  /** The service where it is thought to start. */
  readonly service: ServiceName | null;
  /** The change event blamed, when there is one. */
  readonly changeId: string | null;
  /** 0 to 1. */
  readonly confidence: number;
  readonly status: HypothesisStatus;
  readonly evidenceFor: readonly EvidenceId[];
  readonly evidenceAgainst: readonly EvidenceId[];
  readonly predictions?: readonly Prediction[];
  /** Its confidence after each time the rivals were weighed, oldest first. */
  readonly trail?: readonly number[];
}

export interface CitedText {
  readonly text: string;
  readonly evidence: readonly EvidenceId[];
}

export interface BlastRadius {
  /** Services that call the affected one, directly or not. */
  readonly upstream: readonly ServiceName[];
  /** Services that the affected one calls. */
  readonly downstream: readonly ServiceName[];
  /** Share of requests affected, 0 to 1, when it can be told. */
  readonly trafficShare: number | null;
}

/** Effect of switching a suspect off for test traffic only, against the rest. */
export interface CausalTestResult {
  readonly flag: string;
  readonly signal: string;
  readonly service: ServiceName;
  readonly testMean: number;
  readonly controlMean: number;
  /** `testMean / controlMean - 1`. */
  readonly effect: number;
  /** 95 % confidence interval of `effect`. */
  readonly interval: readonly [number, number];
  readonly pValue: number;
  readonly samples: { readonly test: number; readonly control: number };
  readonly verdict: "causal" | "not_causal" | "inconclusive";
  /** The flag was read back as it had been before the test. */
  readonly restored: boolean;
}

export interface Cost {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** US dollars; 0 for the offline reasoner. */
  readonly dollars: number;
  readonly toolCalls: number;
  /** Requests to models, tries after a failure included. */
  readonly modelCalls?: number;
  readonly duration: Milliseconds;
}

/** Which mind wrote a text; said on every message. */
export interface Mind {
  readonly kind: "offline" | "model";
  /** Model name, or `offline reasoner`. */
  readonly name: string;
  /** Why the offline reasoner stood in, when a model was configured. */
  readonly fallbackReason: string | null;
}

export interface InvestigationReport {
  /** One sentence, at most 200 characters, that tells the story on a phone. */
  readonly headline: string;
  readonly outcome: "cause_found" | "unknown" | "nothing_wrong";
  /** That the leading hypothesis is the cause, given that something is wrong: 0 to 1, as it is told, calibrated. */
  readonly confidence: number;
  /** The same before calibration, which is what calibration learns from. Absent in reports older than this field. */
  readonly rawConfidence?: number;
  /**
   * How likely it is that something is wrong at all, 0 to 1, by what people said of the like of it (`raw` before calibration): the newest judged
   * ones of the same kind, and how many of them were noise. Null or absent: too little was judged yet. `kinds`: what it was calibrated by.
   */
  readonly real?: {
    readonly chance: number;
    readonly raw: number;
    readonly kinds?: readonly [string, string] | undefined;
    readonly like: number;
    readonly noise: number;
  } | null;
  /** Ranked, best first. */
  readonly hypotheses: readonly Hypothesis[];
  readonly evidence: readonly Evidence[];
  readonly contributingFactors: readonly CitedText[];
  readonly whatChanged: CitedText;
  readonly whatElseIsAnomalous: CitedText;
  readonly seenBefore: CitedText;
  readonly blastRadiusOfActing: CitedText;
  readonly blastRadius: BlastRadius;
  readonly causalTest: CausalTestResult | null;
  /** Ids of the proposals that were filed. */
  readonly proposals: readonly string[];
  readonly nextChecks: readonly string[];
  /** Claims struck because no evidence bore them. */
  readonly struckClaims: number;
  /** Sources that could not be read, and why: `logs: Loki timed out after 10 s, not used`. Absent in older reports. */
  readonly notUsed?: readonly string[];
  /** Claims that were checked, struck ones included: the denominator of the strike rate. */
  readonly claims?: number;
  readonly mind: Mind;
  readonly cost: Cost;
  /** Name and version of each prompt that was used, `investigate@3`. */
  readonly prompts: readonly string[];
}

export interface InvestigationStep {
  readonly id: string;
  readonly title: string;
  readonly state: "running" | "done" | "failed";
  /** What came of it, one line. */
  readonly outcome: string | null;
  readonly startedAt: EpochMs;
  readonly duration: Milliseconds | null;
}

export type InvestigationState = "running" | "done" | "failed" | "cancelled";

export interface Investigation {
  readonly id: string;
  readonly incidentId: string | null;
  readonly trigger: "anomaly" | "question" | "alert";
  readonly question: string | null;
  readonly anomalies: readonly Anomaly[];
  readonly state: InvestigationState;
  /** Wall clock. */
  readonly startedAt: EpochMs;
  readonly finishedAt: EpochMs | null;
  readonly steps: readonly InvestigationStep[];
  /** What is held of the rivals while it runs; the report's own afterwards. */
  readonly hypotheses?: readonly Hypothesis[];
  /** Spent so far, while it runs; before an interruption, too. */
  readonly cost?: Cost;
  /** How often it was interrupted while it ran, by a crash or a restart, and begun anew. Absent: never. */
  readonly interruptions?: number;
  readonly report: InvestigationReport | null;
  /** The private place whose words the report may rest on, `slack:C0123`; absent where everyone may know it. */
  readonly audience?: string | null;
}

/** A measured course as a picture's data, with the one it is compared with shifted onto the same time. */
export interface Chart {
  readonly title: string;
  /** Says in words what the picture shows. */
  readonly alt: string;
  readonly unit: string;
  readonly points: readonly MetricPoint[];
  readonly compared: readonly MetricPoint[];
}

/** An engineer's question answered in the thread. */
export interface Answer {
  readonly text: string;
  readonly evidence: readonly Evidence[];
  readonly mind: Mind;
  readonly cost: Cost;
  /** Set when the question turned out to need an investigation, or changed the one of its thread. */
  readonly report: InvestigationReport | null;
  /** The investigation that `report` replaces, because somebody objected or asked to look further. */
  readonly revises?: string | null;
  readonly chart?: Chart | null;
}

/** What is being looked at, in telemetry time. */
export interface Focus {
  readonly service: ServiceName | null;
  readonly signal: RedSignal | null;
  readonly direction: "up" | "down";
  readonly onset: EpochMs;
  readonly now: EpochMs;
  /** No data arrives: nothing is known of how the service does. */
  readonly silent?: boolean;
}
