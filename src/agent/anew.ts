import { ASKED_ANEW } from "../domain/proposal.ts";
import type { Session } from "./session.ts";
import type { QuestionRequest } from "./types.ts";
import { approvalsOf, POLITE, proposalsAbout } from "./wish.ts";

/** A wish to have proposed once more what ended without having run. */
export interface Anew {
  /** `PRO-3`; null means the newest that ended so. */
  readonly id: string | null;
}

/** Reads "propose it again" and its like. */
export function anewOf(text: string): Anew | null {
  const words = text
    .toLowerCase()
    .replace(/[`*"“”]/g, "")
    .replace(/\s+/g, " ")
    .trim();
  const found = new RegExp(
    String.raw`^${POLITE}(re-?)?propose(?: (?:it|that|this|the same|(pro-\d{1,9})))?( again| anew| once more)?(?:,? please)?[.!?]*$`,
  ).exec(words);
  if (!found || (!found[1] && !found[3])) return null;
  return { id: found[2]?.toUpperCase() ?? null };
}

/** Has it proposed anew, as the button on its card does. @returns what to tell them */
export async function grantAnew({ id }: Anew, about: QuestionRequest["investigation"], session: Session): Promise<string> {
  const { desk } = session.deps;
  const filed = await proposalsAbout(about, session);
  const meant = filed.find((one) => (id === null ? ASKED_ANEW.has(one.state) : one.id === id));
  if (!meant || !desk.again) {
    const awaits = filed.find(({ state }) => state === "pending");
    if (id !== null) return `I know no ${id} here. Press “Propose it anew” on its card, or ask in its thread.`;
    return awaits
      ? `${awaits.id} (${awaits.summary}) still awaits a decision: press Approve on its card.`
      : "Nothing here ended without having run, so there is nothing to propose anew. Name what you want: turn FLAG off, roll back SERVICE.";
  }
  const { accepted, text, proposal } = await desk.again(meant.id, session.requester);
  if (!accepted || !proposal) return text;
  session.proposals.push(proposal.id);
  return `**${proposal.id}** asks for it anew: ${proposal.summary}. Risk ${proposal.risk.tier}; it needs ${approvalsOf(proposal)} on its card.`;
}
