import { type StructuredToolInterface, tool } from "@langchain/core/tools";
import { z } from "zod";
import { explain, rivalsSchema } from "../report-schema.ts";
import type { Session } from "../session.ts";

export const UPDATE_HYPOTHESES = "update_hypotheses";

const schema = z.object({ hypotheses: rivalsSchema });

/** Holds the rivals as state that people see while the investigation runs. */
export function updateHypotheses(session: Session): StructuredToolInterface {
  return tool(
    async ({ hypotheses }: z.output<typeof schema>): Promise<string> => {
      const known = new Set(session.evidence.map(({ id }) => id));
      const cited = hypotheses.flatMap(({ evidenceFor, evidenceAgainst }) => [...evidenceFor, ...evidenceAgainst]);
      const missing = [...new Set(cited.filter((id) => !known.has(id)))];
      const real = (ids: readonly string[]) => ids.filter((id) => known.has(id));
      const held = session.hold(
        hypotheses.map((one) => ({ ...one, evidenceFor: real(one.evidenceFor), evidenceAgainst: real(one.evidenceAgainst) })),
      );
      const ids = held.map(({ id, statement }) => `${id} "${statement.slice(0, 60)}"`).join(", ");
      return missing.length > 0 ? `Held ${ids}. There is no evidence ${missing.join(", ")}; it was left out.` : `Held ${ids}.`;
    },
    {
      name: UPDATE_HYPOTHESES,
      description:
        "Holds your rival hypotheses: at least three, one of them that nothing is wrong, each with predictions that could refute it, the evidence for and against it, and your confidence. Call it after the triage and whenever evidence moved your confidence; it looks nothing up and costs no time.",
      schema,
    },
  ) as unknown as StructuredToolInterface;
}

/** Explains rivals that cannot be held; null when they can. */
export function rejectRivals(args: unknown): string | null {
  const parsed = schema.safeParse(args);
  return parsed.success ? null : `Error: nothing was held: ${explain(parsed.error)}.`;
}
