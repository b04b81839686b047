import type { StructuredToolInterface } from "@langchain/core/tools";
import type { EpochMs, Milliseconds } from "../domain/time.ts";
import type { DailyLimits, SpendingMemory } from "./model/spending.ts";
import type { Observer } from "./observe.ts";

/** Dollars per million tokens. */
export interface Price {
  readonly input: number;
  readonly output: number;
}

/** Any OpenAI-compatible endpoint, or Azure OpenAI when `azure` is set. */
export interface ModelOptions {
  readonly name: string;
  readonly apiKey?: string;
  readonly baseUrl?: string;
  readonly azure?: { readonly instance: string; readonly deployment: string; readonly apiVersion: string };
  /** For one answer of the model. */
  readonly timeout?: Milliseconds;
  /** Asks for the answer piece by piece; for servers that cannot do otherwise. */
  readonly streaming?: boolean;
}

export interface AgentOptions {
  /** Tried in this order; the offline reasoner comes after the last. None: it does everything. */
  readonly models?: readonly ModelOptions[];
  /** Folder with the prompts. */
  readonly prompts: string;
  readonly minimumConfidence?: number;
  readonly toolTimeout?: Milliseconds;
  readonly toolTokens?: number;
  readonly budget?: Partial<Budget>;
  readonly daily?: Partial<DailyLimits>;
  /** Keeps the day's spending over restarts. */
  readonly memory?: SpendingMemory;
  /** Valid on the date it names; unknown models count as `fallback`. */
  readonly prices?: PriceTable;
  /** Further tries of one call after a failure that may pass. */
  readonly retries?: number;
  /** Wall clock. */
  readonly wall?: () => EpochMs;
  /** In [0, 1), for the jitter between tries. */
  readonly random?: () => number;
  /** Traces and counts; nothing is counted without. */
  readonly observer?: Observer;
  /** Sees what a model is sent, or would be sent where the offline reasoner is asked: for measuring how much that is. */
  readonly onContext?: (context: ContextView) => void;
}

export interface MessageView {
  readonly text: string;
  /** Tool calls as JSON, or empty. */
  readonly calls: string;
}

export function viewOf(message: { readonly content: unknown; readonly tool_calls?: unknown }): MessageView {
  return { text: textOf(message.content), calls: message.tool_calls ? JSON.stringify(message.tool_calls) : "" };
}

/** The text of a message's content, whole or in parts. */
export function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  return Array.isArray(content) ? content.map((one) => (one as { text?: string }).text ?? "").join("") : "";
}

export interface ContextView {
  readonly systemPrompt: string;
  readonly tools: readonly StructuredToolInterface[];
  readonly messages: readonly MessageView[];
}

/** Ceilings of one investigation or answer. */
export interface Budget {
  readonly tokens: number;
  readonly dollars: number;
  readonly duration: Milliseconds;
  readonly modelCalls: number;
  readonly toolCalls: number;
}

export interface PriceTable {
  readonly asOf: string;
  readonly models: Readonly<Record<string, Price>>;
  readonly fallback: Price;
}

export const DEFAULT_BUDGET: Budget = { tokens: 150_000, dollars: 0.5, duration: 180_000, modelCalls: 20, toolCalls: 40 };

/** Of one call of a tool: how long it may take, and how many tokens of about four characters its answer may have. */
export const DEFAULT_TOOL_LIMITS = { timeout: 15_000, tokens: 700 };

export const DEFAULT_DAILY: DailyLimits = { dollars: 20, dollarsPerChannel: 10 };

/** List prices of the vendor; keep your own in the configuration. Local models cost nothing: set them to 0. */
export const DEFAULT_PRICES: PriceTable = {
  asOf: "2025-10-01",
  models: {
    "gpt-5": { input: 1.25, output: 10 },
    "gpt-5-mini": { input: 0.25, output: 2 },
    "gpt-4.1": { input: 2, output: 8 },
    "gpt-4.1-mini": { input: 0.4, output: 1.6 },
    "gpt-4o": { input: 2.5, output: 10 },
    "gpt-4o-mini": { input: 0.15, output: 0.6 },
  },
  fallback: { input: 2.5, output: 10 },
};

/** Dollars for one call. */
export function cost(table: PriceTable, model: string, input: number, output: number): number {
  const price = table.models[model] ?? table.fallback;
  return (input * price.input + output * price.output) / 1e6;
}
