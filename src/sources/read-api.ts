import { readFileSync } from "node:fs";
import { Agent, fetch as undiciFetch } from "undici";
import type { z } from "zod";
import { SourceError, SourceUnavailable } from "../domain/telemetry.ts";
import { type Milliseconds, SECOND } from "../domain/time.ts";
import { ApiError, type Call, JsonApi, type Path, type Query } from "../targets/json-api.ts";

/** How to reach one telemetry backend and show who is asking. */
export interface BackendAddress {
  readonly url: string;
  readonly token?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Sent with every call; for gateways and tenants. */
  readonly headers?: Readonly<Record<string, string>>;
  /** `X-Scope-OrgID` of Mimir, Loki and Tempo. */
  readonly tenant?: string | undefined;
  /** Files in PEM: who may answer, and who is asking. */
  readonly tls?: {
    readonly caFile?: string | undefined;
    readonly certFile?: string | undefined;
    readonly keyFile?: string | undefined;
  };
  /** For a whole question with its retries. */
  readonly timeout: Milliseconds;
}

export interface ReadApiOptions extends BackendAddress {
  /** The system's name for messages, for instance `Loki`. */
  readonly name: string;
  /** Where in the configuration it stands, for instance `logs`; messages name `logs.url`. */
  readonly key: string;
  /** The longest answer that is read. */
  readonly maxBytes: number;
  readonly now?: () => number;
  readonly sleep?: (length: Milliseconds) => Promise<void>;
}

/** Calls at a time to one backend: an investigation must not become the load that it investigates. */
const CONCURRENCY = 4;
const RETRIES = 2;
const PAUSE = 250;
/** After it did not answer at all, a backend is left alone this long: an investigation does not wait for it again and again. */
const REST = 15 * SECOND;

/**
 * Asks one telemetry backend. Calls that were limited or failed over there are tried again within the time limit, after the pause that the
 * backend asks for; one that does not answer is left alone for a while. Every failure is a `SourceUnavailable` in the operator's words.
 */
export class ReadApi {
  readonly name: string;
  readonly #options: ReadApiOptions;
  readonly #api: JsonApi;
  readonly #dispatcher: Agent | null;
  readonly #now: () => number;
  readonly #sleep: (length: Milliseconds) => Promise<void>;
  #free = CONCURRENCY;
  readonly #waiting: (() => void)[] = [];
  #rest: { readonly until: number; readonly error: SourceUnavailable } | null = null;

  constructor(options: ReadApiOptions) {
    const { name, key, url, token, username, password, tenant, tls } = options;
    this.name = name;
    this.#options = options;
    this.#now = options.now ?? (() => Date.now());
    this.#sleep = options.sleep ?? ((length) => new Promise((resolve) => setTimeout(resolve, length)));
    const read = (part: "caFile" | "certFile" | "keyFile"): string | undefined => {
      const file = tls?.[part];
      try {
        return file ? readFileSync(file, "utf8") : undefined;
      } catch (error) {
        throw new SourceError(
          `${key}.tls.${part} names ${file}, which cannot be read (${(error as Error).message}). Correct the path or its rights.`,
        );
      }
    };
    const secured = tls?.caFile || tls?.certFile;
    this.#dispatcher = secured
      ? new Agent({ connect: { ca: read("caFile"), cert: read("certFile"), key: read("keyFile") } })
      : null;
    const dispatcher = this.#dispatcher;
    this.#api = new JsonApi({
      name,
      url,
      headers: {
        ...(username !== undefined
          ? { authorization: `Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}` }
          : {}),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(tenant ? { "x-scope-orgid": tenant } : {}),
        ...options.headers,
      },
      keys: { url: `${key}.url`, token: `${key}.token, ${key}.username and ${key}.password, or ${key}.headers` },
      timeout: options.timeout,
      maxBytes: options.maxBytes,
      ...(dispatcher
        ? { fetch: ((input: URL, init: object) => undiciFetch(input, { ...init, dispatcher })) as unknown as typeof fetch }
        : {}),
    });
  }

  /** @throws SourceUnavailable, also when the answer is not of the shape that `schema` describes */
  get<T>(schema: z.ZodType<T>, path: Path, query: Query = {}, signal?: AbortSignal): Promise<T> {
    return this.#read(schema, path, (call) => this.#api.get(path, { query, ...call }), signal);
  }

  /** As `get`, for something that may not be there: null for 404. */
  async find<T>(schema: z.ZodType<T>, path: Path, query: Query = {}, signal?: AbortSignal): Promise<T | null> {
    return this.#read(schema.nullable(), path, (call) => this.#api.find(path, { query, ...call }), signal);
  }

  /** A question by POST, for what is too long for an address. */
  ask<T>(schema: z.ZodType<T>, path: Path, call: Pick<Call, "query" | "body" | "form">, signal?: AbortSignal): Promise<T> {
    return this.#read(schema, path, (more) => this.#api.ask(path, { ...call, ...more }), signal);
  }

  async close(): Promise<void> {
    await this.#dispatcher?.close();
  }

  async #read<T>(
    schema: z.ZodType<T>,
    path: Path,
    call: (more: { signal: AbortSignal }) => Promise<unknown>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    await this.#enter();
    try {
      const answer = await this.#tryAgain(call, signal);
      const parsed = schema.safeParse(answer);
      if (parsed.success) return parsed.data;
      const [issue] = parsed.error.issues;
      throw new SourceUnavailable(
        `${this.name} answered /${path.join("/")} in an unknown shape (${issue?.path.join(".") || "top level"}: ${issue?.message}); check ${this.#options.key}.url and its version.`,
      );
    } finally {
      this.#leave();
    }
  }

  async #tryAgain(call: (more: { signal: AbortSignal }) => Promise<unknown>, signal: AbortSignal | undefined): Promise<unknown> {
    signal?.throwIfAborted();
    if (this.#rest && this.#now() < this.#rest.until) throw this.#rest.error;
    const { timeout } = this.#options;
    const deadline = this.#now() + timeout;
    const limit = AbortSignal.timeout(timeout);
    const both = signal ? AbortSignal.any([signal, limit]) : limit;
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = await call({ signal: both });
        this.#rest = null;
        return answer;
      } catch (error) {
        signal?.throwIfAborted();
        const timedOut = limit.aborted || (error instanceof ApiError && error.fault === "timeout");
        if (timedOut)
          throw this.#leaveAlone(`${this.name} timed out after ${timeout / SECOND} s; check ${this.#options.key}.url`, error);
        if (!(error instanceof ApiError)) throw error;
        if (error.fault === "unreachable") throw this.#leaveAlone(trimmed(error.message), error);
        const pause = error.retryAfter ?? PAUSE * 2 ** attempt;
        const hopeful = (error.fault === "rate_limited" || error.fault === "server") && attempt < RETRIES;
        if (!hopeful || this.#now() + pause >= deadline) throw new SourceUnavailable(trimmed(error.message), { cause: error });
        await this.#sleep(pause);
      }
    }
  }

  #leaveAlone(message: string, cause: unknown): SourceUnavailable {
    const error = new SourceUnavailable(message, { cause });
    this.#rest = { until: this.#now() + REST, error };
    return error;
  }

  async #enter(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }
}

/** Without a full stop, so that the message can stand within a sentence. */
const trimmed = (message: string): string => message.replace(/\.$/, "");
