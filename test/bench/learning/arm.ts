import { createSreAgent } from "../../../src/agent/index.ts";
import type { Anomaly } from "../../../src/domain/anomaly.ts";
import type { Investigation, InvestigationReport } from "../../../src/domain/investigation.ts";
import type { Proposal } from "../../../src/domain/proposal.ts";
import type { ServiceGraph } from "../../../src/domain/service.ts";
import type { ChangeEvent } from "../../../src/domain/telemetry.ts";
import { type EpochMs, HOUR, MINUTE } from "../../../src/domain/time.ts";
import { recordedDesk, recordedTester } from "../../../src/flows/eval/desk.ts";
import { generate } from "../../../src/flows/eval/index.ts";
import { chance } from "../../../src/flows/eval/random.ts";
import type { Effect, Scenario } from "../../../src/flows/eval/scenario.ts";
import { recordedScanner } from "../../../src/flows/eval/watch.ts";
import { takeFeedback } from "../../../src/flows/feedback.ts";
import { Inference } from "../../../src/flows/infer.ts";
import { Learning } from "../../../src/flows/learn.ts";
import { followsChange, isTelling } from "../../../src/flows/telling.ts";
import { type Embedder, type Knowledge, openKnowledge } from "../../../src/knowledge/index.ts";
import { type Course, courseName, type Patience } from "../../../src/learning/thresholds.ts";
import { FeedbackRepository } from "../../../src/store/feedback.ts";
import { KnowledgeRepository } from "../../../src/store/knowledge.ts";
import { LearningRepository } from "../../../src/store/learning.ts";
import { openStateDatabase } from "../../../src/store/state.ts";
import { openTelemetryStore } from "../../../src/store/telemetry/index.ts";
import { type Standing, voices } from "./team.ts";
import { type Episode, STEP } from "./watch.ts";
import { type PlannedIncident, shopServices, worldOf } from "./world.ts";

/** What became of one episode in one arm. */
export interface Lived {
  readonly at: EpochMs;
  readonly incident: PlannedIncident | null;
  /** Null when people were never told. */
  readonly toldAt: EpochMs | null;
  readonly standing: Standing | null;
  readonly leadRight: boolean;
  /** The report as a claim that people read, whatever raised it: that nothing is wrong is right of a false alarm. */
  readonly claim: { readonly confidence: number; readonly right: boolean };
  /** How likely Vigil said that anything was wrong at all; null when it did not say. */
  readonly real: number | null;
  /** Place of the right cause among the hypotheses, from 1; null when it is not among them. */
  readonly rank: number | null;
  readonly proposed: boolean;
  readonly accepted: boolean;
  readonly helped: boolean;
}

export interface ArmOptions {
  readonly learning: boolean;
  readonly sabotage: boolean;
  readonly seed: number;
  readonly embedder: Embedder;
  readonly prompts: string;
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const HISTORY = 4 * HOUR;
const ORDER = Object.keys(shopServices(false));
const GRAPH = {
  nodes: ORDER,
  edges: Object.entries(shopServices(false)).flatMap(([caller, { calls }]) =>
    Object.keys(calls).map((callee) => ({ caller, callee })),
  ),
} as unknown as ServiceGraph;

/** Whether each anomaly follows a change, as the watcher would note it. */
function afterChanges({ anomalies, incident, routine }: Episode): Anomaly[] {
  const changes = [
    ...routine.map(({ at, change }) => ({ at, services: change.services ?? [] })),
    ...(incident?.changes ?? []).map(({ at, services = [] }) => ({ at: at + (incident?.from ?? 0), services })),
  ];
  return anomalies.map((one) => {
    const open = anomalies.filter(
      ({ detectedAt, endedAt }) => detectedAt <= one.detectedAt && (endedAt ?? one.detectedAt + 1) > one.detectedAt,
    );
    return { ...one, afterChange: followsChange(one, open, GRAPH, changes) };
  });
}

function remembering(patience: (course: Course) => Patience): (course: Course) => Patience {
  const known = new Map<string, Patience>();
  return (course) => {
    const key = courseName(course);
    const found = known.get(key) ?? patience(course);
    known.set(key, found);
    return found;
  };
}

/** One year of one team with one Vigil: its own detectors' alarms, its real agent, knowledge, feedback and learning. */
export class Arm {
  readonly #options: ArmOptions;
  readonly #investigations = new Map<string, Investigation>();
  readonly #proposals: Proposal[] = [];
  readonly #knowledge: Knowledge;
  readonly #feedback: FeedbackRepository;
  readonly learning: Learning;
  readonly #inference: Inference;
  #now: EpochMs = 0;
  /** The incident's change and what people did to take it back. */
  #cures: ChangeEvent[] = [];

