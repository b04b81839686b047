import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";

const toolCall = z.object({
  id: z.string().min(1),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
const message = z.discriminatedUnion("role", [
  z.object({ role: z.enum(["system", "developer", "user"]), content: z.union([z.string(), z.array(z.unknown())]) }),
  z.object({ role: z.literal("assistant"), content: z.unknown().optional(), tool_calls: z.array(toolCall).optional() }),
  z.object({ role: z.literal("tool"), content: z.unknown(), tool_call_id: z.string() }),
]);
const requestSchema = z.object({
  model: z.string().min(1),
  temperature: z.number().min(0).max(2).optional(),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  tools: z
    .array(
      z.object({
        type: z.literal("function"),
        function: z.object({
          name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
          description: z.string().max(1_024),
          parameters: z.looseObject({ type: z.literal("object") }),
        }),
      }),
    )
    .optional(),
});

export type ChatRequest = z.output<typeof requestSchema>;

/** One answer of the scripted model. */
export type Reply =
  | { readonly call: readonly { readonly name: string; readonly args: unknown }[] }
  | { readonly text: string }
  /** An error of the server; `retryAfter` in seconds. */
  | { readonly status: number; readonly retryAfter?: number }
  /** Nothing for so many milliseconds. */
  | { readonly delay: number }
  | { readonly garbage: true }
  /** The body breaks off: in the middle of the JSON, or of the stream when one was asked for. */
  | { readonly cut: true };

export type Script = readonly (Reply | ((request: ChatRequest) => Reply))[];

export interface FakeModelServer {
  readonly url: string;
  /** Those that were well-formed, in the order in which they came. */
  readonly requests: readonly ChatRequest[];
  /** What was wrong with those that were refused. */
  readonly refused: readonly string[];
  close(): Promise<void>;
}

export const KEY = "test-key";

/**
 * An OpenAI-compatible server over real HTTP that follows a script; the last line repeats. It answers whole or as a stream, as it is asked, and
 * checks what it is sent as the real one does: key, roles, tool schemas, and that every tool call is answered by its id.
 */
export async function fakeModelServer(script: Script, given: { readonly usage?: boolean } = {}): Promise<FakeModelServer> {
  const requests: ChatRequest[] = [];
  const refused: string[] = [];
  const server = createServer(async (incoming, outgoing) => {
    if (incoming.url !== "/v1/chat/completions" || incoming.method !== "POST") return void outgoing.writeHead(404).end();
    if (incoming.headers.authorization !== `Bearer ${KEY}`) return fail(outgoing, 401, "wrong key");
    const parsed = requestSchema.safeParse(JSON.parse(await bodyOf(incoming)));
    const wrong = parsed.success ? (badTemperature(parsed.data) ?? unansweredCall(parsed.data)) : z.prettifyError(parsed.error);
    if (!parsed.success || wrong) {
      refused.push(wrong ?? "");
      return fail(outgoing, 400, wrong ?? "");
    }
    const request = parsed.data;
    const line = script[Math.min(requests.length, script.length - 1)];
    requests.push(request);
    const reply = typeof line === "function" ? line(request) : line;
    if (!reply) throw new Error("the script is empty");
    if ("status" in reply) return fail(outgoing, reply.status, "scripted", reply.retryAfter);
    if ("delay" in reply) return void setTimeout(() => outgoing.writeHead(504).end(), reply.delay).unref();
    if ("garbage" in reply)
      return void outgoing.writeHead(200, { "content-type": "application/json" }).end("<html>not JSON</html>");
    const usage = (given.usage ?? true) ? usageOf(request, reply) : null;
    if (request.stream) return stream(outgoing, request, reply, requests.length, usage);
    if ("cut" in reply) {
      outgoing.writeHead(200, { "content-type": "application/json", "content-length": "5000" });
      outgoing.write('{"id":"x","choices":[{"mess');
      return void setTimeout(() => outgoing.destroy(), 20);
    }
    outgoing
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify(completion(request, reply, requests.length, usage)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    refused,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function fail(outgoing: ServerResponse, status: number, message: string, retryAfter?: number): void {
  outgoing
    .writeHead(status, { "content-type": "application/json", ...(retryAfter ? { "retry-after": String(retryAfter) } : {}) })
    .end(JSON.stringify({ error: { message, type: "scripted", code: null } }));
}

function badTemperature({ model, temperature }: ChatRequest): string | null {
  const reasons = /^(?:o\d|gpt-5)/.test(model);
  return reasons && temperature !== undefined && temperature !== 1 ? "Unsupported value: 'temperature'" : null;
}

/** The real server refuses a conversation in which a tool call has no answer, or an answer has no call. */
function unansweredCall({ messages }: ChatRequest): string | null {
  const open = new Set<string>();
  for (const one of messages) {
    if (one.role === "tool") {
      if (!open.delete(one.tool_call_id)) return `the answer to ${one.tool_call_id} follows no call`;
      continue;
    }
    if (open.size > 0) return `the calls ${[...open].join(", ")} are not answered`;
    if (one.role === "assistant") for (const { id } of one.tool_calls ?? []) open.add(id);
  }
  return open.size > 0 ? `the calls ${[...open].join(", ")} are not answered` : null;
}

type Said = Extract<Reply, { call: unknown } | { text: string }>;
interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

/** A thousand tokens in and a hundred out: round numbers that tests can count with. */
function usageOf(_request: ChatRequest, _reply: unknown): Usage {
  return { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 };
}

function callsOf(reply: Said, turn: number) {
  if (!("call" in reply)) return undefined;
  return reply.call.map(({ name, args }, index) => ({
    id: `call_${turn}_${index}`,
    type: "function" as const,
    function: { name, arguments: typeof args === "string" ? args : JSON.stringify(args) },
  }));
}

function completion(request: ChatRequest, reply: Said, turn: number, usage: Usage | null) {
  const calls = callsOf(reply, turn);
  return {
    id: `chatcmpl-${turn}`,
    object: "chat.completion",
    created: 1,
    model: `${request.model}-2026-01-01`,
    choices: [
      {
        index: 0,
        finish_reason: calls ? "tool_calls" : "stop",
        message: { role: "assistant", content: "text" in reply ? reply.text : null, ...(calls ? { tool_calls: calls } : {}) },
      },
    ],
    ...(usage ? { usage } : {}),
  };
}

/** Server-sent events as the real server sends them: the arguments of calls in pieces, the usage in a last piece of its own. */
function stream(
  outgoing: ServerResponse,
  request: ChatRequest,
  reply: Said | { cut: true },
  turn: number,
  usage: Usage | null,
): void {
  outgoing.writeHead(200, { "content-type": "text/event-stream" });
  const common = { id: `chatcmpl-${turn}`, object: "chat.completion.chunk", created: 1, model: `${request.model}-2026-01-01` };
  const send = (delta: unknown, finish: string | null = null) =>
    outgoing.write(`data: ${JSON.stringify({ ...common, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`);
  if ("cut" in reply) {
    send({
      role: "assistant",
      tool_calls: [{ index: 0, id: "call_x", type: "function", function: { name: "query_metrics", arguments: "" } }],
    });
    send({ tool_calls: [{ index: 0, function: { arguments: '{"service": "che' } }] });
    setTimeout(() => outgoing.destroy(), 20);
    return;
  }
  send({ role: "assistant", content: "" });
  const calls = callsOf(reply, turn);
  if (calls) {
    calls.forEach(({ id, type, function: { name, arguments: args } }, index) => {
      send({ tool_calls: [{ index, id, type, function: { name, arguments: "" } }] });
      for (let at = 0; at < args.length; at += 200)
        send({ tool_calls: [{ index, function: { arguments: args.slice(at, at + 200) } }] });
    });
  } else if ("text" in reply) for (const word of reply.text.split(/(?<= )/)) send({ content: word });
  send({}, calls ? "tool_calls" : "stop");
  if (usage && request.stream_options?.include_usage)
    outgoing.write(`data: ${JSON.stringify({ ...common, choices: [], usage })}\n\n`);
  outgoing.end("data: [DONE]\n\n");
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
