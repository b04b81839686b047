import { resolve } from "node:path";
import { type AgentOptions, DEFAULT_PRICES, type ModelOptions } from "../agent/index.ts";
import type { Config } from "../config.ts";
import { SECOND } from "../domain/time.ts";
import type { McpServerOptions } from "../sources/mcp/index.ts";

const DEFAULT_MODEL = "gpt-5-mini";

/** The configured models in the order in which they are asked; none when neither key nor endpoint is configured. */
export function modelsOf({ model }: Config): readonly ModelOptions[] {
  const { apiKey, baseUrl, azure, streaming, timeoutSeconds, fallbacks } = model;
  if (!apiKey && !baseUrl && !azure) return [];
  const first = { name: model.name ?? DEFAULT_MODEL, apiKey, baseUrl, azure, streaming, timeoutSeconds };
  // A key goes to the endpoint that it belongs to, and to no other.
  const others = fallbacks.map((one) => (one.baseUrl || one.azure ? one : { ...one, apiKey: one.apiKey ?? apiKey, baseUrl }));
  return [first, ...others].map((one) => ({
    name: one.name,
    timeout: one.timeoutSeconds * SECOND,
    streaming: one.streaming,
    ...(one.apiKey ? { apiKey: one.apiKey } : {}),
    ...(one.baseUrl ? { baseUrl: one.baseUrl } : {}),
    ...(one.azure ? { azure: one.azure } : {}),
  }));
}

/** What the configuration says about minds, budgets and prices. */
export function agentOptions(config: Config): AgentOptions & { readonly models: readonly ModelOptions[] } {
  const { model } = config;
  return {
    prompts: resolve(import.meta.dirname, "../../prompts"),
    models: modelsOf(config),
    retries: model.retries,
    budget: {
      dollars: model.maxDollarsPerInvestigation,
      tokens: model.maxTokensPerInvestigation,
      duration: model.maxSecondsPerInvestigation * SECOND,
      modelCalls: model.maxModelCallsPerInvestigation,
      toolCalls: model.maxToolCallsPerInvestigation,
    },
    daily: { dollars: model.maxDollarsPerDay, dollarsPerChannel: model.maxDollarsPerDayAndChannel },
    prices: model.prices ? { ...model.prices, fallback: model.prices.fallback ?? DEFAULT_PRICES.fallback } : DEFAULT_PRICES,
  };
}

/** The same with one mind only: `offline`, or a model by its name at the configured endpoint. Null when a model is named and no endpoint configured. */
export function withMind(mind: string, config: Config): AgentOptions | null {
  const { models, ...agent } = agentOptions(config);
  if (mind === "offline") return agent;
  const [first] = models;
  return first ? { ...agent, models: [models.find(({ name }) => name === mind) ?? { ...first, name: mind }] } : null;
}

/** The servers whose tools may be called. */
export function mcpServersOf({ mcp }: Config): readonly McpServerOptions[] {
  return Object.entries(mcp.servers).map(([name, { url, headers, command = "", args, env, allow, timeoutSeconds }]) => ({
    name,
    at: url ? { url, headers } : { command, args, env },
    allow,
    timeout: timeoutSeconds * SECOND,
  }));
}
