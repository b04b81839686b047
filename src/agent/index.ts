export {
  type AgentOptions,
  type Budget,
  type ContextView,
  DEFAULT_BUDGET,
  DEFAULT_DAILY,
  DEFAULT_PRICES,
  DEFAULT_TOOL_LIMITS,
  type ModelOptions,
  type Price,
  type PriceTable,
} from "./options.ts";
export type { Recording } from "./recording.ts";
export { createSreAgent } from "./sre-agent.ts";
