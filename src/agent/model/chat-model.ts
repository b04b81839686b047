import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import type { ModelOptions } from "../options.ts";

/** The OpenAI client is heavy, so it is loaded only when a model is configured. Retries are the loop's, not the client's. */
export async function openChatModel(model: ModelOptions): Promise<BaseChatModel> {
  const openai = await import("@langchain/openai");
  const common = {
    model: model.name,
    temperature: 0,
    maxRetries: 0,
    timeout: model.timeout ?? 60_000,
    ...(model.streaming ? { streaming: true, streamUsage: true } : {}),
  };
  if (model.azure) {
    return new openai.AzureChatOpenAI({
      ...common,
      azureOpenAIApiKey: model.apiKey ?? "none",
      azureOpenAIApiInstanceName: model.azure.instance,
      azureOpenAIApiDeploymentName: model.azure.deployment,
      azureOpenAIApiVersion: model.azure.apiVersion,
    }) as unknown as BaseChatModel;
  }
  return new openai.ChatOpenAI({
    ...common,
    apiKey: model.apiKey ?? "none",
    ...(model.baseUrl ? { configuration: { baseURL: model.baseUrl } } : {}),
  }) as unknown as BaseChatModel;
}
