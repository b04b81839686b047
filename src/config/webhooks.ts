import { z } from "zod";
import { positive, sharedSecret } from "./values.ts";

const bearer = z.strictObject({ token: sharedSecret.optional() }).prefault({});
/** HMAC-SHA256 of the body in a header, or a bearer token. */
const signedOrBearer = z.strictObject({
  token: sharedSecret.optional(),
  secret: sharedSecret.optional(),
  signatureHeader: z.string().min(1).default("X-Signature-256"),
  signaturePrefix: z.string().default("sha256="),
  signatureEncoding: z.enum(["hex", "base64"]).default("hex"),
  timestampHeader: z
    .string()
    .min(1)
    .optional()
    .describe("header with Unix seconds that are signed before the body, with a colon between"),
});

/** What alerting and delivery systems send, and how they prove who they are. */
export const webhooksSchema = z
  .strictObject({
    maxBodyMegabytes: positive.max(64).default(1),
    serviceLabels: z
      .array(z.string().min(1))
      .optional()
      .describe("labels of an alert that may name its service, most telling first"),
    services: z
      .record(z.string(), z.array(z.string().min(1)))
      .default({})
      .describe("services that a repository, project, application or flag belongs to; its last part is tried without"),
    alertmanager: bearer,
    grafana: z
      .strictObject({
        token: sharedSecret.optional(),
        secret: sharedSecret.optional(),
        timestampHeader: z.string().min(1).optional(),
      })
      .prefault({}),
    pagerduty: z.strictObject({ token: sharedSecret.optional(), secret: sharedSecret.optional() }).prefault({}),
    generic: signedOrBearer.prefault({}),
    changes: signedOrBearer.prefault({}),
    github: z.strictObject({ secret: sharedSecret.optional() }).prefault({}),
    gitlab: bearer,
    argocd: bearer,
    unleash: bearer,
  })
  .prefault({});
