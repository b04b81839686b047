import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import type { ContextView } from "../../agent/index.ts";

/** How much a mind was, or a model would have been, told in one run; in tokens of the tokenizer that counted. */
export interface ContextSize {
  /** Calls of the mind. */
  readonly calls: number;
  /** Of the largest call: everything that the investigation brought together. */
  readonly largest: number;
  /** Over all calls, as a provider without prompt caching bills it. */
  readonly input: number;
  /** Of what the mind wrote. */
  readonly output: number;
}

/** Adds up the context of every call of one run. The deterministic mind is counted as the model that would have made the same calls. */
export class ContextMeter {
  readonly #count: (text: string) => number;
  readonly #known = new Map<string, number>();
  #size: ContextSize = { calls: 0, largest: 0, input: 0, output: 0 };

  constructor(count: (text: string) => number) {
    this.#count = count;
  }

  get size(): ContextSize {
    return this.#size;
  }

  add({ systemPrompt, tools, messages }: ContextView): void {
    const offered = tools.map((tool) => JSON.stringify(convertToOpenAITool(tool)));
    const texts = [systemPrompt, ...offered, ...messages.flatMap(({ text, calls }) => [text, calls])];
    const input = texts.reduce((sum, text) => sum + this.#tokens(text), 0);
    const output = messages.reduce((sum, { calls }) => sum + this.#tokens(calls), 0);
    const { calls, largest, input: before } = this.#size;
    this.#size = { calls: calls + 1, largest: Math.max(largest, input), input: before + input, output };
  }

  /** What a mind wrote at the end, which no later call was told. */
  wrote(text: string): void {
    this.#size = { ...this.#size, output: this.#size.output + this.#tokens(text) };
  }

  #tokens(text: string): number {
    if (text === "") return 0;
    const known = this.#known.get(text) ?? this.#count(text);
    this.#known.set(text, known);
    return known;
  }
}
