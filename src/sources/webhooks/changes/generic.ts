import { createHash } from "node:crypto";
import { z } from "zod";
import { line, prose, type Reader, timestamp, webLink } from "../payload.ts";

const body = z.strictObject({
  id: z.string().min(1).max(200).optional(),
  at: timestamp.optional(),
  kind: z.enum(["flag", "deploy", "config", "scale", "other"]),
  subject: z.string().min(1).max(200),
  services: z.array(z.string().min(1).max(200)).max(100).default([]),
  environment: z.string().min(1).max(100).default("production"),
  actor: z.string().min(1).max(200).default("unknown"),
  before: z.string().max(2_000).default(""),
  after: z.string().max(2_000).default(""),
  summary: z.string().max(10_000).default(""),
  context: z.string().max(100_000).default(""),
  link: z.string().max(2_000).default(""),
});

/** `POST /v1/changes`: our own shape, for everything that can send JSON. Without an id, the same change sent twice is known by its content. */
export const genericChangeReader: Reader = (raw, _headers, now) => {
  const change = body.parse(raw);
  const content = createHash("sha256").update(JSON.stringify(change)).digest("hex").slice(0, 16);
  return {
    id: null,
    changes: [
      {
        id: `webhook:${change.id ?? content}`,
        at: change.at ?? now,
        kind: change.kind,
        subject: line(change.subject),
        services: change.services.map((service) => line(service)),
        environment: line(change.environment, 100),
        actor: line(change.actor),
        before: line(change.before, 500),
        after: line(change.after, 500),
        summary: line(change.summary, 500),
        reference: webLink(change.link) ?? line(change.link, 200),
        source: "webhook",
        context: prose(change.context),
      },
    ],
  };
};
