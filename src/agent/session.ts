import { type Context, context } from "@opentelemetry/api";
import type {
  CausalTestResult,
  Cost,
  Evidence,
  EvidenceId,
  Focus,
  Hypothesis,
  InvestigationStep,
} from "../domain/investigation.ts";
import type { ServiceName, TimeRange } from "../domain/telemetry.ts";
import { type EpochMs, HOUR, MINUTE, type Milliseconds } from "../domain/time.ts";
import { cleanUntrusted, redact } from "../domain/untrusted.ts";
import { type Finding, findingsOf } from "./findings.ts";
import { type Held, Ledger } from "./ledger.ts";
import { notedSources } from "./noted-sources.ts";
import { type Observer, unobserved } from "./observe.ts";
import type { Recording } from "./recording.ts";
import type { ReportDraft } from "./report-schema.ts";
import type { AgentDependencies, AgentEvents } from "./types.ts";

export type EvidenceDraft = Omit<Evidence, "id" | "tool" | "args" | "at">;

/** One investigation or answer in progress: the evidence gathered, what was filed, and what it has cost. Outlives a failing model. */
export class Session {
  readonly deps: AgentDependencies;
  readonly focus: Focus;
  readonly investigationId: string;
  /** The investigation that "it" means: its own, that of the thread, or the newest that is open; null when there is none. */
  readonly about: string | null;
  readonly requester: string;
  /** Whose daily budget it counts against; null counts against the whole day's only. */
  readonly channel: string | null;
  readonly signal: AbortSignal;
  /** Wall clock. */
  readonly startedAt: EpochMs;
  /** Answers calls instead of the sources: a replay. */
  readonly recording: Recording | null;
  readonly ledger = new Ledger();
  readonly observer: Observer;
  /** Of the span that stands for all of this. */
  trace: Context;
  /** Sources that could not be read, as the report says it. */
  readonly notUsed = new Set<string>();
  readonly proposals: string[] = [];
  readonly findings: Finding[] = [];
  draft: ReportDraft | null = null;
  invalidDrafts = 0;
  /** A mind found that the message should change the investigation of its thread. */
  reopens = false;
  toolCalls = 0;
  modelCalls = 0;
  inputTokens = 0;
  outputTokens = 0;
  dollars = 0;
  readonly #cache = new Map<string, Promise<Finding>>();
  readonly #events: AgentEvents;
  readonly #wall: () => EpochMs;
  #lastId: number;
  #steps = 0;
  #services: Promise<readonly ServiceName[]> | null = null;

  constructor(given: {
    readonly deps: AgentDependencies;
    readonly focus: Focus;
    readonly investigationId: string;
    readonly about?: string | null;
    readonly requester: string;
    readonly signal: AbortSignal;
    readonly events: AgentEvents;
    readonly wall: () => EpochMs;
    /** What an interrupted try before this one has cost. */
    readonly spent?: Cost | null | undefined;
    readonly channel?: string | null | undefined;
    /** Evidence ids go on after this number; 0 for a new investigation. */
    readonly evidenceSoFar?: number;
    /** What was found before, when an investigation is taken up again; its calls are not repeated. */
    readonly findings?: readonly Finding[];
    readonly recording?: Recording | null;
    readonly observer?: Observer;
  }) {
    this.deps = notedSources(given.deps, (failure) => this.notUsed.add(failure));
    this.focus = given.focus;
    this.investigationId = given.investigationId;
    this.about = given.about ?? null;
    this.requester = given.requester;
    this.channel = given.channel ?? null;
    this.signal = given.signal;
    const { spent } = given;
    this.startedAt = given.wall() - (spent?.duration ?? 0);
    this.toolCalls = spent?.toolCalls ?? 0;
    this.modelCalls = spent?.modelCalls ?? 0;
    this.inputTokens = spent?.inputTokens ?? 0;
    this.outputTokens = spent?.outputTokens ?? 0;
    this.dollars = spent?.dollars ?? 0;
    this.recording = given.recording ?? null;
    this.observer = given.observer ?? unobserved();
    this.trace = context.active();
    this.#events = given.events;
    this.#wall = given.wall;
    this.#lastId = given.evidenceSoFar ?? 0;
    for (const finding of given.findings ?? []) {
      const { id, tool, args } = finding.evidence;
      this.findings.push(finding);
      this.#cache.set(callKey(tool, args), Promise.resolve(finding));
      this.#lastId = Math.max(this.#lastId, Number(id.slice(1)) || 0);
    }
  }

  /** Updates the rivals and shows them. */
  hold(stated: readonly Held[], options: { readonly only?: boolean } = {}): readonly Hypothesis[] {
    const held = this.ledger.hold(stated, options);
    this.progress();
    return held;
  }

