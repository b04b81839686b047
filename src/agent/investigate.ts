import { HumanMessage } from "@langchain/core/messages";
import type { Objection } from "../domain/feedback.ts";
import type { InvestigationReport } from "../domain/investigation.ts";
import { cleanUntrusted, fence } from "../domain/untrusted.ts";
import type { Engine } from "./engine.ts";
import { type Finding, findingsOf } from "./findings.ts";
import { focusOf } from "./focus.ts";
import { explainFailure } from "./model/failure.ts";
import { recordObjection } from "./objection.ts";
import { SpanKind, spanned } from "./observe.ts";
import { investigatePolicy } from "./offline/investigate.ts";
import type { Composed } from "./prompts.ts";
import type { Recording } from "./recording.ts";
import { assemble } from "./report.ts";
import { Session } from "./session.ts";
import { utc } from "./time-words.ts";
import { investigationTools } from "./tools/index.ts";
import { SUBMIT_REPORT } from "./tools/submit-report.ts";
import type { AgentDependencies, AgentEvents, InvestigateRequest } from "./types.ts";
import { deviation, percent } from "./words.ts";

/** How an investigation begins otherwise than from nothing. */
export interface Beginning {
  /** A replay: the recording answers instead of the sources. */
  readonly replays?: Recording;
  /** Taken up again: what was found stays, and what a person said is weighed. */
  readonly takesUp?: { readonly recording: Recording | null; readonly objection: Objection };
  /** False files nothing. */
  readonly proposes?: boolean;
}

/** Investigates with the first mind that can, and with the offline reasoner when none can. Evidence gathered by one that fails is kept. */
export async function investigate(
  engine: Engine,
  request: InvestigateRequest,
  events: AgentEvents,
  signal: AbortSignal,
  { replays, takesUp, proposes = true }: Beginning = {},
): Promise<InvestigationReport> {
  const { deps, chain, wall, observer } = engine;
  const { investigationId, requester, channel, anomalies, spent } = request;
  const earlier = replays ?? takesUp?.recording ?? null;
  const focus = earlier?.focus ?? (await focusOf(request, deps));
  const session = new Session({
    deps,
    focus,
    investigationId,
    requester,
    signal,
    events,
    wall,
    channel,
    observer,
    recording: replays ?? null,
    findings: takesUp ? (takesUp.recording?.findings ?? []) : await testsThatStand(deps, request),
    spent,
  });
  const attributes = {
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.provider.name": "vigil",
    "gen_ai.agent.name": "vigil",
    "gen_ai.conversation.id": investigationId,
  };
  const span = { name: "invoke_agent vigil", kind: SpanKind.INTERNAL, attributes, parent: session.trace };
  return spanned(observer.tracer, span, async (open, inner) => {
    session.trace = inner;
    await session.show(
      takesUp ? "Looking again" : "Triage",
      async () => anomalies[0] ?? null,
      (worst) =>
        takesUp ? takesUp.objection.words : worst ? symptomOf(worst) : `Looking at ${focus.service ?? "all services"}, as asked.`,
    );
    if (takesUp) {
      if (takesUp.recording) session.ledger.restore(takesUp.recording.hypotheses);
      recordObjection(session, takesUp.objection);
    }
    for (const { evidence, details } of replays ? findingsOf(replays.findings, "statement") : [])
      session.add(session.reserve(), evidence.tool, evidence.args, evidence, details);
    const learned = replays ? { examples: replays.learned, lessons: [] } : await whatWasLearned(engine, request);
    const prompt = engine.prompts.compose("investigate", { now: utc(focus.now) });
    const task = taskOf(engine, request, session, learned, takesUp?.objection ?? null);
    const tools = await investigationTools(session, engine.limits);
    let model: string | null = null;
    let failures: readonly string[] = [];
    if (!chain.isEmpty) {
      try {
        const thought = await chain.think({
          session,
          systemPrompt: prompt.text,
          tools,
          messages: [new HumanMessage(task.text)],
          steers: true,
          wanting: () => (session.draft ? null : `You ended without ${SUBMIT_REPORT}. Call it now.`),
        });
        model = thought.model;
        failures = thought.failures;
      } catch (error) {
        signal.throwIfAborted();
        failures = [explainFailure(error)];
        session.draft = null;
        session.invalidDrafts = 0;
      }
    }
    const testable = replays?.testable ?? (await session.deps.causal.candidates().catch(() => [])).map(({ flag }) => flag);
    if (!session.draft) {
      const settings = { minimumConfidence: engine.minimumConfidence, propose: proposes, objection: takesUp?.objection ?? null };
      const policy = investigatePolicy(session, anomalies, new Set(testable), settings);
      await engine.thinkOffline({ session, policy, tools, systemPrompt: prompt.text, task: task.text });
    }
    if (!session.draft) throw new Error("The offline reasoner ended without a report; this is a bug.");
    const report = assemble(session.draft, session, {
      mind: engine.mind(model, failures),
      prompts: chain.isEmpty ? [] : [...new Set([...prompt.versions, ...task.versions])],
      minimumConfidence: engine.minimumConfidence,
      anomalies,
    });
    events.onRecorded?.({
      version: 1,
      investigationId,
      anomalies,
      question: request.question,
      focus,
      services: await session.services(),
      testable,
      findings: session.findings,
      hypotheses: report.hypotheses,
      learned: [...learned.examples, ...learned.lessons],
    });
    open.setAttributes({
      "vigil.outcome": report.outcome,
      "vigil.mind": report.mind.kind,
      "vigil.struck_claims": report.struckClaims,
    });
    observer.meter.finished({
      task: "investigate",
      mind: report.mind.kind,
      outcome: report.outcome,
      fellBack: report.mind.kind === "offline" && !chain.isEmpty,
      seconds: report.cost.duration / 1_000,
      claims: report.claims ?? 0,
      struck: report.struckClaims,
      suspicious: report.evidence.filter(({ suspicious }) => suspicious).length,
    });
    return report;
  });
}

