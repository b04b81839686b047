import { z } from "zod";

import { filled, positive } from "./values.ts";

/** Read where it is there; any other that is named must be. */
export const OWN_CATALOG = "data/catalog-info.yaml";

/** What every source of documents has. */
const source = {
  name: z
    .string()
    .regex(/^[\w.-]{1,60}$/, "must be letters, digits, dots and dashes")
    .describe("unique; renaming it reads everything anew"),
  audience: z
    .string()
    .regex(/^[a-z]+:.+$/, "must be surface:channel, for instance slack:C0123456789")
    .optional()
    .describe("the only channel in which its documents may be cited"),
};

/** Places where a team keeps incidents, runbooks and notes. */
const sources = z
  .array(
    z.discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("folder"), path: filled, ...source }),
      z.strictObject({
        kind: z.literal("git"),
        url: filled.describe("https, ssh or file address of a repository"),
        branch: filled.default("main"),
        under: z.string().default("").describe("folder in the repository; all of it when empty"),
        username: filled.default("x-access-token"),
        token: filled.optional(),
        ...source,
      }),
      z.strictObject({
        kind: z.enum(["confluence", "notion", "pagerduty", "incident-io"]),
        path: filled.describe("an export: a zip, or the folder that it was unpacked to"),
        ...source,
      }),
      z.strictObject({
        kind: z.literal("github-issues"),
        repository: z.string().regex(/^[\w.-]+\/[\w.-]+$/, "must be owner/name"),
        label: filled.default("incident"),
        token: filled.optional(),
        apiUrl: z.url({ protocol: /^https?$/ }).default("https://api.github.com"),
        ...source,
      }),
    ]),
  )
  .max(50)
  .superRefine((sources, context) => {
    sources.forEach(({ name }, index) => {
      if (sources.findIndex((other) => other.name === name) !== index) {
        context.addIssue({ code: "custom", path: [index, "name"], message: `${name} is taken by another source` });
      }
    });
  })
  .default([]);

/** Where the passages nearest to a question are found. */
const vectors = z
  .strictObject({
    kind: z.enum(["hnswlib", "pgvector", "qdrant", "weaviate", "pinecone"]).default("hnswlib").describe("hnswlib: in memory"),
    url: z.url().optional().describe("pgvector: postgres://…; pinecone: address of the index"),
    apiKey: filled.optional(),
    grpcUrl: z.url().optional().describe("weaviate, where it is not the host of url at 50051"),
    collection: z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,40}$/, "must be lower-case letters, digits and _")
      .default("vigil_passages")
      .describe("the embedding model is added to the name"),
  })
  .refine(({ kind, url }) => kind === "hnswlib" || url !== undefined, {
    path: ["url"],
    message: "say where it is: every kind but hnswlib needs an address",
  })
  .prefault({});

/** Past incidents, runbooks and notes: where they are, and how they are searched. */
export const knowledgeSchema = z
  .strictObject({
    folders: z.array(z.string().min(1)).default(["data"]),
    catalog: z.string().min(1).default(OWN_CATALOG),
    embeddings: z
      .strictObject({
        model: z.string().min(1).describe("for instance text-embedding-3-large"),
        baseUrl: z
          .url({ protocol: /^https?$/ })
          .optional()
          .describe("default: model.baseUrl"),
        apiKey: z.string().min(1).optional().describe("default: model.apiKey"),
        dimensions: z.coerce.number().int().min(16).max(8_192).optional(),
        timeoutSeconds: positive.default(10),
      })
      .optional()
      .describe("any OpenAI-compatible endpoint, to which document texts are sent; without, the model that ships with Vigil"),
    vectors,
    sources,
    refreshMinutes: positive.max(10_080).default(60).describe("between looks at folders and sources"),
  })
  .prefault({});
