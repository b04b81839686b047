import { HumanMessage } from "@langchain/core/messages";
import type { StructuredToolInterface } from "@langchain/core/tools";
import { createAgent } from "langchain";
import type { Mind } from "../domain/investigation.ts";
import type { EpochMs } from "../domain/time.ts";
import { ModelChain } from "./model/chain.ts";
import { loopGuard } from "./model/guard.ts";
import { Spending } from "./model/spending.ts";
import { type Observer, unobserved } from "./observe.ts";
import { OfflineReasoner, type Policy } from "./offline/chat-model.ts";
import {
  type AgentOptions,
  DEFAULT_BUDGET,
  DEFAULT_DAILY,
  DEFAULT_PRICES,
  DEFAULT_TOOL_LIMITS,
  textOf,
  viewOf,
} from "./options.ts";
import { Prompts } from "./prompts.ts";
import type { Session } from "./session.ts";
import type { ToolLimits } from "./tools/kit.ts";
import type { AgentDependencies } from "./types.ts";

const OFFLINE = "offline reasoner";

/** What every task of the agent shares: the minds in their order, the prompts, and the limits. */
export interface Engine {
  readonly deps: AgentDependencies;
  readonly chain: ModelChain;
  readonly prompts: Prompts;
  readonly limits: ToolLimits;
  readonly minimumConfidence: number;
  readonly observer: Observer;
  readonly wall: () => EpochMs;
  /** Runs the deterministic mind in the same loop; what it is told is what a model would be told. */
  thinkOffline(given: {
    readonly session: Session;
    readonly policy: Policy;
    readonly tools: readonly StructuredToolInterface[];
    readonly systemPrompt: string;
    readonly task: string;
  }): Promise<string>;
  /** Who wrote it: `model` is null when none did, `failures` say why those before it did not. */
  mind(model: string | null, failures: readonly string[]): Mind;
}

/** Reads the prompts and prepares the minds. @throws PromptError */
export function createEngine(deps: AgentDependencies, options: AgentOptions): Engine {
  const wall = options.wall ?? (() => Date.now());
  const chain = new ModelChain(options.models ?? [], {
    budget: { ...DEFAULT_BUDGET, ...options.budget },
    prices: options.prices ?? DEFAULT_PRICES,
    spending: new Spending({ ...DEFAULT_DAILY, ...options.daily }, options.memory ?? null, wall),
    retries: options.retries ?? 2,
    wall,
    random: options.random ?? Math.random,
    onContext: options.onContext,
  });
  return {
    deps,
    chain,
    prompts: new Prompts(options.prompts),
    limits: {
      timeout: options.toolTimeout ?? DEFAULT_TOOL_LIMITS.timeout,
      tokens: options.toolTokens ?? DEFAULT_TOOL_LIMITS.tokens,
    },
    minimumConfidence: options.minimumConfidence ?? 0.5,
    observer: options.observer ?? unobserved(),
    wall,
    async thinkOffline({ session, policy, tools, systemPrompt, task }) {
      const watched: Policy = (turn) => {
        options.onContext?.({ systemPrompt, tools, messages: turn.messages.map(viewOf) });
        return policy(turn);
      };
      const agent = createAgent({
        model: new OfflineReasoner(watched),
        tools: [...tools],
        systemPrompt,
        middleware: [loopGuard(session)],
      });
      const result = await agent.invoke({ messages: [new HumanMessage(task)] }, { signal: session.signal, recursionLimit: 100 });
      return textOf(result.messages.at(-1)?.content);
    },
    mind(model, failures) {
      const fallbackReason = failures.length > 0 ? failures.join("; ") : null;
      return model === null ? { kind: "offline", name: OFFLINE, fallbackReason } : { kind: "model", name: model, fallbackReason };
    },
  };
}
