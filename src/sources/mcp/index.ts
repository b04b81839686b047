import type { DynamicStructuredTool } from "@langchain/core/tools";
import type { MultiServerMCPClient } from "@langchain/mcp-adapters";
import { z } from "zod";
import type { ForeignTool, ForeignTools } from "../../agent/types.ts";
import { MINUTE, type Milliseconds } from "../../domain/time.ts";

/** One server of the Model Context Protocol: an address, or a command to start. */
export interface McpServerOptions {
  readonly name: string;
  readonly at:
    | { readonly url: string; readonly headers: Readonly<Record<string, string>> }
    | { readonly command: string; readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> };
  /** Names of the tools that may be called. */
  readonly allow: readonly string[];
  readonly timeout: Milliseconds;
}

interface Log {
  warn(about: object, message: string): void;
}

const TRY_AGAIN: Milliseconds = MINUTE;

/** Tools of MCP servers that the operator allowed by name. One that says of itself that it writes or destroys is left out all the same. */
export class McpTools implements ForeignTools {
  readonly #servers: readonly Connection[];

  constructor(servers: readonly McpServerOptions[], log: Log, now: () => number) {
    this.#servers = servers.map((options) => new Connection(options, log, now));
  }

  async list(): Promise<readonly ForeignTool[]> {
    return (await Promise.all(this.#servers.map((one) => one.tools()))).flat();
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#servers.map((one) => one.close()));
  }
}

/** Connected when its tools are first asked for; after a failure it is left alone for a minute. */
class Connection {
  readonly #options: McpServerOptions;
  readonly #log: Log;
  readonly #now: () => number;
  #client: MultiServerMCPClient | null = null;
  #tools: Promise<readonly ForeignTool[]> | null = null;
  #restUntil = Number.NEGATIVE_INFINITY;

  constructor(options: McpServerOptions, log: Log, now: () => number) {
    this.#options = options;
    this.#log = log;
    this.#now = now;
  }

  async tools(): Promise<readonly ForeignTool[]> {
    if (this.#now() < this.#restUntil) return [];
    this.#tools ??= this.#connect();
    try {
      return await this.#tools;
    } catch (error) {
      this.#log.warn({ err: error, server: this.#options.name }, "an MCP server could not be reached; its tools are left out");
      await this.#forget();
      return [];
    }
  }

  async close(): Promise<void> {
    await this.#client?.close();
    this.#client = null;
  }

  async #forget(): Promise<void> {
    this.#tools = null;
    this.#restUntil = this.#now() + TRY_AGAIN;
    await this.close().catch(() => {});
  }

  async #connect(): Promise<readonly ForeignTool[]> {
    const { MultiServerMCPClient } = await import("@langchain/mcp-adapters");
    const { name, at, timeout } = this.#options;
    const connection =
      "url" in at
        ? { transport: "http" as const, url: at.url, headers: { ...at.headers }, automaticSSEFallback: true }
        : {
            transport: "stdio" as const,
            command: at.command,
            args: [...at.args],
            env: environment(at.env),
            stderr: "ignore" as const,
          };
    const client = new MultiServerMCPClient({
      mcpServers: { [name]: { ...connection, defaultToolTimeout: timeout } },
      prefixToolNameWithServerName: false,
      additionalToolNamePrefix: "",
    });
    this.#client = client;
    const offered = await withinTime(client.getTools(name), timeout, `${name} offered no tools in ${timeout / 1_000} s`);
    return offered.filter((tool) => this.#isAllowed(tool)).flatMap((tool) => this.#foreign(tool));
  }

  #isAllowed(tool: DynamicStructuredTool): boolean {
    if (!this.#options.allow.includes(tool.name)) return false;
    const { readOnlyHint, destructiveHint } = (tool.metadata?.annotations ?? {}) as Record<string, unknown>;
    const writes = readOnlyHint === false || (destructiveHint === true && readOnlyHint !== true);
    const about = { server: this.#options.name, tool: tool.name };
    if (writes) this.#log.warn(about, "an allowed MCP tool says that it changes things; it is left out");
    return !writes;
  }

  #foreign(tool: DynamicStructuredTool): ForeignTool[] {
    const { name: server } = this.#options;
    const schema = tool.schema as Readonly<Record<string, unknown>>;
    try {
      z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
    } catch (error) {
      this.#log.warn(
        { err: error, server, tool: tool.name },
        "the arguments of an MCP tool cannot be understood; it is left out",
      );
      return [];
    }
    return [
      {
        name: `${server}__${tool.name}`.replace(/[^\w-]/g, "_").slice(0, 64),
        description: tool.description,
        schema,
        server,
        call: async (args, signal) => textOf(await tool.invoke({ ...args }, { signal })),
      },
    ];
  }
}

/** What a child may see of the environment: never the keys and tokens that Vigil itself runs with. */
function environment(given: Readonly<Record<string, string>>): Record<string, string> {
  const { PATH = "", HOME = "" } = process.env;
  return { PATH, HOME, ...given };
}

function textOf(result: unknown): string {
  if (typeof result === "string") return result;
  if (Array.isArray(result)) return result.map((one) => (one as { text?: string }).text ?? "").join("\n");
  return JSON.stringify(result);
}

async function withinTime<Result>(work: Promise<Result>, timeout: Milliseconds, message: string): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), timeout);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
