import { type StructuredToolInterface, tool } from "@langchain/core/tools";
import { explain, type ReportDraft, reportDraftSchema } from "../report-schema.ts";
import type { Session } from "../session.ts";

export const SUBMIT_REPORT = "submit_report";

/** Hands in the report; the loop ends when it is accepted. */
export function submitReport(session: Session): StructuredToolInterface {
  return tool(
    async (draft: ReportDraft): Promise<string> => {
      session.draft = draft;
      return "The report was accepted.";
    },
    {
      name: SUBMIT_REPORT,
      description: "Hands in the finished investigation. Call it once, alone, when no more evidence is needed.",
      schema: reportDraftSchema,
    },
  ) as unknown as StructuredToolInterface;
}

/** Counts and explains an invalid report, so that its writer can mend it; null when it is valid. */
export function rejectReport(args: unknown, session: Session): string | null {
  const parsed = reportDraftSchema.safeParse(args);
  if (parsed.success) return null;
  session.invalidDrafts++;
  return `Error: the report was not accepted: ${explain(parsed.error)}. Mend these and call ${SUBMIT_REPORT} once more.`;
}
