import { z } from "zod";
import { flag, port, positive } from "./values.ts";

/** The shop that runs beside Vigil for who tries it. */
export const demoSchema = z
  .strictObject({
    enabled: flag.default(false),
    speed: positive.max(600).default(60).describe("demo minutes in one wall-clock minute"),
    historyDays: positive.max(60).default(14),
    scenario: z
      .enum(["flag", "bad-deploy", "cascade", "quiet", "rollback-no-help", "none"])
      .default("flag")
      .describe("what happens by itself on the first start"),
    seed: z.coerce.number().int().default(247),
    daysBack: z.coerce.number().int().min(0).max(30).default(0).describe("days that the demo's clock starts in the past"),
    metricsPort: port.optional().describe("where the shop exposes /metrics to be scraped, on loopback"),
    unleashClientToken: z
      .string()
      .min(1)
      .optional()
      .describe("the shop reads its flags from the Unleash that flags names, with this token"),
  })
  .prefault({});
