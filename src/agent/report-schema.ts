import { z } from "zod";

const evidenceIds = z.array(z.string().regex(/^E\d+$/, "an evidence id looks like E3")).max(20);

const cited = z.object({
  text: z.string().min(1).max(1_200),
  evidence: evidenceIds.describe("ids of the evidence that bears every part of the text; empty only for 'nothing was found'"),
});

const prediction = z.object({
  text: z.string().min(1).max(240).describe("what must be seen if the hypothesis is true, and is not seen if a rival is"),
  held: z.boolean().nullable().describe("what looking showed; null while nobody looked"),
  evidence: evidenceIds,
});

const hypothesis = z.object({
  id: z
    .string()
    .regex(/^H\d+$/, "a hypothesis id looks like H2")
    .optional()
    .describe("of the held hypothesis that this updates; leave out for a new one"),
  statement: z.string().min(1).max(400),
  cause: z.enum(["flag", "deploy", "dependency", "resource", "traffic", "config", "none", "unknown"]),
  service: z.string().max(200).nullable().describe("service where it is thought to start"),
  changeId: z.string().max(200).nullable().describe("id of the change event blamed, from list_changes"),
  confidence: z.number().min(0).max(1),
  status: z.enum(["supported", "refuted", "open"]),
  evidenceFor: evidenceIds,
  evidenceAgainst: evidenceIds,
  predictions: z.array(prediction).max(4).default([]),
});

/** At least three, and one of them says that nothing is wrong: whoever holds one idea only sees what fits it. */
export const rivalsSchema = z
  .array(hypothesis)
  .min(3, "give at least three rivals, one of them that nothing is wrong (cause none)")
  .max(10)
  .refine((rivals) => rivals.some(({ cause }) => cause === "none"), "one rival must be that nothing is wrong (cause none)");

/** What a mind hands in at the end of an investigation. Everything else in the report is filled in by code. */
export const reportDraftSchema = z.object({
  headline: z.string().min(1).max(240).describe("one sentence that tells the story on a phone, at most 200 characters"),
  outcome: z.enum(["cause_found", "unknown", "nothing_wrong"]),
  hypotheses: rivalsSchema,
  contributingFactors: z.array(cited).max(8),
  whatChanged: cited,
  whatElseIsAnomalous: cited,
  seenBefore: cited,
  blastRadiusOfActing: cited,
  nextChecks: z.array(z.string().min(1).max(300)).max(8),
});

export type ReportDraft = z.output<typeof reportDraftSchema>;

/** Which keys are wrong and how, in one line for the writer. */
export function explain(error: z.ZodError): string {
  return error.issues
    .slice(0, 6)
    .map((issue) => `${issue.path.join(".") || "report"}: ${issue.message}`)
    .join("; ");
}
