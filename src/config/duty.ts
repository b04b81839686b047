import { z } from "zod";
import { flag, positive, webAddress } from "./values.ts";

/** Who is on call. */
export const onCallSchema = z
  .strictObject({
    file: z.string().min(1).optional().describe("rota in YAML"),
    pagerDuty: z
      .strictObject({
        token: z.string().min(1).optional().describe("REST API key; a read-only one is enough"),
        apiUrl: webAddress.default("https://api.pagerduty.com"),
        schedules: z
          .record(z.string(), z.array(z.string().min(1)))
          .default({})
          .describe("schedule ids by service; * for the rest"),
      })
      .prefault({}),
  })
  .prefault({});

/** When and how those on duty are called. */
export const escalationSchema = z
  .strictObject({
    afterMinutes: positive.max(1_440).default(15).describe("how long a critical alert may fire unattended"),
    mostAnHour: z.coerce.number().int().min(1).max(100).default(6),
    mention: flag.default(false).describe("call those on duty in the incident channel"),
    whenUnsure: flag
      .default(true)
      .describe("call them when an investigation ends below the confidence threshold while the trouble goes on"),
    pageUrl: webAddress
      .optional()
      .describe("address of this page as responders reach it, for the links in a page and to evidence"),
    pagerDuty: z
      .strictObject({
        routingKey: z.string().min(1).optional().describe("integration key of an Events API v2 integration"),
        eventsUrl: webAddress.default("https://events.pagerduty.com"),
      })
      .prefault({}),
    opsgenie: z
      .strictObject({
        apiKey: z.string().min(1).optional().describe("key of an API integration"),
        apiUrl: webAddress.default("https://api.opsgenie.com"),
        teams: z.array(z.string().min(1)).default([]).describe("called instead of the integration's own team"),
      })
      .prefault({}),
  })
  .prefault({});
