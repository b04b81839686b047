import { AIMessage, HumanMessage } from "@langchain/core/messages";
import type { Objection } from "../domain/feedback.ts";
import type { Answer, InvestigationReport } from "../domain/investigation.ts";
import { cleaned, cleanUntrusted, fence } from "../domain/untrusted.ts";
import { anewOf, grantAnew } from "./anew.ts";
import { chartOf } from "./chart.ts";
import type { Engine } from "./engine.ts";
import { focusOf } from "./focus.ts";
import { groundText } from "./grounding.ts";
import { investigate } from "./investigate.ts";
import { explainFailure, MindError } from "./model/failure.ts";
import { objectionOf } from "./objection.ts";
import { SpanKind, spanned } from "./observe.ts";
import { answerPolicy, unknownService } from "./offline/answer.ts";
import { type Question, understand } from "./offline/question.ts";
import { Session } from "./session.ts";
import { utc } from "./time-words.ts";
import { questionTools } from "./tools/index.ts";
import type { AgentEvents, QuestionRequest } from "./types.ts";
import { grant, wishOf } from "./wish.ts";

/** How much of a thread a model is told. */
const TURNS = 8;

/**
 * Answers a message. A plain question is answered quickly; in the thread of an investigation, an objection or a wish to look further changes that
 * investigation; "why is it slow?" about something that nobody looked into yet is investigated.
 */
export async function answer(
  engine: Engine,
  request: QuestionRequest,
  events: AgentEvents,
  signal: AbortSignal,
): Promise<Answer> {
  const { deps, chain, wall, observer } = engine;
  const thread = request.investigation;
  // "It" and "this" mean the thread's investigation; outside of one, the newest that is open.
  const open = thread ? [] : await openWith(engine);
  const newest = thread ?? open[0]?.about ?? null;
  const known = await knownServices(engine);
  const objection = thread?.report ? objectionOf(request.question, request.requester, known) : null;
  if (objection) return revise(engine, request, objection, events, signal);
  const question = understand(request.question, known, deps.clock.now(), newest?.anomalies[0]?.service ?? null, blamed(newest));
  // A service that an open case is about is asked about with that case: "why is it slow?" was looked into already.
  const about = (question.named && open.find(({ services }) => services.has(question.service ?? ""))?.about) || newest;
  const worst = about?.anomalies[0] ?? null;
  const covered = question.service !== null && !ANEW.test(request.question) && covers(open, about, question.service);
  const needsReasoning =
    question.intent === "why" && question.service !== null && question.service !== worst?.service && !covered;
  if (needsReasoning && chain.isEmpty) return investigateQuestion(engine, request, events, signal, []);
  const focus = await focusOf({ ...requestOf(request), anomalies: about?.anomalies ?? [] }, deps);
  const told = about?.report?.evidence ?? [];
  // A plain question starts its own list, unless the mind is told the report with its ids.
  const earlier = thread || !chain.isEmpty ? told.length : 0;
  const session = new Session({
    deps,
    focus: question.service ? { ...focus, service: question.service } : focus,
    investigationId: thread?.id ?? "question",
    about: about?.id ?? null,
    requester: request.requester,
    channel: request.channel,
    signal,
    events,
    wall,
    observer,
    evidenceSoFar: earlier,
  });
  const attributes = {
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.provider.name": "vigil",
    "gen_ai.agent.name": "vigil-answer",
    "gen_ai.conversation.id": session.investigationId,
  };
  const span = { name: "invoke_agent vigil-answer", kind: SpanKind.INTERNAL, attributes, parent: session.trace };
  return spanned(observer.tracer, span, async (_, inner) => {
    session.trace = inner;
    const wish = wishOf(request.question);
    const anew = wish ? null : anewOf(request.question);
    const granted = wish ? await grant(wish, about, session, engine.limits) : anew && (await grantAnew(anew, about, session));
    const said = granted || chain.isEmpty ? null : await ask(engine, request, about, session);
    if (session.reopens && thread?.report) {
      const wish: Objection = { ...NO_CLAIM, by: request.requester, words: cleanUntrusted(request.question, 600).text };
      return revise(engine, request, wish, events, signal);
    }
    const failures = said?.failures ?? [];
    if (granted == null && said?.text == null && needsReasoning)
      return investigateQuestion(engine, request, events, signal, failures);
    const text = granted ?? said?.text ?? (await answerOffline(engine, request, question, about, session));
    const mind = engine.mind(said?.text == null ? null : said.model, failures);
    const struck = said?.struck ?? 0;
    observer.meter.finished({
      task: "answer",
      mind: mind.kind,
      outcome: "answered",
      fellBack: granted === null && mind.kind === "offline" && !chain.isEmpty,
      seconds: session.cost.duration / 1_000,
      claims: said?.claims ?? 0,
      struck,
      suspicious: session.evidence.filter(({ suspicious }) => suspicious).length,
    });
    return {
      text: text + noteOf(struck),
      evidence: [
        ...(thread || (earlier === 0 && session.evidence.length > 0) ? [] : told.filter(({ id }) => text.includes(`[${id}]`))),
        ...session.evidence,
      ],
      mind,
      cost: session.cost,
      report: null,
      chart: chartOf(session.findings),
    };
  });
}

