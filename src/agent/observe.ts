import { type Attributes, type Context, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";

/** What is counted about the reasoning. Durations in seconds. */
export interface AgentMeter {
  modelCall(call: {
    readonly model: string;
    readonly provider: string;
    /** Null when it succeeded. */
    readonly error: string | null;
    readonly seconds: number;
    readonly inputTokens: number;
    readonly outputTokens: number;
    readonly dollars: number;
  }): void;
  toolCall(call: { readonly tool: string; readonly failed: boolean; readonly cached: boolean; readonly seconds: number }): void;
  finished(work: {
    readonly task: "investigate" | "answer";
    readonly mind: "model" | "offline";
    /** The outcome of the report; `answered` for a plain question. */
    readonly outcome: string;
    /** A model was configured, and the offline reasoner had to stand in. */
    readonly fellBack: boolean;
    readonly seconds: number;
    readonly claims: number;
    readonly struck: number;
    /** Evidence whose text tried to give instructions. */
    readonly suspicious: number;
  }): void;
}

export interface Observer {
  readonly tracer: Tracer;
  readonly meter: AgentMeter;
}

const NOT_COUNTED: AgentMeter = { modelCall: () => {}, toolCall: () => {}, finished: () => {} };

/** Spans go to whatever provider the process registered, or nowhere; nothing is counted. */
export const unobserved = (): Observer => ({ tracer: trace.getTracer("vigil.agent"), meter: NOT_COUNTED });

/**
 * Runs work within a span of OpenTelemetry's semantic conventions for generative AI. A failure sets `error.type` and is thrown on. Prompts, tool
 * arguments and results are left out: they may hold what must not leave.
 */
export async function spanned<Result>(
  tracer: Tracer,
  given: { readonly name: string; readonly kind: SpanKind; readonly attributes: Attributes; readonly parent: Context },
  work: (span: Span, inner: Context) => Promise<Result>,
): Promise<Result> {
  const { name, kind, attributes, parent } = given;
  const span = tracer.startSpan(name, { kind, attributes }, parent);
  try {
    return await work(span, trace.setSpan(parent, span));
  } catch (error) {
    span.setAttribute("error.type", errorType(error));
    span.setStatus({ code: SpanStatusCode.ERROR });
    throw error;
  } finally {
    span.end();
  }
}

export { SpanKind };

/** The HTTP status, `timeout`, or the error's class: few values, so that they can be counted by. */
export function errorType(error: unknown): string {
  const { status, name = "Error", message = "" } = error as { status?: number; name?: string; message?: string };
  if (typeof status === "number") return String(status);
  return /timeout|timed out/i.test(`${name} ${message}`) ? "timeout" : name;
}
