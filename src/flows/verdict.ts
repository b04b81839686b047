import type { Proposal } from "../domain/proposal.ts";

/** The end of an action in one message; edits do not notify, this does. Null while it is not at an end that people wait for. */
export function verdictOf(proposal: Proposal): string | null {
  const { id, summary, outcome } = proposal;
  const after = outcome ? ` ${outcome}.` : "";
  switch (proposal.state) {
    case "verified":
      return `**Verified.** ${summary}.${after} Was the hypothesis right, and did the action help? The buttons above take a second.`;
    case "rolled_back":
      return `**Rolled back:**${after} ${id} is undone. It did not help: the cause is elsewhere, or more than this is needed.`;
    case "rollback_failed":
      return `**The undo failed.**${after} Act now: ${proposal.undo}.`;
    case "unknown":
      return `**Needs your eyes.** ${id}:${after}`;
    case "failed":
    case "stale":
      return `**Not run.** ${id}:${after}`;
    default:
      return null;
  }
}
