import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AIMessage, HumanMessage } from "@langchain/core/messages";
import { createAgent } from "langchain";
import type { Answer, Cost, InvestigationReport, Mind } from "../domain/investigation.ts";
import { cleanUntrusted, fence, redact } from "../domain/untrusted.ts";
import { focusOf } from "./focus.ts";
import { groundText } from "./grounding.ts";
import { openChatModel } from "./model/chat-model.ts";
import { loopGuard, MindError, modelGuard } from "./model/guard.ts";
import { answerPolicy, unknownService } from "./offline/answer.ts";
import { OfflineReasoner, type Policy } from "./offline/chat-model.ts";
import { investigatePolicy } from "./offline/investigate.ts";
import { understand } from "./offline/question.ts";
import { type AgentOptions, DEFAULT_BUDGET, DEFAULT_PRICES } from "./options.ts";
import { loadPrompt, renderPrompt, versionOf } from "./prompts.ts";
import { assemble } from "./report.ts";
import { Session } from "./session.ts";
import { utc } from "./time-words.ts";
import { investigationTools, questionTools } from "./tools/index.ts";
import type { AgentDependencies, AgentEvents, InvestigateRequest, QuestionRequest, SreAgent } from "./types.ts";
import { percent } from "./words.ts";

const OFFLINE = "offline reasoner";

/**
 * The one who reasons. One LangChain agent loop for both minds: the configured model, and the offline reasoner that stands in whenever
 * there is none or it fails, with the evidence gathered so far. Prompts are read once, here.
 *
 * @example
 * const agent = createSreAgent(dependencies, { prompts: "prompts", model: { name: "gpt-5-mini", apiKey } });
 */
