import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: unknown }[];
  readonly tools?: readonly { readonly function: { readonly name: string } }[];
}

/** One answer of the scripted model. */
export type Reply =
  | { readonly call: readonly { readonly name: string; readonly args: unknown }[] }
  | { readonly text: string }
  | { readonly status: number }
  | { readonly delay: number }
  | { readonly garbage: true }
  | { readonly cut: true };

export interface FakeModelServer {
  readonly url: string;
  readonly requests: readonly ChatRequest[];
  close(): Promise<void>;
}

/** An OpenAI-compatible server that follows a script; the last line repeats. `delay` answers nothing for so many milliseconds, `cut` breaks the body. */
export async function fakeModelServer(script: readonly (Reply | ((request: ChatRequest) => Reply))[]): Promise<FakeModelServer> {
  const requests: ChatRequest[] = [];
  const server = createServer(async (incoming, outgoing) => {
    if (incoming.url !== "/v1/chat/completions" || incoming.method !== "POST") {
      outgoing.writeHead(404).end();
      return;
    }
    const request = JSON.parse(await bodyOf(incoming)) as ChatRequest;
    const line = script[Math.min(requests.length, script.length - 1)];
    requests.push(request);
    const reply = typeof line === "function" ? line(request) : line;
    if (!reply) throw new Error("the script is empty");
    if ("status" in reply) {
      outgoing
        .writeHead(reply.status, { "content-type": "application/json" })
        .end(JSON.stringify({ error: { message: "scripted" } }));
    } else if ("delay" in reply) {
      setTimeout(() => outgoing.writeHead(504).end(), reply.delay).unref();
    } else if ("garbage" in reply) {
      outgoing.writeHead(200, { "content-type": "application/json" }).end("<html>not JSON</html>");
    } else if ("cut" in reply) {
      outgoing.writeHead(200, { "content-type": "application/json", "content-length": "5000" });
      outgoing.write('{"id":"x","choices":[{"mess');
      setTimeout(() => outgoing.destroy(), 20);
    } else {
      outgoing
        .writeHead(200, { "content-type": "application/json" })
        .end(JSON.stringify(completion(request, reply, requests.length)));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function completion(request: ChatRequest, reply: Extract<Reply, { call: unknown } | { text: string }>, turn: number) {
  const calls =
    "call" in reply
      ? reply.call.map(({ name, args }, index) => ({
          id: `call_${turn}_${index}`,
          type: "function",
          function: { name, arguments: typeof args === "string" ? args : JSON.stringify(args) },
        }))
      : undefined;
  return {
    id: `chatcmpl-${turn}`,
    object: "chat.completion",
    created: 1,
    model: request.model,
    choices: [
      {
        index: 0,
        finish_reason: calls ? "tool_calls" : "stop",
        message: { role: "assistant", content: "text" in reply ? reply.text : null, ...(calls ? { tool_calls: calls } : {}) },
      },
    ],
    usage: { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 },
  };
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
