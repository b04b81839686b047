import { TargetError } from "../actions/ports.ts";
import type { Milliseconds } from "../domain/time.ts";
import { redact } from "../domain/untrusted.ts";

/** What went wrong with a call; the message says it in words, with the remedy. */
export type ApiFault =
  | "unreachable"
  | "timeout"
  | "unauthorized"
  | "forbidden"
  | "missing"
  | "conflict"
  | "rate_limited"
  | "rejected"
  | "server"
  | "garbage";

/** A call to a system's REST API failed. `outcomeUnknown` only where a write may have taken effect all the same. */
export class ApiError extends TargetError {
  readonly fault: ApiFault;
  /** HTTP status, or null when there was no answer. */
  readonly status: number | null;
  /** What the system said itself, at most 300 characters: untrusted text. */
  readonly said: string;
  /** How long it asks to be left alone (`Retry-After` in seconds), or null. */
  readonly retryAfter: Milliseconds | null;

  constructor(
    message: string,
    facts: {
      fault: ApiFault;
      status: number | null;
      said: string;
      outcomeUnknown: boolean;
      retryAfter?: Milliseconds | null;
      cause?: unknown;
    },
  ) {
    super(message, facts);
    this.fault = facts.fault;
    this.status = facts.status;
    this.said = facts.said;
    this.retryAfter = facts.retryAfter ?? null;
  }
}

export interface JsonApiOptions {
  /** The system's name for messages, for instance `Unleash`. */
  readonly name: string;
  /** Address with an optional path before all others, for instance `https://flags.example/team/`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Configuration keys that messages name as the remedy. */
  readonly keys: { readonly url: string; readonly token: string };
  /** For a whole call with its body; 10 seconds unless told. */
  readonly timeout?: Milliseconds;
  /** 16 MB unless told. */
  readonly maxBytes?: number;
  /** The global one unless told: one of its own carries client certificates. */
  readonly fetch?: typeof fetch;
}

export type Query = Readonly<Record<string, string | readonly string[]>>;

/** Segments of a path; each is encoded, so that a name can never reach beyond its place. */
export type Path = readonly string[];

export interface Call {
  /** A list repeats its key. */
  readonly query?: Query;
  readonly body?: unknown;
  /** Sent as `application/x-www-form-urlencoded`, for questions too long for an address. */
  readonly form?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Calls one JSON API at one origin. Redirects are not followed, so that the token goes nowhere else. */
export class JsonApi {
  readonly #options: JsonApiOptions;
  readonly #base: URL;

  constructor(options: JsonApiOptions) {
    this.#options = options;
    this.#base = new URL(options.url.endsWith("/") ? options.url : `${options.url}/`);
  }

  /** Where it is, for messages: `flags.example:8443`. */
  get host(): string {
    return this.#base.host;
  }

  /** Reads. @throws ApiError, never with an unknown outcome. */
  get(path: Path, call: Omit<Call, "body" | "form"> = {}): Promise<unknown> {
    return this.#call("GET", path, call, false);
  }

  /** Reads by a POST that changes nothing, as query APIs have it. @throws ApiError, never with an unknown outcome. */
  ask(path: Path, call: Call): Promise<unknown> {
    return this.#call("POST", path, call, false);
  }

  /** Reads what may not be there: null for 404. */
  async find(path: Path, call: Omit<Call, "body" | "form"> = {}): Promise<unknown> {
    try {
      return await this.get(path, call);
    } catch (error) {
      if (error instanceof ApiError && error.fault === "missing") return null;
      throw error;
    }
  }

  /** Changes something; null when the answer has no body. @throws ApiError, with an unknown outcome when the system may have done it. */
  write(method: "POST" | "PUT" | "PATCH" | "DELETE", path: Path, call: Call = {}): Promise<unknown> {
    return this.#call(method, path, call, true);
  }

