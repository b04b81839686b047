import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface StubRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** JSON when it is, text otherwise, null for none. */
  readonly body: unknown;
}

export interface StubAnswer {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface StubServer {
  readonly url: string;
  readonly requests: StubRequest[];
  /** Answers that are given first, in this order, whatever is asked. */
  readonly next: StubAnswer[];
  close(): Promise<void>;
}

/** An HTTP server whose answers a test decides; every request is kept. `answer` may write a stream itself and return null. */
export async function stubServer(
  answer: (request: StubRequest, response: ServerResponse) => StubAnswer | null | Promise<StubAnswer | null>,
): Promise<StubServer> {
  const requests: StubRequest[] = [];
  const next: StubAnswer[] = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://stub");
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const seen: StubRequest = {
      method: request.method ?? "GET",
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: bodyOf(Buffer.concat(chunks).toString("utf8")),
    };
    requests.push(seen);
    const given = next.shift() ?? (await answer(seen, response));
    if (given === null) return;
    const { status = 200, body, headers = {} } = given;
    const text = typeof body === "string";
    response.writeHead(status, { "content-type": text ? "text/plain" : "application/json", ...headers });
    response.end(body === undefined ? undefined : text ? body : JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    next,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function bodyOf(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
