export { type AgentOptions, type Budget, DEFAULT_BUDGET, DEFAULT_PRICES, type ModelOptions, type PriceTable } from "./options.ts";
export { createSreAgent } from "./sre-agent.ts";
