import { type AgentOptions, createSreAgent } from "../../agent/index.ts";
import type { AgentDependencies, AnomalyScanner } from "../../agent/types.ts";
import type { Anomaly } from "../../domain/anomaly.ts";
import type { InvestigationReport, InvestigationStep } from "../../domain/investigation.ts";
import type { KnowledgeBase } from "../../domain/knowledge.ts";
import type { ChangeEvent, ChangeSource, LogSource, MetricSource, TraceSource } from "../../domain/telemetry.ts";
import type { TelemetrySink } from "../../domain/telemetry-sink.ts";
import { HOUR } from "../../domain/time.ts";
import { ContextMeter, type ContextSize } from "./context.ts";
import { type RecordedDesk, recordedDesk, recordedTester } from "./desk.ts";
import type { Recorded } from "./generate.ts";
import type { Scenario } from "./scenario.ts";
import { type Score, score } from "./score.ts";
import { recordedScanner, watchRecording } from "./watch.ts";

/** Where a scenario's telemetry is put and read from again, for instance the real store in memory. */
export interface EvalStore extends MetricSource, LogSource, TraceSource, ChangeSource, TelemetrySink {
  appendChanges(changes: readonly ChangeEvent[]): void;
  close(): void;
}

export interface EvalPlaces {
  readonly openStore: () => Promise<EvalStore>;
  /** Tokens of a text. */
  readonly countTokens: (text: string) => number;
  /** Knowledge that holds the scenario's documents. */
  readonly openKnowledge: (documents: Scenario["documents"]) => Promise<KnowledgeBase & { close(): Promise<void> }>;
}

/** One run of one scenario by one mind. */
export interface EvalRun {
  readonly scenario: Scenario;
  /** `offline reasoner`, or a model's name. */
  readonly mind: string;
  readonly score: Score;
  readonly report: InvestigationReport;
  readonly steps: readonly InvestigationStep[];
  readonly filed: RecordedDesk["filed"];
  readonly context: ContextSize;
}

/**
 * Loads one scenario into a store and lets the real agent investigate it.
 *
 * @param options of the agent: which model, prompts and budget
 */
export async function runScenario(
  scenario: Scenario,
  recorded: Recorded,
  places: EvalPlaces,
  options: AgentOptions,
): Promise<EvalRun> {
  const meter = new ContextMeter(places.countTokens);
  const store = await places.openStore();
  const knowledge = await places.openKnowledge(scenario.documents);
  try {
    store.appendMetrics(recorded.metrics);
    store.appendSpans(recorded.spans);
    store.appendLogs(recorded.logs);
    store.appendChanges(recorded.changes);
    const anomalies = await detected(scenario, recorded, store);
    const desk = recordedDesk(recorded.changes);
    const deps: AgentDependencies = {
      metrics: store,
      logs: store,
      traces: store,
      changes: store,
      knowledge,
      catalog: async () => recorded.catalog,
      scanner: scenario.world || scenario.alert ? recordedScanner(anomalies) : NO_BASELINE,
      desk,
      causal: recordedTester(scenario),
      clock: { now: () => recorded.now, speed: 1 },
      learned: { calibrate: (raw) => raw, exemplars: async () => [] },
    };
    const steps = new Map<string, InvestigationStep>();
    const report = await createSreAgent(deps, { ...options, onContext: (context) => meter.add(context) }).investigate(
      {
        investigationId: `EVAL-${scenario.id}`,
        anomalies: handedIn(scenario, anomalies, recorded.now),
        question: scenario.question ?? null,
        requester: "eval",
      },
      { onStep: (step) => steps.set(step.id, step) },
      new AbortController().signal,
    );
    const { headline, hypotheses, contributingFactors, whatChanged, whatElseIsAnomalous, seenBefore, nextChecks } = report;
    meter.wrote(
      JSON.stringify({ headline, hypotheses, contributingFactors, whatChanged, whatElseIsAnomalous, seenBefore, nextChecks }),
    );
    return {
      scenario,
      mind: report.mind.name,
      score: score(scenario.expect, report, desk.filed, recorded.changes),
      report,
      steps: [...steps.values()],
      filed: desk.filed,
      context: meter.size,
    };
  } finally {
    await knowledge.close();
    store.close();
  }
}

/** Where nothing has learned what is normal at this hour, nothing can be said to be within it. */
const NO_BASELINE: AnomalyScanner = {
  scan: () => Promise.reject(new Error("No baseline was learned for this recording; compare with the time before instead.")),
};

/** A recording of an incident has too little past for detectors; its symptom stands in for them. */
async function detected(scenario: Scenario, recorded: Recorded, store: EvalStore): Promise<Anomaly[]> {
  if (!scenario.world) return alarmed(scenario, recorded.now);
  return watchRecording(store, await store.services(), recorded.now - Math.max(scenario.world.history, HOUR), recorded.now);
}

/** With a question, what the detectors know is left for the agent to find. */
function handedIn(scenario: Scenario, anomalies: readonly Anomaly[], now: number): readonly Anomaly[] {
  if (scenario.alert) return alarmed(scenario, now);
  return scenario.question === undefined ? anomalies : [];
}

function alarmed({ alert }: Scenario, now: number): Anomaly[] {
  if (!alert) return [];
  const { service, signal, change, from } = alert;
  const expected = signal === "errors" ? 0.001 : 0.1;
  return [
    {
      id: "alert",
      service,
      signal,
      labels: {},
      kind: "level",
      direction: change >= 0 ? "up" : "down",
      startedAt: now + from,
      detectedAt: now,
      endedAt: null,
      observed: expected * (1 + change),
      expected,
      relativeChange: change,
      score: 1.5,
    },
  ];
}