const NO_CLAIM = { doubts: false, service: null, blames: null, clears: null } as const;

const blamed = (about: About): string | null =>
  about?.report?.outcome === "cause_found" ? (about.report.hypotheses[0]?.service ?? null) : null;

async function knownServices({ deps }: Engine): Promise<readonly string[]> {
  const [services, catalog] = await Promise.all([deps.metrics.services().catch(() => []), deps.catalog().catch(() => [])]);
  return [...new Set([...services, ...catalog.map(({ name }) => name)])];
}

type About = QuestionRequest["investigation"];

interface OpenAbout {
  readonly about: NonNullable<About>;
  /** Everything that it is known to have reached. */
  readonly services: ReadonlySet<string>;
}

/** What is open, newest first, with what has a report before what has none. */
async function openWith({ deps }: Engine): Promise<readonly OpenAbout[]> {
  const cases = (await deps.openCases?.().catch(() => [])) ?? [];
  return cases
    .toSorted((a, b) => Number(b.investigation.report !== null) - Number(a.investigation.report !== null))
    .map(({ investigation: { id, anomalies, report }, incident }) => ({
      about: { id, anomalies, report },
      services: new Set([...anomalies.map(({ service }) => service), ...(incident?.services ?? [])]),
    }));
}

/** Whether the cause of what ails this service is known from a case that reaches it. */
const covers = (open: readonly OpenAbout[], about: About, service: string): boolean =>
  about?.report?.outcome === "cause_found" && open.some((one) => one.about === about && one.services.has(service));

/** Wants to have it looked into anew, whatever is known. */
const ANEW = /\b(?:investigat|diagnos|look|dig)/i;

const requestOf = ({ investigation, question, requester, channel }: QuestionRequest) => ({
  investigationId: investigation?.id ?? "question",
  question,
  requester,
  channel: channel ?? null,
});

interface Said {
  readonly model: string | null;
  /** Null when no model gave an answer that evidence bears. */
  readonly text: string | null;
  readonly failures: readonly string[];
  readonly struck: number;
  readonly claims: number;
}

async function ask({ chain, limits, prompts }: Engine, request: QuestionRequest, about: About, session: Session): Promise<Said> {
  const report = about?.report ?? null;
  const inThread = request.investigation !== null;
  const nothing = { model: null, text: null, struck: 0, claims: 0 };
  try {
    const turns = request.history
      .slice(-TURNS)
      .map(({ from, text }) =>
        from === "vigil" ? new AIMessage(text) : new HumanMessage(fence("chat", cleanUntrusted(text, 1_000).text)),
      );
    const which = inThread ? "The investigation so far" : `An investigation that is open, ${about?.id}, in case it is about that`;
    const told = report ? `\n${which}: ${fence("report", cleanUntrusted(summaryOf(report), 3_000).text)}` : "";
    const thought = await chain.think({
      session,
      systemPrompt: prompts.compose("answer", { now: utc(session.focus.now) }).text,
      tools: await questionTools(session, limits, inThread && report !== null),
      messages: [...turns, new HumanMessage(`${cleanUntrusted(request.question, 4_000).text}${told}`)],
      steers: false,
      wanting: (text) => (text.trim() || session.reopens ? null : "You said nothing. Answer the question now."),
    });
    if (session.reopens) return { ...nothing, failures: thought.failures };
    const grounded = groundText(cleaned(thought.text), [...(report?.evidence ?? []), ...session.evidence]);
    if (grounded.text.trim() === "") throw new MindError("nothing in the model's answer was borne by evidence");
    return { model: thought.model, failures: thought.failures, ...grounded };
  } catch (error) {
    session.signal.throwIfAborted();
    return { ...nothing, failures: [explainFailure(error)] };
  }
}