export function createSreAgent(deps: AgentDependencies, options: AgentOptions): SreAgent {
  const wall = options.wall ?? (() => Date.now());
  const minimumConfidence = options.minimumConfidence ?? 0.5;
  const limits = { timeout: options.toolTimeout ?? 15_000, tokens: options.toolTokens ?? 700 };
  const prices = options.prices ?? DEFAULT_PRICES;
  const budget = { ...DEFAULT_BUDGET, ...options.budget };
  const prompts = {
    safety: loadPrompt(options.prompts, "safety"),
    evidence: loadPrompt(options.prompts, "evidence"),
    investigate: loadPrompt(options.prompts, "investigate"),
    answer: loadPrompt(options.prompts, "answer"),
    task: loadPrompt(options.prompts, "task"),
  };
  const parts = () => ({ safety: prompts.safety.body, evidence: prompts.evidence.body, now: utc(deps.clock.now()) });
  let opened: Promise<BaseChatModel> | null = null;

  /** Runs the model's loop; returns its last text. Throws when the model cannot go on. */
  async function think(
    session: Session,
    task: "investigate" | "answer",
    messages: (HumanMessage | AIMessage)[],
    startedAt: number,
  ) {
    const { model } = options;
    if (!model) throw new MindError("no model is configured");
    opened ??= openChatModel(model);
    const chat = await opened.catch((error: unknown) => {
      opened = null;
      throw error;
    });
    const guard = modelGuard(session, { budget, prices, model: model.name, retries: options.retries ?? 2, startedAt, wall });
    const agent = createAgent({
      model: chat,
      tools: task === "investigate" ? investigationTools(session, limits) : questionTools(session, limits),
      systemPrompt: renderPrompt(prompts[task], parts()),
      middleware: [loopGuard(session), guard],
    });
    const remaining = AbortSignal.timeout(Math.max(1, budget.duration));
    const signal = AbortSignal.any([session.signal, remaining]);
    const result = await agent.invoke({ messages }, { signal, recursionLimit: 4 * budget.modelCalls + 20 });
    return textOf(result.messages.at(-1)?.content);
  }

  async function thinkOffline(session: Session, policy: Policy, task: "investigate" | "answer"): Promise<string> {
    const agent = createAgent({
      model: new OfflineReasoner(policy),
      tools: task === "investigate" ? investigationTools(session, limits) : questionTools(session, limits),
      middleware: [loopGuard(session)],
    });
    const result = await agent.invoke({ messages: [new HumanMessage(task)] }, { signal: session.signal, recursionLimit: 100 });
    return textOf(result.messages.at(-1)?.content);
  }

  const minds = (reason: string | null): Mind =>
    options.model && reason === null
      ? { kind: "model", name: options.model.name, fallbackReason: null }
      : { kind: "offline", name: OFFLINE, fallbackReason: reason };

  const bill = (session: Session, startedAt: number): Cost => ({
    inputTokens: session.inputTokens,
    outputTokens: session.outputTokens,
    dollars: session.dollars,
    toolCalls: session.toolCalls,
    duration: wall() - startedAt,
  });

  async function investigate(
    request: InvestigateRequest,
    events: AgentEvents,
    signal: AbortSignal,
  ): Promise<InvestigationReport> {
    const startedAt = wall();
    const focus = await focusOf(request, deps);
    const { investigationId, requester } = request;
    const session = new Session({ deps, focus, investigationId, requester, signal, events, wall });
    await session.show(
      "Triage",
      async () => request.anomalies[0] ?? null,
      (worst) => (worst ? symptomOf(worst) : `Looking at ${focus.service ?? "all services"}, as asked.`),
    );
    const used: string[] = [];
    let reason: string | null = null;
    if (options.model) {
      used.push(...[prompts.investigate, prompts.task, prompts.evidence, prompts.safety].map(versionOf));
      try {
        const learned = await deps.learned.exemplars(request.anomalies.map(symptomOf).join("; ") || (request.question ?? ""));
        const task = renderPrompt(prompts.task, {
          symptoms:
            request.anomalies.slice(0, 10).map(symptomOf).join("\n") || `none measured; service ${focus.service ?? "unknown"}`,
          question: fence("question", cleanUntrusted(request.question ?? "nobody asked", 2_000).text),
          learned: fence("feedback", cleanUntrusted(learned.join("\n") || "nothing yet", 2_000).text),
        });
        const messages: (HumanMessage | AIMessage)[] = [new HumanMessage(task)];
        const text = await think(session, "investigate", messages, startedAt);
        if (!session.draft) {
          const evidence = session.evidence
            .map(({ id, title, summary }) => `[${id}] ${title}\n${fence("evidence", summary)}`)
            .join("\n");
          const repair = `You ended without submit_report. The evidence so far:\n${evidence}\nCall submit_report now.`;
          await think(
            session,
            "investigate",
            [...messages, new AIMessage(text.slice(0, 2_000) || "(nothing)"), new HumanMessage(repair)],
            startedAt,
          );
        }
        if (!session.draft) throw new MindError("the model did not hand in a report");
      } catch (error) {
        signal.throwIfAborted();
        reason = explainFailure(error);
        session.draft = null;
      }
    }
    if (!session.draft) {
      session.invalidDrafts = 0;
      const candidates = await deps.causal.candidates().catch(() => []);
      const testable = new Set(candidates.map(({ flag }) => flag));
      const policy = investigatePolicy(session, request.anomalies, testable, { minimumConfidence });
      await thinkOffline(session, policy, "investigate");
    }
    if (!session.draft) throw new Error("The offline reasoner ended without a report; this is a bug.");
    return assemble(session.draft, session, {
      mind: minds(reason),
      cost: bill(session, startedAt),
      prompts: used,
      minimumConfidence,
    });
  }

  async function answer(request: QuestionRequest, events: AgentEvents, signal: AbortSignal): Promise<Answer> {
    const startedAt = wall();
    const thread = request.investigation;
    const worst = thread?.anomalies[0] ?? null;
    const now = deps.clock.now();
    const services = await deps.metrics.services().catch(() => []);
    const catalog = await deps.catalog().catch(() => []);
    const known = [...new Set([...services, ...catalog.map(({ name }) => name)])];
    const question = understand(request.question, known, now, worst?.service ?? null);
    const needsReasoning = question.intent === "why" && question.service !== null && question.service !== worst?.service;
    if (needsReasoning && !options.model) return investigateQuestion(request, events, signal, startedAt);
    const focus = await focusOf(
      {
        investigationId: thread?.id ?? "question",
        anomalies: thread?.anomalies ?? [],
        question: request.question,
        requester: request.requester,
      },
      deps,
    );
    const session = new Session({
      deps,
      focus: question.service ? { ...focus, service: question.service } : focus,
      investigationId: thread?.id ?? "question",
      requester: request.requester,
      signal,
      events,
      wall,
      evidenceSoFar: thread?.report?.evidence.length ?? 0,
    });
    const earlier = thread?.report?.evidence ?? [];
    let reason: string | null = null;
    let text: string | null = null;
    let struck = 0;
    if (options.model) {
      try {
        const turns = request.history
          .slice(-8)
          .map(({ from, text: said }) =>
            from === "vigil" ? new AIMessage(said) : new HumanMessage(fence("chat", cleanUntrusted(said, 1_000).text)),
          );
        const report = thread?.report
          ? `\nThe investigation so far: ${fence("report", cleanUntrusted(summary(thread.report), 3_000).text)}`
          : "";
        const asked = new HumanMessage(`${cleanUntrusted(request.question, 4_000).text}${report}`);
        const said = await think(session, "answer", [...turns, asked], startedAt);
        const grounded = groundText(redact(said), [...earlier, ...session.evidence]);
        struck = grounded.struck;
        if (grounded.text.trim() === "") throw new MindError("nothing in the model's answer was borne by evidence");
        text = grounded.text;
      } catch (error) {
        signal.throwIfAborted();
        reason = explainFailure(error);
      }
    }
    if (text === null) {
      if (needsReasoning) return { ...(await investigateQuestion(request, events, signal, startedAt)), mind: minds(reason) };
      text =
        question.intent === "unknown_service" && question.unknown
          ? unknownService(cleanUntrusted(question.unknown.word, 80).text, question.unknown.nearest)
          : question.intent === "why" && thread?.report
            ? summary(thread.report)
            : await thinkOffline(session, answerPolicy(question, request, session), "answer");
    }
    const note =
      struck > 0
        ? `\n\n_${struck} sentence${struck === 1 ? " was" : "s were"} struck because no evidence bore ${struck === 1 ? "it" : "them"}._`
        : "";
    return { text: text + note, evidence: session.evidence, mind: minds(reason), cost: bill(session, startedAt), report: null };
  }

  /** "Why is X slow?" outside a thread: a reading-only investigation whose proposals are not filed from a question. */
  async function investigateQuestion(
    request: QuestionRequest,
    events: AgentEvents,
    signal: AbortSignal,
    startedAt: number,
  ): Promise<Answer> {
    const asked = {
      investigationId: request.investigation?.id ?? "question",
      anomalies: [],
      question: request.question,
      requester: request.requester,
    };
    const focus = await focusOf(asked, deps);
    const session = new Session({ deps, focus, ...asked, signal, events, wall });
    const policy = investigatePolicy(session, [], new Set(), { minimumConfidence, propose: false });
    await thinkOffline(session, policy, "investigate");
    if (!session.draft) throw new Error("The offline reasoner ended without a report; this is a bug.");
    const cost = bill(session, startedAt);
    const report = assemble(session.draft, session, { mind: minds(null), cost, prompts: [], minimumConfidence });
    return { text: summary(report), evidence: session.evidence, mind: report.mind, cost, report };
  }

  return { investigate, answer };
}

