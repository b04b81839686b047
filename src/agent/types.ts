import type { z } from "zod";
import type { Anomaly } from "../domain/anomaly.ts";
import type { LearnedPrior } from "../domain/feedback.ts";
import type { OpenCase } from "../domain/incident.ts";
import type {
  Answer,
  CausalTestResult,
  Cost,
  Hypothesis,
  InvestigationReport,
  InvestigationStep,
} from "../domain/investigation.ts";
import type { KnowledgeBase } from "../domain/knowledge.ts";
import type { OnCallSource } from "../domain/oncall.ts";
import type { Proposal, ProposalRequest } from "../domain/proposal.ts";
import type { CatalogEntry } from "../domain/service.ts";
import type { ChangeSource, LogSource, MetricSource, RedSignal, ServiceName, TraceSource } from "../domain/telemetry.ts";
import type { Clock, EpochMs } from "../domain/time.ts";
import type { Recording } from "./recording.ts";

export interface InvestigateRequest {
  readonly investigationId: string;
  readonly anomalies: readonly Anomaly[];
  /** What an engineer asked, when an engineer asked. */
  readonly question: string | null;
  /** Who is asking, or `vigil` when nobody did; becomes the requester of any proposal. */
  readonly requester: string;
  /** Whose daily budget it counts against, `slack:C0123`; null where there is none. */
  readonly channel?: string | null;
  /** What was spent on it before it was interrupted: counts against the same budget and is part of its cost. */
  readonly spent?: Cost | null;
  /** What the look before this one saw, when there was one. */
  readonly lastLook?: Recording | null;
}

export interface ConversationTurn {
  readonly from: "engineer" | "vigil";
  readonly text: string;
  readonly at: EpochMs;
}

export interface QuestionRequest {
  readonly question: string;
  /** Earlier turns of the thread, oldest first. */
  readonly history: readonly ConversationTurn[];
  /** The investigation whose thread it is, with its report, when there is one. */
  readonly investigation: {
    readonly id: string;
    readonly anomalies: readonly Anomaly[];
    readonly report: InvestigationReport | null;
    /** What its tools found, so that it can be taken up again. */
    readonly recording?: Recording | null;
  } | null;
  readonly requester: string;
  readonly channel?: string | null;
}

/** What is known while an investigation runs. */
export interface Progress {
  readonly hypotheses: readonly Hypothesis[];
  readonly cost: Cost;
}

export interface AgentEvents {
  /** Called when a step starts and again, with the same id, when it ends. */
  onStep(step: InvestigationStep): void;
  /** Called when the rivals were weighed and when something was spent. */
  onProgress?(progress: Progress): void;
  /** Called at the end, with everything that a replay or a second look needs. */
  onRecorded?(recording: Recording): void;
}

/** The one who reasons. Never throws for a failing model: it falls back to the offline reasoner and says so in `mind`. */
export interface SreAgent {
  investigate(request: InvestigateRequest, events: AgentEvents, signal: AbortSignal): Promise<InvestigationReport>;
  answer(request: QuestionRequest, events: AgentEvents, signal: AbortSignal): Promise<Answer>;
}

export interface ReplayingAgent extends SreAgent {
  /** Investigates once more from what was recorded, with this agent's model and prompts. Asks no source and files nothing. */
  replay(recording: Recording, events: AgentEvents, signal: AbortSignal): Promise<InvestigationReport>;
}

/** An action of the catalogue as the agent sees it: enough to offer a tool, nothing that executes. */
export interface ProposableAction {
  readonly name: string;
  readonly description: string;
  readonly schema: z.ZodObject;
}

/** Files gated proposals and says who may decide them; it decides nothing. A refusal is a value that says which rule refused and what would be allowed. */
export interface ProposalDesk {
  readonly actions: readonly ProposableAction[];
  file(
    request: ProposalRequest,
  ): Promise<{ readonly ok: true; readonly proposal: Proposal } | { readonly ok: false; readonly refusal: string }>;
  /** Files anew what ended without having run; absent where nothing is kept. */
  again?(
    proposalId: string,
    actor: string,
  ): Promise<{ readonly accepted: boolean; readonly text: string; readonly proposal: Proposal | null }>;
  /** Whether this person, `surface:id`, could approve it now. */
  mayDecide?(proposal: Proposal, actor: string): Promise<boolean>;
}

