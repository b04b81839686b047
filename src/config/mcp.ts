import { z } from "zod";
import { sharedSecret } from "./values.ts";

/** A server of the Model Context Protocol: an address, or a command to start. */
const mcpServer = z
  .strictObject({
    url: z.url({ protocol: /^https?$/ }).optional(),
    headers: z.record(z.string(), z.string()).default({}),
    command: z.string().min(1).optional(),
    args: z.array(z.string()).default([]),
    env: z
      .record(z.string(), z.string())
      .default({})
      .describe("all of the environment that the command gets, besides PATH and HOME"),
    allow: z.array(z.string().min(1)).min(1).describe("names of the tools that only read; no other is ever offered"),
    timeoutSeconds: z.coerce.number().positive().default(15),
  })
  .refine(({ url, command }) => (url === undefined) !== (command === undefined), "give either a url or a command");

/** The Model Context Protocol, both ways. */
export const mcpSchema = z
  .strictObject({
    token: sharedSecret
      .optional()
      .describe("serves Vigil's read tools at /mcp for who sends it as a bearer; without, not at all"),
    servers: z
      .record(z.string().regex(/^[a-z][a-z0-9_-]{0,30}$/, "name a server with small letters, digits, - or _"), mcpServer)
      .default({})
      .describe("servers whose read-only tools Vigil may call"),
  })
  .prefault({});
