import { z } from "zod";

/**
 * A line of a chat fine-tuning file as the vendor's API describes it (FineTuneChatRequestInput): messages, and the tools that they may call.
 * The zod schema is the written check; what it cannot say stands in `checkTrainingLine`.
 */
const call = z.strictObject({
  id: z.string().min(1).max(40),
  type: z.literal("function"),
  function: z.strictObject({ name: z.string().regex(/^[\w-]{1,64}$/), arguments: z.string() }),
});

const message = z.discriminatedUnion("role", [
  z.strictObject({ role: z.literal("system"), content: z.string().min(1) }),
  z.strictObject({ role: z.literal("user"), content: z.string().min(1) }),
  z.strictObject({
    role: z.literal("assistant"),
    content: z.string().min(1).optional(),
    tool_calls: z.array(call).min(1).optional(),
    weight: z.union([z.literal(0), z.literal(1)]).optional(),
  }),
  z.strictObject({ role: z.literal("tool"), tool_call_id: z.string().min(1), content: z.string() }),
]);

const tool = z.strictObject({
  type: z.literal("function"),
  function: z.strictObject({
    name: z.string().regex(/^[\w-]{1,64}$/),
    description: z.string().max(1_024),
    parameters: z.looseObject({ type: z.literal("object"), properties: z.record(z.string(), z.unknown()) }),
  }),
});

const line = z.strictObject({
  messages: z.array(message).min(2),
  tools: z.array(tool).min(1).max(128),
  parallel_tool_calls: z.boolean().optional(),
});

export type TrainingLine = z.output<typeof line>;
export type TrainingMessage = z.output<typeof message>;

/** What is wrong with a line, in words; empty when a fine-tuning job would take it. */
export function checkTrainingLine(text: string): string[] {
  if (text.includes("\n")) return ["an example must be one line"];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return ["is not JSON"];
  }
  const parsed = line.safeParse(value);
  if (!parsed.success) return parsed.error.issues.map(({ path, message: what }) => `${path.join(".") || "line"}: ${what}`);
  const { messages, tools } = parsed.data;
  const problems: string[] = [];
  const known = new Set(tools.map((one) => one.function.name));
  if (known.size < tools.length) problems.push("tools: two have one name");
  if (messages.at(-1)?.role !== "assistant")
    problems.push("messages: the last must be the assistant's, since that is what is learned");
  let waiting: string[] = [];
  const seen = new Set<string>();
  messages.forEach((one, at) => {
    if (one.role === "system" && at > 0) problems.push(`messages.${at}: a system message stands first`);
    if (one.role === "tool") {
      if (!waiting.includes(one.tool_call_id))
        problems.push(`messages.${at}: answers ${one.tool_call_id}, which was not called or is answered`);
      waiting = waiting.filter((id) => id !== one.tool_call_id);
      return;
    }
    if (waiting.length > 0)
      problems.push(`messages.${at}: ${waiting.join(", ")} ${waiting.length === 1 ? "has" : "have"} no answer before it`);
    waiting = [];
    if (one.role !== "assistant") return;
    if (one.content === undefined && one.tool_calls === undefined)
      problems.push(`messages.${at}: the assistant says and calls nothing`);
    for (const { id, function: asked } of one.tool_calls ?? []) {
      if (seen.has(id)) problems.push(`messages.${at}: the call id ${id} was used before`);
      seen.add(id);
      waiting.push(id);
      if (!known.has(asked.name)) problems.push(`messages.${at}: calls ${asked.name}, which is not among the tools`);
      if (!isObject(asked.arguments)) problems.push(`messages.${at}: the arguments of ${asked.name} are not a JSON object`);
    }
  });
  return problems;
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