  private constructor(options: ArmOptions, knowledge: Knowledge, feedback: FeedbackRepository, undone: LearningRepository) {
    this.#options = options;
    this.#knowledge = knowledge;
    this.#feedback = feedback;
    this.learning = new Learning({
      investigations: { list: async () => [...this.#investigations.values()] },
      feedback,
      proposals: async () => this.#proposals,
      undone,
      enabled: options.learning,
      now: () => this.#now,
      log: silent,
    });
    this.#inference = new Inference({
      investigations: {
        get: async (id) => this.#investigations.get(id) ?? null,
        ofIncident: async (id) => this.#investigations.get(id) ?? null,
      },
      feedback,
      proposals: async () => this.#proposals,
      changes: { changes: async () => this.#cures },
      learning: this.learning,
      now: () => this.#now,
    });
  }

  static async open(options: ArmOptions): Promise<Arm> {
    const state = await openStateDatabase(":memory:");
    let arm: Arm | null = null;
    const knowledge = await openKnowledge({
      store: new KnowledgeRepository(state),
      embedder: { model: options.embedder.model, embed: (texts) => options.embedder.embed(texts), close: async () => {} },
      boost: (id, services) => arm?.learning.boost(id, services) ?? { value: 0, because: [] },
    });
    arm = new Arm(options, knowledge, new FeedbackRepository(state), new LearningRepository(state));
    await arm.learning.publishTo(knowledge);
    return arm;
  }

  async live(raised: Episode, index: number): Promise<Lived> {
    const episode = { ...raised, anomalies: afterChanges(raised) };
    const random = chance(this.#options.seed * 100_003 + index);
    const { incident } = episode;
    const begun = Math.min(...episode.anomalies.map(({ startedAt }) => startedAt));
    this.#now = Math.min(...episode.anomalies.map(({ detectedAt }) => detectedAt));
    const toldAt = this.#tellingTime(episode);
    const untold = {
      at: begun,
      incident,
      toldAt: null,
      standing: null,
      leadRight: false,
      claim: { confidence: 0, right: false },
      real: null,
      rank: null,
      proposed: false,
      accepted: false,
      helped: false,
    };
    if (toldAt === null || (incident && toldAt > incident.to)) return untold;
    this.#now = toldAt + STEP;
    const anomalies = fromTheTop(episode.anomalies).filter(
      ({ detectedAt, endedAt }) => detectedAt <= this.#now && (endedAt ?? this.#now) >= toldAt,
    );
    const id = `INV-${index + 1}`;
    const { report, filed } = await this.#investigate(id, episode, anomalies, begun);
    this.#join(id, episode.anomalies);
    const isRight = (one: InvestigationReport["hypotheses"][number] | undefined) =>
      one !== undefined && incident !== null && right(one, incident);
    const leadRight = isRight(report.hypotheses[0]);
    const rank = report.hypotheses.findIndex(isRight);
    const standing: Standing =
      incident === null ? "noise" : report.outcome !== "cause_found" ? "unknown" : leadRight ? "right" : "wrong";
    const accepted = filed !== null && random.uniform() < (leadRight ? 0.95 : 0.3);
    if (filed && accepted) await this.#act(filed, leadRight);
    for (const { user, verdict, realCause, at } of voices(random, standing, incident, toldAt, this.#options.sabotage)) {
      this.#now = at;
      await takeFeedback(
        {
          investigations: { get: async (one) => this.#investigations.get(one) ?? null },
          feedback: this.#feedback,
          learning: this.learning,
          show: async () => {},
          now: () => this.#now,
        },
        { investigationId: id, user: { surface: "chat", id: user, name: user }, verdict, realCause, via: "form" },
      );
    }
    if (incident && !(accepted && leadRight)) await this.#resolve(id, incident, anomalies);
    return {
      at: begun,
      incident,
      toldAt,
      standing,
      leadRight,
      claim: { confidence: report.confidence, right: incident === null ? report.outcome === "nothing_wrong" : leadRight },
      real: report.real?.chance ?? null,
      rank: rank < 0 ? null : rank + 1,
      proposed: filed !== null,
      accepted,
      helped: accepted && leadRight,
    };
  }

  /** What is raised while the incident goes on joins it, so that the verdict reaches it as well. */
  #join(id: string, anomalies: readonly Anomaly[]): void {
    const known = this.#investigations.get(id);
    if (known) this.#investigations.set(id, { ...known, anomalies });
  }

  async close(): Promise<void> {
    await this.#knowledge.close();
  }

  /** When the watcher would tell: the first step at which an open anomaly need not be waited with, or comes again soon. */
  #tellingTime({ anomalies }: Episode): EpochMs | null {
    const again = ({ service, signal, detectedAt }: Anomaly) =>
      anomalies.some(
        (one) =>
          one.service === service &&
          one.signal === signal &&
          one.endedAt !== null &&
          one.endedAt <= detectedAt &&
          detectedAt - one.endedAt < HOUR,
      );
    const patience = remembering((course: Course) => this.learning.patience(course));
    const over = Math.max(...anomalies.map(({ detectedAt, endedAt }) => endedAt ?? detectedAt));
    for (let at = Math.min(...anomalies.map(({ detectedAt }) => detectedAt)); at <= over; at += STEP) {
      const open = anomalies.filter((one) => one.detectedAt <= at && (one.endedAt ?? one.detectedAt + STEP) > at);
      if (open.some((one) => again(one) || isTelling(one, at, { open, graph: GRAPH, patience }))) return at;
    }
    return null;
  }

  async #investigate(id: string, { incident, blip, routine }: Episode, anomalies: readonly Anomaly[], begun: EpochMs) {
    const now = Math.max(this.#now, begun + 6 * MINUTE);
    const happening = incident ?? blip;
    const effects = (happening?.effects ?? []).map(
      (effect) => ({ ...effect, from: (happening?.from ?? now) - now, to: Math.min(0, (happening?.to ?? now) - now) }) as Effect,
    );
    const world = worldOf(
      this.#options.seed + Math.floor(begun / MINUTE),
      incident === null || incident.family === null,
      HISTORY,
      effects,
    );
    const from = incident?.from ?? begun;
    const changes = [
      ...(incident?.changes ?? []).map((one) => ({ ...one, at: one.at + from - now })),
      ...routine.flatMap(({ at, change }) => (at <= now ? [{ ...change, at: at - now }] : [])),
    ];
    const scenario = { id, now: new Date(now).toISOString(), changes, testable: [], documents: [], world } as unknown as Scenario;
    const recorded = generate(scenario, world);
    const store = await openTelemetryStore(":memory:");
    try {
      store.appendMetrics(recorded.metrics);
      store.appendSpans(recorded.spans);
      store.appendLogs(recorded.logs);
      store.appendChanges(recorded.changes);
      const desk = recordedDesk(recorded.changes);
      const agent = createSreAgent(
        {
          metrics: store,
          logs: store,
          traces: store,
          changes: store,
          knowledge: this.#knowledge,
          catalog: async () => recorded.catalog,
          scanner: recordedScanner(anomalies),
          desk,
          causal: recordedTester(scenario),
          clock: { now: () => now, speed: 1 },
          learned: this.learning,
        },
        { prompts: this.#options.prompts },
      );
      const told = anomalies.length > 0 ? anomalies : [];
      const report = await agent.investigate(
        { investigationId: id, anomalies: told, question: null, requester: "vigil" },
        { onStep: () => {} },
        new AbortController().signal,
      );
      // The fields that learning reads; evidence beyond the searches is left out to keep a year in memory.
      const kept = { ...report, evidence: report.evidence.filter(({ tool }) => tool === "search_past_incidents") };
      this.#investigations.set(id, {
        id,
        incidentId: null,
        trigger: "anomaly",
        question: null,
        anomalies: told,
        state: "done",
        startedAt: this.#now,
        finishedAt: this.#now,
        steps: [],
        report: kept,
      });
      const [first] = desk.filed;
      return { report, filed: first ? { request: first.request, target: first.target } : null };
    } finally {
      store.close();
    }
  }

  /** The incident ends without Vigil: where a change was to blame, people take it back, which is a change that everybody can see. */
  async #resolve(id: string, { truth, changes, from, to }: PlannedIncident, anomalies: readonly Anomaly[]): Promise<void> {
    const guilty = changes.find(({ subject, kind }) => subject === truth.subject && truth.kinds.includes(kind as "flag"));
    if (!guilty || anomalies.length === 0) return;
    const { kind, subject, services = [], actor } = guilty;
    const event = {
      kind,
      subject,
      services,
      actor,
      environment: "production",
      summary: "",
      reference: "",
      source: "bench",
    } as const;
    this.#cures = [
      { ...event, id: "guilty", at: from + guilty.at, before: guilty.before, after: guilty.after },
      { ...event, id: "cure", at: to - 3 * MINUTE, before: guilty.after, after: guilty.before },
    ];
    this.#now = Math.max(this.#now, to + 10 * MINUTE);
    await this.#inference.incidentResolved({
      id,
      state: "resolved",
      openedAt: from,
      resolvedAt: to,
      services: [],
      anomalies,
      title: "",
    });
  }

  async #act(
    {
      request,
      target,
    }: {
      request: {
        action: string;
        args: Readonly<Record<string, unknown>>;
        investigationId: string | null;
        watch: { service: string } | null;
      };
      target: string;
    },
    helps: boolean,
  ): Promise<void> {
    const proposal = {
      id: `PRO-${this.#proposals.length + 1}`,
      state: helps ? "verified" : "rolled_back",
      action: request.action,
      args: request.args,
      target: `${request.action === "roll_back_deploy" ? "deploy" : "flag"}:${target}`,
      investigationId: request.investigationId,
      criterion: request.watch,
      createdAt: this.#now,
    } as unknown as Proposal;
    this.#proposals.push(proposal);
    this.#now += 20 * MINUTE;
    await this.#inference.actionEnded(proposal);
  }
}

/** Callers first, as the watcher hands them in. */
const fromTheTop = (anomalies: readonly Anomaly[]): Anomaly[] =>
  anomalies.toSorted((a, b) => ORDER.indexOf(a.service) - ORDER.indexOf(b.service));

function right({ cause, service, statement }: InvestigationReport["hypotheses"][number], { truth }: PlannedIncident): boolean {
  return (
    truth.kinds.includes(cause) &&
    (truth.service === null || service === truth.service) &&
    (truth.subject === null || statement.includes(truth.subject))
  );
}
