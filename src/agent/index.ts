export {
  type AgentOptions,
  type ContextView,
  DEFAULT_PRICES,
  DEFAULT_TOOL_LIMITS,
  type ModelOptions,
  type Price,
} from "./options.ts";
export type { Recording } from "./recording.ts";
export { createSreAgent } from "./sre-agent.ts";
