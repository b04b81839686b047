import { answer } from "./answer.ts";
import { createEngine } from "./engine.ts";
import { investigate } from "./investigate.ts";
import type { AgentOptions } from "./options.ts";
import type { AgentDependencies, ReplayingAgent } from "./types.ts";

/**
 * The one who reasons. One LangChain agent loop for every mind: the configured models in their order, and the offline reasoner that stands in
 * whenever there is none or they fail, with the evidence gathered so far. Prompts are read once, here.
 *
 * @throws PromptError when a prompt cannot be used
 * @example
 * const agent = createSreAgent(dependencies, { prompts: "prompts", models: [{ name: "gpt-5-mini", apiKey }] });
 */
export function createSreAgent(deps: AgentDependencies, options: AgentOptions): ReplayingAgent {
  const engine = createEngine(deps, options);
  return {
    investigate: (request, events, signal) => investigate(engine, request, events, signal),
    answer: (request, events, signal) => answer(engine, request, events, signal),
    replay(recording, events, signal) {
      const desk = { actions: deps.desk.actions, file: async () => ({ ok: false as const, refusal: "a replay files nothing" }) };
      const { investigationId, anomalies, question } = recording;
      const request = { investigationId, anomalies, question, requester: "replay", channel: null };
      return investigate({ ...engine, deps: { ...deps, desk } }, request, events, signal, { replays: recording });
    },
  };
}