  async #call(method: string, path: Path, { query, body, form, headers, signal }: Call, writes: boolean): Promise<unknown> {
    const { name, keys } = this.#options;
    const url = this.#address(path, query);
    const fail = (
      fault: ApiFault,
      status: number | null,
      what: string,
      more: { said?: string; retryAfter?: Milliseconds | null; cause?: unknown } = {},
    ) =>
      new ApiError(`${name} ${what}`, {
        fault,
        status,
        said: more.said ?? "",
        outcomeUnknown: writes && (fault === "timeout" || fault === "server" || fault === "garbage"),
        retryAfter: more.retryAfter ?? null,
        cause: more.cause,
      });
    const timeout = this.#options.timeout ?? 10_000;
    const limit = AbortSignal.timeout(timeout);
    let status: number;
    let text: string;
    let retryAfter: Milliseconds | null = null;
    try {
      const response = await (this.#options.fetch ?? fetch)(url, {
        method,
        headers: {
          accept: "application/json",
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...this.#options.headers,
          ...headers,
        },
        redirect: "manual",
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(form === undefined ? {} : { body: parameters(form) }),
      });
      status = response.status;
      const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
      retryAfter = Number.isFinite(seconds) ? seconds * 1_000 : null;
      text = await this.#read(response);
    } catch (error) {
      if (error instanceof TooLarge) throw fail("garbage", null, `sent more than ${error.message} and was not read further.`);
      if (limit.aborted) {
        throw fail("timeout", null, `did not answer ${method} ${url.pathname} within ${timeout / 1_000} s.`, { cause: error });
      }
      signal?.throwIfAborted();
      const code = causeOf(error);
      // Only a connection that was never made tells for certain that nothing was done.
      const fault = NEVER_SENT.has(code) ? "unreachable" : "server";
      throw fail(fault, null, `at ${url.host} cannot be reached (${code}); check ${keys.url} and the network.`, { cause: error });
    }
    if (status >= 300 && status < 400) {
      throw fail("rejected", status, `answered with a redirect (${status}); set ${keys.url} to the final address.`);
    }
    const value = parsed(text);
    if (status >= 400) {
      const said = saidIn(value, text);
      const quote = said ? ` It said: ${said}` : "";
      const [fault, what] = this.#meaning(status, `${method} ${url.pathname}`);
      throw fail(fault, status, `${what}${quote}`, { said, retryAfter });
    }
    if (value === undefined) {
      throw fail("garbage", status, `answered ${method} ${url.pathname} with something that is not JSON; check ${keys.url}.`);
    }
    return value;
  }

  #address(path: Path, query: Query = {}): URL {
    for (const segment of path) {
      if (/^\.{0,2}$/.test(segment)) {
        throw new TargetError(`${JSON.stringify(segment)} cannot be a name in ${this.#options.name}.`, { outcomeUnknown: false });
      }
    }
    const url = new URL(path.map(encodeURIComponent).join("/"), this.#base);
    url.search = parameters(query).toString();
    return url;
  }

  async #read(response: Response): Promise<string> {
    const most = this.#options.maxBytes ?? 16_000_000;
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength;
      if (size > most) throw new TooLarge(`${most / 1_000_000} MB`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  }

  #meaning(status: number, call: string): readonly [ApiFault, string] {
    const { keys } = this.#options;
    if (status === 401) return ["unauthorized", `does not accept the token (401 on ${call}); check ${keys.token}.`];
    if (status === 403) return ["forbidden", `does not let this token do that (403 on ${call}); give it the permission.`];
    if (status === 404) return ["missing", `has no such thing (404 on ${call}); check the name and ${keys.url}.`];
    if (status === 409) return ["conflict", `found a conflict (409 on ${call}); look again and propose anew.`];
    if (status === 429) return ["rate_limited", `limits the rate of calls (429 on ${call}); try again in a minute.`];
    if (status >= 500) return ["server", `failed (${status} on ${call}); see its own log.`];
    return ["rejected", `refused ${call} (${status}).`];
  }
}

function parameters(query: Query): URLSearchParams {
  return new URLSearchParams(
    Object.entries(query).flatMap(([key, value]) => [value].flat().map((one): [string, string] => [key, String(one)])),
  );
}

class TooLarge extends Error {}

const NEVER_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"]);

function causeOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const code = (cause as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : cause instanceof Error ? cause.message : String(cause);
}

/** JSON, null for nothing at all, undefined for anything else. */
function parsed(text: string): unknown {
  if (text.trim() === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function saidIn(value: unknown, text: string): string {
  const message = (value as { message?: unknown } | null | undefined)?.message;
  return redact((typeof message === "string" ? message : text).replace(/\s+/g, " ").trim().slice(0, 300));
}