  /** What it has cost so far. */
  get cost(): Cost {
    const { inputTokens, outputTokens, dollars, toolCalls, modelCalls } = this;
    return { inputTokens, outputTokens, dollars, toolCalls, modelCalls, duration: this.#wall() - this.startedAt };
  }

  /** Shows what is held and what it has cost. */
  progress(): void {
    this.#events.onProgress?.({ hypotheses: this.ledger.hypotheses, cost: this.cost });
  }

  get evidence(): readonly Evidence[] {
    return this.findings.map(({ evidence }) => evidence).sort((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)));
  }

  get causalTest(): CausalTestResult | null {
    return findingsOf(this.findings, "causal").findLast(({ details }) => details.result)?.details.result ?? null;
  }

  /** Every service known to telemetry or to the catalogue. */
  services(): Promise<readonly ServiceName[]> {
    if (this.recording) return Promise.resolve(this.recording.services);
    this.#services ??= Promise.all([this.deps.metrics.services().catch(() => []), this.deps.catalog().catch(() => [])]).then(
      ([seen, catalogued]) => [...new Set([...seen, ...catalogued.map(({ name }) => name)])].sort(),
    );
    return this.#services;
  }

  /** From the onset to now, at least four minutes and at most two hours: what was normal before the onset would water it down. */
  get during(): TimeRange {
    const { onset, now } = this.focus;
    return { from: Math.max(now - 2 * HOUR, Math.min(onset, now - 4 * MINUTE)), to: now };
  }

  /** As long as `during`, at least half an hour, ending a little before the onset because onsets are estimates. */
  get before(): TimeRange {
    const { from, to } = this.during;
    const end = Math.min(this.focus.onset, from) - 5 * MINUTE;
    return { from: end - Math.max(30 * MINUTE, to - from), to: end };
  }

  /** Sampling step that gives both windows enough points without asking for too many. */
  get step(): Milliseconds {
    return MINUTE;
  }

  /** The same call within one investigation is answered once. */
  once(key: string, make: () => Promise<Finding>): Promise<Finding> {
    const known = this.#cache.get(key);
    if (known) return known;
    const made = make();
    this.#cache.set(key, made);
    made.catch(() => this.#cache.delete(key));
    return made;
  }

  /** Ids are given out when a call starts, so that parallel calls get them in the order in which they were made. */
  reserve(): EvidenceId {
    return `E${++this.#lastId}`;
  }

  add(
    id: EvidenceId,
    tool: string,
    args: Readonly<Record<string, unknown>>,
    draft: EvidenceDraft,
    details: Finding["details"],
  ): Finding {
    const summary = cleanUntrusted(draft.summary, 2_400);
    const title = cleanUntrusted(draft.title, 300);
    // What a person said in the thread, or what Vigil filed itself, is no attempt upon it.
    const foreign = details.kind !== "statement" && details.kind !== "proposal";
    const evidence: Evidence = {
      ...draft,
      title: title.text,
      summary: summary.text,
      facts: cleanFacts(draft.facts),
      suspicious: draft.suspicious || (foreign && (summary.suspicious || title.suspicious)),
      id,
      tool,
      args: redacted(args),
      at: this.deps.clock.now(),
    };
    const finding = { evidence, details };
    this.findings.push(finding);
    return finding;
  }

  /** Runs one visible step: shown when it starts and again when it ends. */
  async show<Result>(title: string, work: () => Promise<Result>, outcome: (result: Result) => string): Promise<Result> {
    const id = `S${++this.#steps}`;
    const startedAt = this.#wall();
    const emit = (state: InvestigationStep["state"], text: string | null) => {
      const duration = state === "running" ? null : this.#wall() - startedAt;
      this.#events.onStep({ id, title, state, outcome: text, startedAt, duration });
    };
    emit("running", null);
    try {
      const result = await work();
      emit("done", cleanUntrusted(outcome(result), 240).text);
      return result;
    } catch (error) {
      emit("failed", cleanUntrusted(error instanceof Error ? error.message : String(error), 240).text);
      throw error;
    }
  }
}

/** Names and values of facts can be others' words as well: names of metrics, attributes, owners. */
function cleanFacts(facts: Evidence["facts"]): Evidence["facts"] {
  return Object.fromEntries(
    Object.entries(facts).map(([key, value]) => [
      cleanUntrusted(key, 300).text,
      typeof value === "string" ? cleanUntrusted(value, 500).text : value,
    ]),
  );
}

const redacted = (args: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(args).map(([key, value]) => [key, typeof value === "string" ? redact(value) : value]));

/** Equal for calls that ask the same; the order of arguments and those left out do not matter. */
export function callKey(tool: string, args: Readonly<Record<string, unknown>>): string {
  const given = Object.entries(args).filter(([, value]) => value !== undefined && value !== null);
  return `${tool} ${JSON.stringify(given.sort(([a], [b]) => (a < b ? -1 : 1)))}`;
}
