import http from "node:http";
import https from "node:https";
import type { RequestContext } from "@kubernetes/client-node";
import type { Milliseconds } from "../../domain/time.ts";

/** A call that got no answer, or one that was not read to its end. */
export class NoAnswer extends Error {
  readonly fault: "timeout" | "too large" | "unreachable" | "broken off";
  constructor(fault: NoAnswer["fault"], message: string, cause?: unknown) {
    super(message, { cause });
    this.fault = fault;
  }
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

const NEVER_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

/**
 * Sends a request that the client library has given its credentials. Gives up when the call with its whole body takes longer than `timeout`,
 * and stops reading after `maxBytes`; the library's own HTTP layer knows neither limit.
 *
 * @throws NoAnswer
 */
export function send(
  request: RequestContext,
  limits: { readonly timeout: Milliseconds; readonly maxBytes: number },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const url = new URL(request.getUrl());
    const { request: open } = url.protocol === "https:" ? https : http;
    const call = open(url, { method: request.getHttpMethod(), headers: request.getHeaders(), agent: request.getAgent() });
    const timer = setTimeout(() => {
      call.destroy(new NoAnswer("timeout", `within ${limits.timeout / 1_000} s`));
    }, limits.timeout);
    const fail = (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error instanceof NoAnswer) return reject(error);
      const code = error.code ?? error.message;
      reject(new NoAnswer(NEVER_SENT.has(code) ? "unreachable" : "broken off", code, error));
    };
    call.on("error", fail);
    call.on("response", (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > limits.maxBytes) call.destroy(new NoAnswer("too large", `more than ${limits.maxBytes / 1_000_000} MB`));
        else chunks.push(chunk);
      });
      response.on("error", fail);
      response.on("end", () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") });
      });
    });
    const body = request.getBody();
    call.end(typeof body === "string" ? body : undefined);
  });
}
