import { AIMessage, type BaseMessage, ToolMessage } from "@langchain/core/messages";
import { createMiddleware } from "langchain";
import { redact } from "../../domain/untrusted.ts";
import { type Budget, cost, type PriceTable } from "../options.ts";
import type { Session } from "../session.ts";
import { rejectReport, SUBMIT_REPORT } from "../tools/submit-report.ts";

/** The model cannot go on: over budget, failing, or talking nonsense. The message is shown to people. */
export class MindError extends Error {
  override readonly name = "MindError";
}

/** What every mind's loop obeys: it ends with the report, one repair of a wrong one, and unknown tools are answered, not thrown. */
export function loopGuard(session: Session) {
  return createMiddleware({
    name: "LoopGuard",
    beforeModel: {
      canJumpTo: ["end"],
      hook: () => {
        session.signal.throwIfAborted();
        if (session.draft) return { jumpTo: "end" as const };
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

/** Budgets, accounting, redaction of everything that leaves for the model, and retries with jitter. */
export function modelGuard(
  session: Session,
  given: {
    readonly budget: Budget;
    readonly prices: PriceTable;
    readonly model: string;
    readonly retries: number;
    readonly startedAt: number;
    readonly wall: () => number;
  },
) {
  let calls = 0;
  return createMiddleware({
    name: "ModelGuard",
    wrapModelCall: async (request, handler) => {
      const { budget } = given;
      const over =
        calls >= budget.modelCalls
          ? `${budget.modelCalls} model calls`
          : session.toolCalls >= budget.toolCalls
            ? `${budget.toolCalls} tool calls`
            : session.inputTokens + session.outputTokens >= budget.tokens
              ? `${budget.tokens} tokens`
              : session.dollars >= budget.dollars
                ? `$${budget.dollars}`
                : given.wall() - given.startedAt >= budget.duration
                  ? `${budget.duration / 1000} s`
                  : null;
      if (over) throw new MindError(`the budget of ${over} is used up`);
      const messages = request.messages.map(redacted);
      for (let attempt = 0; ; attempt++) {
        try {
          calls++;
          const response = await handler({ ...request, messages });
          if (response instanceof AIMessage) {
            const usage = response.usage_metadata;
            const [input, output] = [usage?.input_tokens ?? 0, usage?.output_tokens ?? 0];
            session.inputTokens += input;
            session.outputTokens += output;
            session.dollars += cost(given.prices, given.model, input, output);
          }
          return response;
        } catch (error) {
          session.signal.throwIfAborted();
          if (attempt >= given.retries || !isPassing(error)) throw error;
          await pause(Math.min(4_000, 250 * 2 ** attempt) * (0.5 + Math.random()), session.signal);
        }
      }
    },
  });
}

function redacted(message: BaseMessage): BaseMessage {
  if (typeof message.content !== "string") return message;
  const content = redact(message.content);
  if (content === message.content) return message;
  const copy = Object.assign(Object.create(Object.getPrototypeOf(message)) as BaseMessage, message);
  copy.content = content;
  return copy;
}

/** Worth another try: rate limits, server failures, broken connections; not a timeout, which has cost enough. */
function isPassing(error: unknown): boolean {
  const status = (error as { status?: unknown }).status;
  if (typeof status === "number") return status === 429 || status >= 500;
  const text = error instanceof Error ? `${error.name} ${error.message}` : "";
  return /connection|ECONN|socket|fetch failed|terminated|premature/i.test(text) && !/time(?:d )?out/i.test(text);
}

function pause(length: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, length);
    signal.addEventListener("abort", stop, { once: true });
  });
}
