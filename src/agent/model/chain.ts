import { setMaxListeners } from "node:events";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AIMessage, HumanMessage } from "@langchain/core/messages";
import type { StructuredToolInterface } from "@langchain/core/tools";
import { createAgent } from "langchain";
import type { EpochMs } from "../../domain/time.ts";
import { fence } from "../../domain/untrusted.ts";
import { type ModelOptions, textOf } from "../options.ts";
import type { Session } from "../session.ts";
import { openChatModel } from "./chat-model.ts";
import { BudgetError, explainFailure, MindError, rootOf } from "./failure.ts";
import { loopGuard, type ModelLimits, modelGuard } from "./guard.ts";

export interface Task {
  readonly session: Session;
  readonly systemPrompt: string;
  readonly tools: readonly StructuredToolInterface[];
  readonly messages: readonly (HumanMessage | AIMessage)[];
  /** Keeps the model to the discipline of an investigation; false for a plain question. */
  readonly steers: boolean;
  /** Null when the model's last text completes the task, else what to tell it once, to put it right. */
  readonly wanting: (text: string) => string | null;
}

/** Which model completed the task, its last text, and why those before it did not. */
export interface Thought {
  readonly model: string;
  readonly text: string;
  readonly failures: readonly string[];
}

/** After an outage a model is left alone for this long, so that nobody waits for it in the middle of an incident. */
const COOL_DOWN = 60_000;

interface Entry {
  readonly options: ModelOptions;
  opened: Promise<BaseChatModel> | null;
  restUntil: EpochMs;
}

/** The configured models, tried in order. Each goes on from the evidence that the ones before it gathered. */
export class ModelChain {
  readonly #models: readonly Entry[];
  readonly #limits: ModelLimits;

  constructor(models: readonly ModelOptions[], limits: ModelLimits) {
    this.#models = models.map((options) => ({ options, opened: null, restUntil: Number.NEGATIVE_INFINITY }));
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#models.length === 0;
  }

  /** @throws MindError that says why each model failed; the caller goes on without one. Rejects with the reason when the session is aborted. */
  async think(task: Task): Promise<Thought> {
    const failures: string[] = [];
    for (const one of this.#models) {
      const { name } = one.options;
      const said = this.#models.length > 1 ? `${name}: ` : "";
      if (this.#limits.wall() < one.restUntil) {
        failures.push(`${said}the model failed a moment ago and is left alone for a minute`);
        continue;
      }
      try {
        const text = await this.#ask(one, task, failures.length > 0);
        return { model: name, text, failures };
      } catch (thrown) {
        const error = rootOf(thrown);
        task.session.signal.throwIfAborted();
        task.session.draft = null;
        task.session.invalidDrafts = 0;
        failures.push(said + explainFailure(error));
        if (error instanceof BudgetError) break;
        if (!(error instanceof MindError)) one.restUntil = this.#limits.wall() + COOL_DOWN;
      }
    }
    throw new MindError(failures.join("; "));
  }

  /** One reminder, with the evidence, for a model that ends without having done its task. */
  async #ask(one: Entry, task: Task, takesOver: boolean): Promise<string> {
    const { session } = task;
    const asked = [
      ...task.messages,
      ...(takesOver && session.evidence.length > 0
        ? [new HumanMessage(`Another analyst began and had to stop. ${evidenceSoFar(session)}`)]
        : []),
    ];
    const text = await this.#run(one, task, asked);
    const wrong = task.wanting(text);
    if (wrong === null) return text;
    const repair = new HumanMessage(`${wrong} ${evidenceSoFar(session)}`);
    const mended = await this.#run(one, task, [...asked, new AIMessage(text.slice(0, 2_000) || "(nothing)"), repair]);
    if (task.wanting(mended) !== null) throw new MindError("the model did not finish its task, also when reminded");
    return mended;
  }

  async #run(
    one: Entry,
    { session, systemPrompt, tools, steers }: Task,
    messages: (HumanMessage | AIMessage)[],
  ): Promise<string> {
    one.opened ??= openChatModel(one.options);
    const model = await one.opened.catch((error: unknown) => {
      one.opened = null;
      throw error;
    });
    const { budget, wall } = this.#limits;
    const agent = createAgent({
      model,
      tools: [...tools],
      systemPrompt,
      middleware: [loopGuard(session), modelGuard(session, one.options, this.#limits, steers)],
    });
    const left = AbortSignal.timeout(Math.max(1, budget.duration - (wall() - session.startedAt)));
    const signal = AbortSignal.any([session.signal, left]);
    // Every call of the model and of a tool listens to it.
    setMaxListeners(100, signal);
    const result = await agent.invoke({ messages }, { signal, recursionLimit: 4 * budget.modelCalls + 20 });
    return textOf(result.messages.at(-1)?.content);
  }
}

function evidenceSoFar(session: Session): string {
  if (session.evidence.length === 0) return "No evidence has been gathered yet.";
  const list = session.evidence.map(({ id, title, summary }) => `[${id}] ${title}\n${fence("evidence", summary)}`);
  return `The evidence so far:\n${list.join("\n")}`;
}
