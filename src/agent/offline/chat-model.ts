import type { CallbackManagerForLLMRun } from "@langchain/core/callbacks/manager";
import { BaseChatModel, type BindToolsInput } from "@langchain/core/language_models/chat_models";
import { AIMessage, type BaseMessage, ToolMessage } from "@langchain/core/messages";
import type { ChatResult } from "@langchain/core/outputs";
import type { Finding } from "../findings.ts";

export interface PlannedCall {
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** What a policy sees of the conversation so far. */
export interface Turn {
  /** Of every tool call answered so far, in order. */
  readonly findings: readonly Finding[];
  /** Names of the tools called so far, with refusals and errors as text. */
  readonly failures: readonly { readonly tool: string; readonly text: string }[];
  readonly called: ReadonlySet<string>;
  /** How many times the policy has spoken before. */
  readonly round: number;
  readonly tools: ReadonlySet<string>;
  readonly messages: readonly BaseMessage[];
}

/** A deterministic mind: the same turn always gets the same reply. */
export type Policy = (turn: Turn) => { readonly calls: readonly PlannedCall[] } | { readonly text: string };

/**
 * The offline reasoner as a LangChain chat model: it sits in the same agent loop as a language model, reads the typed artifacts of the
 * tools' answers instead of their text, and never sees an instruction that somebody wrote into a log line.
 */
export class OfflineReasoner extends BaseChatModel {
  readonly #policy: Policy;
  readonly #tools: ReadonlySet<string>;

  constructor(policy: Policy, tools: ReadonlySet<string> = new Set()) {
    super({});
    this.#policy = policy;
    this.#tools = tools;
  }

  override _llmType(): string {
    return "offline-reasoner";
  }

  override bindTools(tools: BindToolsInput[]): OfflineReasoner {
    const names = tools.flatMap((one) => ("name" in one && typeof one.name === "string" ? [one.name] : []));
    return new OfflineReasoner(this.#policy, new Set(names));
  }

  override async _generate(
    messages: BaseMessage[],
    _options: this["ParsedCallOptions"],
    _run?: CallbackManagerForLLMRun,
  ): Promise<ChatResult> {
    const reply = this.#policy(readTurn(messages, this.#tools));
    const round = messages.filter((one) => one instanceof AIMessage).length;
    const message =
      "text" in reply
        ? new AIMessage(reply.text)
        : new AIMessage({
            content: "",
            tool_calls: reply.calls.map((call, index) => ({
              id: `offline_${round}_${index}`,
              name: call.name,
              args: { ...call.args },
              type: "tool_call" as const,
            })),
          });
    return { generations: [{ text: typeof message.content === "string" ? message.content : "", message }] };
  }
}

function readTurn(messages: readonly BaseMessage[], tools: ReadonlySet<string>): Turn {
  const answers = messages.filter((one): one is ToolMessage => one instanceof ToolMessage);
  const findings = new Map<string, Finding>();
  const failures: { tool: string; text: string }[] = [];
  for (const answer of answers) {
    const finding = answer.artifact as Finding | null | undefined;
    if (finding?.evidence) findings.set(finding.evidence.id, finding);
    else if (answer.name !== undefined) failures.push({ tool: answer.name, text: String(answer.content) });
  }
  const minds = messages.filter((one): one is AIMessage => one instanceof AIMessage);
  return {
    findings: [...findings.values()],
    failures,
    called: new Set(minds.flatMap((one) => (one.tool_calls ?? []).map((call) => call.name))),
    round: minds.length,
    tools,
    messages,
  };
}