function symptomOf(one: InvestigateRequest["anomalies"][number]): string {
  return `${one.service} ${one.signal.replace("_", " ")} ${percent(one.relativeChange)} against its baseline since ${utc(one.startedAt)}`;
}

function summary(report: InvestigationReport): string {
  const [lead] = report.hypotheses;
  const factors = report.contributingFactors.slice(0, 4).map(({ text, evidence }) => `- ${text} [${evidence.join(", ")}]`);
  const sure = lead ? `Confidence ${Math.round(report.confidence * 100)} %.` : "";
  return [report.headline, ...factors, sure, ...report.nextChecks.slice(0, 2).map((check) => `Next: ${check}`)]
    .filter(Boolean)
    .join("\n");
}

function textOf(content: unknown): string {
  return typeof content === "string"
    ? content
    : Array.isArray(content)
      ? content.map((one) => (one as { text?: string }).text ?? "").join("")
      : "";
}

/** For people: short, and without what a server may have echoed. */
function explainFailure(error: unknown): string {
  const { status, name, message } = error as { status?: number; name?: string; message?: string };
  if (status === 429) return "the model refused: too many requests (429)";
  if (typeof status === "number") return `the model's server answered ${status}`;
  if (/timeout|abort/i.test(`${name} ${message}`)) return "the model took too long";
  return cleanUntrusted(`the model failed: ${message ?? name ?? "unknown error"}`, 160).text;
}