/**
 * While people are asked about a flag, no test may move it: the one that led to the proposal is still the newest there is. Everything else is
 * measured anew.
 */
async function testsThatStand(
  { proposalsOf }: AgentDependencies,
  { investigationId, lastLook }: InvestigateRequest,
): Promise<readonly Finding[]> {
  const tests = findingsOf(lastLook?.findings ?? [], "causal").filter(({ details }) => details.result !== null);
  if (tests.length === 0) return [];
  const filed = (await proposalsOf?.(investigationId).catch(() => [])) ?? [];
  const awaited = new Set(filed.filter(({ state }) => state === "pending" || state === "approved").map(({ target }) => target));
  return tests.filter(({ details }) => awaited.has(`flag:${details.flag}`));
}

interface Learned {
  readonly examples: readonly string[];
  readonly lessons: readonly string[];
}

async function whatWasLearned({ deps }: Engine, { anomalies, question }: InvestigateRequest): Promise<Learned> {
  const symptom = anomalies.map(symptomOf).join("; ") || (question ?? "");
  const [examples, lessons] = await Promise.all([
    deps.learned.exemplars(symptom).catch((): readonly string[] => []),
    deps.learned.lessons?.(symptom).catch((): readonly string[] => []) ?? [],
  ]);
  return { examples, lessons };
}

function taskOf(
  { prompts }: Engine,
  { anomalies, question }: InvestigateRequest,
  session: Session,
  learned: Learned,
  objection: Objection | null,
): Composed {
  const symptoms =
    anomalies.slice(0, 10).map(symptomOf).join("\n") || `none measured; service ${session.focus.service ?? "unknown"}`;
  if (objection) {
    const held = session.ledger.hypotheses.map(
      ({ id, statement, confidence, status }) => `${id} (${percent(confidence)}, ${status}) ${statement}`,
    );
    return prompts.compose("revise", {
      symptoms,
      held: fence("hypotheses", held.join("\n") || "nothing"),
      findings: session.evidence.map(({ id, title, summary }) => `[${id}] ${title}\n${fence("evidence", summary)}`).join("\n"),
      objection: fence("chat", cleanUntrusted(objection.words, 2_000).text),
    });
  }
  const fenced = (texts: readonly string[]) => fence("feedback", cleanUntrusted(texts.join("\n") || "none yet", 2_000).text);
  return prompts.compose("task", {
    symptoms,
    question: fence("question", cleanUntrusted(question ?? "nobody asked", 2_000).text),
    examples: fenced(learned.examples),
    lessons: fenced(learned.lessons),
  });
}

export function symptomOf(one: InvestigateRequest["anomalies"][number]): string {
  return one.kind === "missing"
    ? `${deviation(one)} since ${utc(one.startedAt)}; that is missing data, not a fall of traffic`
    : `${deviation(one)} against its baseline since ${utc(one.startedAt)}`;
}
