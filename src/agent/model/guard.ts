import { AIMessage, type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import type { StructuredToolInterface } from "@langchain/core/tools";
import { createMiddleware } from "langchain";
import type { EpochMs } from "../../domain/time.ts";
import { redact } from "../../domain/untrusted.ts";
import { errorType, SpanKind, spanned } from "../observe.ts";
import { type Budget, type ContextView, cost, type ModelOptions, type PriceTable, viewOf } from "../options.ts";
import type { Session } from "../session.ts";
import { rejectReport, SUBMIT_REPORT } from "../tools/submit-report.ts";
import { rejectRivals, UPDATE_HYPOTHESES } from "../tools/update-hypotheses.ts";
import { BudgetError, MindError, rootOf } from "./failure.ts";
import { mayPass, pause, waitBefore } from "./retry.ts";
import type { Spending } from "./spending.ts";
import { steer } from "./steer.ts";

/** What every mind's loop obeys: it ends with the report, one repair of a wrong one, and unknown tools are answered, not thrown. */
export function loopGuard(session: Session) {
  return createMiddleware({
    name: "LoopGuard",
    beforeModel: {
      canJumpTo: ["end"],
      hook: () => {
        session.signal.throwIfAborted();
        if (session.draft || session.reopens) return { jumpTo: "end" as const };
        if (session.invalidDrafts > 1) throw new MindError("the model handed in an invalid report twice");
        return undefined;
      },
    },
    wrapToolCall: async (request, handler) => {
      const { name, args, id } = request.toolCall;
      const answer = (content: string) => new ToolMessage({ content, name, tool_call_id: id ?? "", status: "error" });
      if (name === SUBMIT_REPORT) {
        const wrong = rejectReport(args, session);
        if (wrong) return answer(wrong);
      }
      if (name === UPDATE_HYPOTHESES) {
        const wrong = rejectRivals(args);
        if (wrong) return answer(wrong);
      }
      if (!request.tool) return answer(`Error: there is no tool "${name}"; use only the tools that were offered.`);
      try {
        return await handler(request);
      } catch (error) {
        session.signal.throwIfAborted();
        return answer(`Error: ${redact(error instanceof Error ? error.message : String(error)).slice(0, 600)}`);
      }
    },
  });
}

export interface ModelLimits {
  readonly budget: Budget;
  readonly prices: PriceTable;
  readonly spending: Spending;
  /** Further tries of one call. */
  readonly retries: number;
  readonly wall: () => EpochMs;
  /** In [0, 1). */
  readonly random: () => number;
  /** Sees what a model is sent. */
  readonly onContext?: ((context: ContextView) => void) | undefined;
}

/** Budgets, accounting, redaction of everything that leaves for the model, retries with jitter, and the state that code keeps for it. */
export function modelGuard(session: Session, model: ModelOptions, limits: ModelLimits, steers: boolean) {
  return createMiddleware({
    name: "ModelGuard",
    wrapModelCall: async (request, handler) => {
      const messages = request.messages.map(redacted);
      for (let attempt = 0; ; attempt++) {
        const over = exceeded(session, limits) ?? (await limits.spending.reached(session.channel));
        if (over) throw new BudgetError(`the budget of ${over} is used up`);
        const steering = steers ? steer(session, limits) : null;
        const asked = {
          ...request,
          messages: steering ? [...messages, new HumanMessage(steering.note)] : messages,
          tools: steering?.finish ? request.tools.filter((one) => "name" in one && one.name === SUBMIT_REPORT) : request.tools,
        };
        session.modelCalls++;
        if (attempt === 0) limits.onContext?.(contextOf(asked));
        try {
          return await observed(session, model, limits, async () => handler(asked));
        } catch (error) {
          session.signal.throwIfAborted();
          const cause = rootOf(error);
          if (attempt >= limits.retries || !mayPass(cause)) throw error;
          await pause(waitBefore(cause, attempt, limits.random), session.signal);
        }
      }
    },
  });
}

function contextOf(asked: {
  readonly systemPrompt: string;
  readonly tools: readonly object[];
  readonly messages: readonly BaseMessage[];
}): ContextView {
  const tools = asked.tools.filter((one): one is StructuredToolInterface => "schema" in one);
  return { systemPrompt: asked.systemPrompt, tools, messages: asked.messages.map(viewOf) };
}

/** One call of the model, traced, counted and paid for. */
async function observed<Response>(
  session: Session,
  model: ModelOptions,
  limits: ModelLimits,
  call: () => Promise<Response>,
): Promise<Response> {
  const { tracer, meter } = session.observer;
  const provider = model.azure ? "azure.ai.openai" : "openai";
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1_000;
  const attributes = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": provider,
    "gen_ai.request.model": model.name,
    "gen_ai.conversation.id": session.investigationId,
    ...(model.baseUrl ? { "server.address": new URL(model.baseUrl).hostname } : {}),
  };
  const span = { name: `chat ${model.name}`, kind: SpanKind.CLIENT, attributes, parent: session.trace };
  const counted = { model: model.name, provider };
  try {
    return await spanned(tracer, span, async (open) => {
      const response = await call();
      if (!(response instanceof AIMessage)) return response;
      const { inputTokens, outputTokens, dollars } = await account(session, model.name, response, limits);
      meter.modelCall({ ...counted, error: null, seconds: seconds(), inputTokens, outputTokens, dollars });
      const { model_name: answered, finish_reason: reason } = response.response_metadata as Record<string, unknown>;
      open.setAttributes({
        "gen_ai.usage.input_tokens": inputTokens,
        "gen_ai.usage.output_tokens": outputTokens,
        ...(typeof answered === "string" ? { "gen_ai.response.model": answered } : {}),
        ...(typeof reason === "string" ? { "gen_ai.response.finish_reasons": [reason] } : {}),
      });
      return response;
    });
  } catch (error) {
    const nothing = { inputTokens: 0, outputTokens: 0, dollars: 0 };
    meter.modelCall({ ...counted, ...nothing, error: errorType(rootOf(error)), seconds: seconds() });
    throw error;
  }
}

