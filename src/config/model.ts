import { z } from "zod";
import { flag, positive } from "./values.ts";

const azure = z.strictObject({ instance: z.string().min(1), deployment: z.string().min(1), apiVersion: z.string().min(1) });
const price = z.strictObject({ input: z.coerce.number().min(0), output: z.coerce.number().min(0) });

/** Models, their ceilings and prices. */
export const modelSchema = z
  .strictObject({
    apiKey: z.string().min(1).optional(),
    baseUrl: z.url({ protocol: /^https?$/ }).optional(),
    name: z.string().min(1).optional(),
    azure: azure.optional(),
    streaming: flag.default(false).describe("ask for answers piece by piece, for servers that cannot do otherwise"),
    timeoutSeconds: positive.default(60),
    fallbacks: z
      .array(
        z.strictObject({
          name: z.string().min(1),
          apiKey: z.string().min(1).optional(),
          baseUrl: z.url({ protocol: /^https?$/ }).optional(),
          azure: azure.optional(),
          streaming: flag.default(false),
          timeoutSeconds: positive.default(60),
        }),
      )
      .default([])
      .describe(
        "tried in this order when the model fails, before the offline reasoner; at the same endpoint unless they name one",
      ),
    retries: z.coerce.number().int().min(0).max(10).default(2),
    maxDollarsPerInvestigation: positive.default(0.5),
    maxTokensPerInvestigation: positive.default(150_000),
    maxSecondsPerInvestigation: positive.default(180),
    maxModelCallsPerInvestigation: z.coerce.number().int().min(1).default(20),
    maxToolCallsPerInvestigation: z.coerce.number().int().min(1).default(40),
    maxDollarsPerDay: positive.default(20),
    maxDollarsPerDayAndChannel: positive.default(10),
    prices: z
      .strictObject({
        asOf: z.iso.date().describe("day on which these prices were looked up"),
        models: z.record(z.string(), price),
        fallback: price.optional().describe("for models that are not listed"),
      })
      .optional()
      .describe("US dollars per million tokens; without, list prices of the day that `vigil doctor` names"),
  })
  .prefault({});
