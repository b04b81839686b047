import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { ModelOptions } from "../options.ts";

/**
 * The OpenAI client is heavy, so it is loaded only when a model is configured. Retries are the loop's, not the client's. Only the chat completions
 * API is spoken: every compatible server has it.
 */
export async function openChatModel(model: ModelOptions): Promise<BaseChatModel> {
  const { AzureChatOpenAICompletions, ChatOpenAICompletions } = await import("@langchain/openai");
  const common = {
    model: model.name,
    // Models that reason refuse any temperature but their own.
    ...(/^(?:o\d|gpt-5(?!-chat))/.test(model.name) ? {} : { temperature: 0 }),
    maxRetries: 0,
    timeout: model.timeout ?? 60_000,
    ...(model.streaming ? { streaming: true, streamUsage: true } : {}),
  };
  if (model.azure) {
    const { instance, deployment, apiVersion } = model.azure;
    class Azure extends AzureChatOpenAICompletions {
      override getNumTokens = uncounted;
    }
    return new Azure({
      ...common,
      azureOpenAIApiKey: model.apiKey ?? "none",
      azureOpenAIApiInstanceName: instance,
      azureOpenAIApiDeploymentName: deployment,
      azureOpenAIApiVersion: apiVersion,
    });
  }
  class Completions extends ChatOpenAICompletions {
    override getNumTokens = uncounted;
  }
  return new Completions({
    ...common,
    apiKey: model.apiKey ?? "none",
    ...(model.baseUrl ? { configuration: { baseURL: model.baseUrl } } : {}),
  });
}

/** The client would download a tokenizer to estimate what the server reports anyway, and wait for it where there is no way out. */
const uncounted = async (): Promise<number> => 0;