async function answerOffline(
  engine: Engine,
  request: QuestionRequest,
  question: Question,
  about: About,
  session: Session,
): Promise<string> {
  const report = about?.report;
  if (question.intent === "unknown_service" && question.unknown)
    return unknownService(cleanUntrusted(question.unknown.word, 80).text, question.unknown.nearest);
  if (question.intent === "why" && report)
    return request.investigation ? summaryOf(report) : `**${about.id}** looked into it: ${summaryOf(report)}`;
  const tools = await questionTools(session, engine.limits, false);
  // "What can I do?" wants help of a newcomer, and a way out of whoever has something open.
  const asked =
    question.intent === "help" && report && /\bcan (?:i|we) do\b/i.test(question.text)
      ? ({ ...question, intent: "next" } as const)
      : question;
  const policy = answerPolicy(asked, about, await session.services());
  return engine.thinkOffline({ session, policy, tools, systemPrompt: "", task: request.question.slice(0, 4_000) });
}

/** Takes the thread's investigation up again with what was said; the new report replaces the old one. */
async function revise(
  engine: Engine,
  request: QuestionRequest,
  objection: Objection,
  events: AgentEvents,
  signal: AbortSignal,
): Promise<Answer> {
  const thread = request.investigation;
  if (!thread?.report) throw new Error("Only an investigation with a report can be revised; this is a bug.");
  const opening = { ...requestOf(request), anomalies: thread.anomalies, question: thread.recording?.question ?? null };
  const takesUp = { recording: thread.recording ?? null, objection };
  const report = await investigate(engine, opening, events, signal, { takesUp });
  const text = `${verdictOn(objection, thread.report, report)}\n\n${summaryOf(report)}`;
  const fresh = report.evidence.filter(({ id }) => !thread.report?.evidence.some((one) => one.id === id));
  return { text, evidence: fresh, mind: report.mind, cost: report.cost, report, revises: thread.id };
}

/** Whether the objection changed anything, in a sentence. */
function verdictOn({ doubts, blames, service }: Objection, was: InvestigationReport, is: InvestigationReport): string {
  const [before, now] = [was.hypotheses[0], is.hypotheses[0]];
  const same =
    before !== undefined &&
    now !== undefined &&
    before.cause === now.cause &&
    before.changeId === now.changeId &&
    before.service === now.service;
  const change = Math.round(100 * (is.confidence - was.confidence));
  if (!same) return `You are right to doubt it: I changed my mind. I now hold that ${now?.statement ?? "nobody can tell"}.`;
  const moved =
    change === 0
      ? "my confidence is where it was"
      : `my confidence went ${change > 0 ? "up" : "down"} to ${Math.round(is.confidence * 100)} %`;
  if (!doubts) return `I looked${service ? ` at ${service}` : ""}; it does not change the cause, and ${moved}.`;
  const rival = blames === null ? null : is.hypotheses.find(({ cause }) => cause === blames);
  const because =
    blames === null
      ? ""
      : rival
        ? ` What you suspect stands at ${Math.round(rival.confidence * 100)} %: ${rival.statement}.`
        : ` I found no ${blames} that it could be, as far as the connected sources tell.`;
  return `I looked again and still hold it; ${moved}.${because}`;
}

async function investigateQuestion(
  engine: Engine,
  request: QuestionRequest,
  events: AgentEvents,
  signal: AbortSignal,
  failures: readonly string[],
): Promise<Answer> {
  // The thread's anomalies are about another service: the question alone says where to look.
  const report = await investigate(engine, { ...requestOf(request), anomalies: [] }, events, signal, { proposes: false });
  const mind = failures.length > 0 && report.mind.kind === "offline" ? engine.mind(null, failures) : report.mind;
  return { text: summaryOf(report), evidence: report.evidence, mind, cost: report.cost, report };
}

function summaryOf(report: InvestigationReport): string {
  const [lead] = report.hypotheses;
  const factors = report.contributingFactors.slice(0, 4).map(({ text, evidence }) => `- ${text} [${evidence.join(", ")}]`);
  const sure = lead ? `Confidence ${Math.round(report.confidence * 100)} %.` : "";
  return [
    report.headline,
    ...factors,
    sure,
    ...report.nextChecks.slice(0, 2).map((check) => (check.startsWith("Ruled out") ? check : `Next: ${check}`)),
  ]
    .filter(Boolean)
    .join("\n");
}

const noteOf = (struck: number): string =>
  struck === 0
    ? ""
    : `\n\n_${struck} sentence${struck === 1 ? " was" : "s were"} struck because no evidence bore ${struck === 1 ? "it" : "them"}._`;
