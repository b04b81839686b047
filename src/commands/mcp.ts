import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { loadConfig } from "../config.ts";
import { withCore } from "./core.ts";

/** Serves the read tools over stdin and stdout, for an editor or another agent that starts this command. Ends when its input does. */
export async function mcp(): Promise<void> {
  await withCore(loadConfig(), async (core) => {
    const server = core.openToolServer();
    await server.connect(new StdioServerTransport());
    await new Promise<void>((ended) => {
      process.stdin.once("end", ended);
      process.stdin.once("close", ended);
      process.once("SIGTERM", ended);
      process.once("SIGINT", ended);
    });
    await server.close();
  });
}
