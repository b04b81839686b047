import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import express, { Router } from "express";
import { isBearer } from "../observe/metrics.ts";

/** `POST /mcp` by MCP's streamable HTTP, without sessions: each request is answered by a server of its own. Without a token there is no such route. */
export function mcpRouter(open: () => McpServer | null, token: string | undefined): Router {
  const router = Router();
  if (!token) return router;
  router.use("/mcp", (request, response, next) => {
    if (isBearer(request.headers.authorization, token)) return next();
    response.status(401).set("www-authenticate", "Bearer").json(refusal("Send the configured token: Authorization: Bearer …"));
  });
  router.post("/mcp", express.json({ limit: "256kb" }), async (request, response) => {
    const server = open();
    if (!server) return void response.status(503).set("retry-after", "5").json(refusal("Vigil is still starting; ask again."));
    const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
    response.on("close", () => void server.close());
    await server.connect(transport as Parameters<typeof server.connect>[0]);
    await transport.handleRequest(request, response, request.body);
  });
  router.all("/mcp", (_request, response) => {
    response.status(405).set("allow", "POST").json(refusal("Only POST is served: there are no sessions."));
  });
  return router;
}

const refusal = (message: string) => ({ jsonrpc: "2.0", error: { code: -32_000, message }, id: null });
