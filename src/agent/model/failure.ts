import { cleanUntrusted } from "../../domain/untrusted.ts";

/** The model cannot go on: over budget, failing, or talking nonsense. The message is shown to people. */
export class MindError extends Error {
  override readonly name: string = "MindError";
}

/** A ceiling is reached; asking another model would only pass it further. */
export class BudgetError extends MindError {
  override readonly name = "BudgetError";
}

/** LangChain wraps what a middleware throws, once for each middleware around it; this is what was thrown. */
export function rootOf(error: unknown): unknown {
  let root = error;
  while (root instanceof Error && "~brand" in root && root["~brand"] === "MiddlewareError" && root.cause !== undefined)
    root = root.cause;
  return root;
}

/** For people: short, and without what a server may have echoed. */
export function explainFailure(error: unknown): string {
  const cause = rootOf(error);
  if (cause instanceof MindError) return cause.message;
  const { status, name, message } = cause as { status?: number; name?: string; message?: string };
  if (status === 429) return "the model refused: too many requests (429)";
  if (status === 401 || status === 403) return `the model's server refused the key (${status})`;
  if (typeof status === "number") return `the model's server answered ${status}`;
  if (/timeout|timed out|abort/i.test(`${name} ${message}`)) return "the model took too long";
  if (/recursion limit/i.test(message ?? "")) return "the model went round in circles";
  return cleanUntrusted(`the model failed: ${message ?? name ?? "unknown error"}`, 160).text;
}