/** Runs the causal test through the gated executor and always restores the flag. */
export interface CausalTester {
  run(
    request: {
      readonly flag: string;
      readonly service: ServiceName;
      readonly signal: RedSignal;
      readonly investigationId: string;
    },
    signal: AbortSignal,
  ): Promise<{ readonly ok: true; readonly result: CausalTestResult } | { readonly ok: false; readonly refusal: string }>;
  /** Flags that can be tested now, with the services that read them where known. */
  candidates(): Promise<
    readonly { readonly flag: string; readonly services: readonly ServiceName[]; readonly percent: number }[]
  >;
}

/** Judges a past window of a service's signal by its seasonal baseline; used to ask "what else is anomalous?". */
export interface AnomalyScanner {
  scan(services: readonly ServiceName[], at: EpochMs): Promise<readonly Anomaly[]>;
}

/** One tool that another server offers and the operator allowed. */
export interface ForeignTool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of its arguments. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** Where it comes from, for people. */
  readonly server: string;
  /** @returns what it says, as text written by others @throws with a reason that can be shown */
  call(args: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<string>;
}

export interface ForeignTools {
  /** Those that can be reached now. Never throws. */
  list(): Promise<readonly ForeignTool[]>;
}

/** Everything the agent may use. Nothing in here can change the world except by filing a proposal or a cohort-limited causal test. */
export interface AgentDependencies {
  readonly metrics: MetricSource;
  readonly logs: LogSource;
  readonly traces: TraceSource;
  readonly changes: ChangeSource;
  readonly knowledge: KnowledgeBase;
  readonly catalog: () => Promise<readonly CatalogEntry[]>;
  readonly scanner: AnomalyScanner;
  readonly desk: ProposalDesk;
  readonly causal: CausalTester;
  readonly clock: Clock;
  /** Absent where no rota is connected. */
  readonly onCall?: OnCallSource;
  /** What is going on now, newest first, as far as the one who asks may know it. Absent where nothing is watched. */
  readonly openCases?: () => Promise<readonly OpenCase[]>;
  /** What began since then and is over, newest first, as far as the one who asks may know it. Telemetry time. */
  readonly pastCases?: (since: EpochMs) => Promise<readonly OpenCase[]>;
  /** Everything that was proposed for an investigation, whatever became of it. Absent where nothing is kept. */
  readonly proposalsOf?: (investigationId: string) => Promise<readonly Proposal[]>;
  /** Tools of others, read-only; absent where none are connected. */
  readonly foreign?: ForeignTools;
  /** What learning feeds back: hints about past verdicts, calibrated confidence. Absent pieces mean "nothing learned yet". */
  readonly learned: LearnedContext;
}

/** What feedback has taught, as the agent reads it. */
export interface LearnedContext {
  /** Maps a raw confidence in a cause to one that matches how often the like of it was right, given that something was wrong at all. */
  calibrate(raw: number, of: Pick<Hypothesis, "cause" | "service" | "changeId">): number;
  /** How likely it is that something is wrong at all; null or absent: nothing is known. */
  real?(anomalies: readonly Anomaly[]): InvestigationReport["real"];
  /** Short texts for the prompt: confirmed investigations, the most similar first. Fenced as data, never instructions. */
  exemplars(symptom: string): Promise<readonly string[]>;
  /** Mistakes that people pointed out, the most similar first. Fenced as data. */
  lessons?(symptom: string): Promise<readonly string[]>;
  /** What confirmed causes say of these services, strongest first; an entry without a service counts for all others. Absent: nothing. */
  priors?(services: readonly ServiceName[]): readonly LearnedPrior[];
}