/** The first ceiling of this investigation that is reached, in words. */
function exceeded(session: Session, { budget, wall }: ModelLimits): string | null {
  if (session.modelCalls >= budget.modelCalls) return `${budget.modelCalls} model calls`;
  if (session.toolCalls >= budget.toolCalls) return `${budget.toolCalls} tool calls`;
  if (session.inputTokens + session.outputTokens >= budget.tokens) return `${budget.tokens} tokens`;
  if (session.dollars >= budget.dollars) return `$${budget.dollars}`;
  return wall() - session.startedAt >= budget.duration ? `${budget.duration / 1000} s` : null;
}

/** Servers that report no usage are counted at about four characters a token, so that a budget holds for them too. */
async function account(session: Session, model: string, response: AIMessage, { prices, spending }: ModelLimits) {
  const usage = response.usage_metadata;
  const said = `${response.text}${JSON.stringify(response.tool_calls ?? [])}`.length / 4;
  const inputTokens =
    usage?.input_tokens || Math.ceil(session.evidence.reduce((sum, one) => sum + one.summary.length, 4_000) / 4);
  const outputTokens = usage?.output_tokens || Math.ceil(said);
  const dollars = cost(prices, model, inputTokens, outputTokens);
  session.inputTokens += inputTokens;
  session.outputTokens += outputTokens;
  session.dollars += dollars;
  session.progress();
  await spending.add(session.channel, dollars);
  return { inputTokens, outputTokens, dollars };
}

function redacted(message: BaseMessage): BaseMessage {
  if (typeof message.content !== "string") return message;
  const content = redact(message.content);
  if (content === message.content) return message;
  const copy = Object.assign(Object.create(Object.getPrototypeOf(message)) as BaseMessage, message);
  copy.content = content;
  return copy;
}
