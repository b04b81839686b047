import { type StructuredToolInterface, tool } from "@langchain/core/tools";
import { z } from "zod";
import type { Session } from "../session.ts";

const REOPEN = "reopen_investigation";

/** Says that what a person wrote should change the investigation of the thread; the answering ends there. */
export function reopenInvestigation(session: Session): StructuredToolInterface {
  return tool(
    async (): Promise<string> => {
      session.reopens = true;
      return "The investigation will be taken up again.";
    },
    {
      name: REOPEN,
      description:
        "Takes up the investigation of this thread again, because your colleague doubts it or names something to look at that could change it. Not for questions.",
      schema: z.object({}),
    },
  ) as unknown as StructuredToolInterface;
}
