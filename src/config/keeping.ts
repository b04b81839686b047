import { z } from "zod";
import { positive, webAddress } from "./values.ts";

/** Where what must never be lost is kept, and who may lead. */
export const stateSchema = z
  .strictObject({
    url: z
      .string()
      .regex(/^postgres(ql)?:\/\/./, "must be like postgres://user:password@host:5432/vigil")
      .optional()
      .describe("PostgreSQL for what must never be lost; without it a SQLite file in dataDir"),
    approvalKey: z
      .string()
      .regex(/^[0-9a-f]{64,}$/i, "must be 64 or more hexadecimal digits: openssl rand -hex 32")
      .optional()
      .describe("the secret behind the approval buttons; replicas on one PostgreSQL must share it"),
    leaseSeconds: z.coerce
      .number()
      .min(2)
      .max(300)
      .default(15)
      .describe("of replicas on one PostgreSQL, how long one that leads may be silent before another takes over"),
  })
  .prefault({});

/** Where heads of the audit trail are noted. */
export const auditSchema = z
  .strictObject({
    anchorFile: z
      .string()
      .min(1)
      .optional()
      .describe(
        "where heads of the audit trail are noted; best on another disk. Default: audit-anchor.jsonl in the folder of all state",
      ),
    anchorUrl: webAddress.optional().describe("a server that keeps them, too: each is sent as JSON"),
    anchorToken: z.string().min(1).optional().describe("sent to it as a bearer token"),
    anchorMinutes: positive.max(1_440).default(5),
  })
  .prefault({});

/** When what is kept is deleted. */
export const retentionSchema = z
  .strictObject({
    incidentDays: positive
      .max(3_650)
      .default(730)
      .describe("resolved incidents with their investigations, votes, threads and pictures are deleted after this"),
    conversationDays: positive.max(3_650).default(365).describe("what was said in threads and on the page is deleted after this"),
  })
  .prefault({});
