import { MINUTE } from "../domain/time.ts";
import type { Action } from "./catalogue/action.ts";
import { type ActionContext, wordsOf } from "./context.ts";
import { withDeadline } from "./deadline.ts";
import type { Journal } from "./journal.ts";
import { StateMovedError } from "./ports.ts";
import { inspect, writeContext } from "./send.ts";
import type { Execution, StoredProposal } from "./store.ts";

/**
 * Puts the snapshot back once and reads it back; a rollback is never rolled back. What somebody changed after the action is theirs and stays:
 * then people decide. The state says that the undo is under way before the first byte goes out, so after a crash the same write is made again
 * under the same key, which changes nothing twice.
 */
export async function undo(
  context: ActionContext,
  journal: Journal,
  stored: StoredProposal,
  action: Action,
  execution: Execution,
): Promise<void> {
  const { proposal, snapshot } = stored;
  const why = proposal.outcome ?? "it did not help";
  const end = (to: "rolled_back" | "rollback_failed" | "unknown", outcome: string) =>
    journal.move(proposal, ["rolling_back"], to, outcome);
  const { rollBack } = action;
  if (!rollBack) {
    await end("unknown", `${why}; there is nothing to undo, so people must act now`);
    return;
  }
  const look = () => inspect(context, action, stored, execution.stage);
  let trouble = "it does not read back as it was";
  try {
    const found = await look();
    if (found.at !== "before" && !execution.undoSent) {
      if (found.fingerprint !== execution.standing) throw new StateMovedError("somebody changed it after the action");
      const args = action.schema.parse(proposal.args);
      const write = writeContext(proposal, `${proposal.id}.${proposal.rev}.undo`, execution.standing);
      await withDeadline(rollBack(args, snapshot, write), context.writeTimeout, `Undoing ${proposal.target}`, "write");
    }
  } catch (error) {
    if (error instanceof StateMovedError) {
      await end("unknown", `${why}; it was not undone, because ${proposal.target} was changed since: people must decide now`);
      return;
    }
    trouble = wordsOf(error);
  }
  await context.checkpoint("undo-sent");
  // Whatever the answer was: the target tells.
  const restored = await look().catch((error) => {
    trouble = wordsOf(error);
    return null;
  });
  await context.checkpoint("undo-read-back");
  if (restored?.at === "before") await end("rolled_back", `${why}; put back and read back as it was`);
  else if (restored?.at === "settling" && !execution.undoSent) {
    const settledBy = context.now() + context.policy.settleMinutes * MINUTE;
    await context.store.saveExecution({ ...execution, undoSent: true, settledBy }, "rolling_back");
  } else if (restored?.at !== "settling" || context.now() >= execution.settledBy)
    await end("rollback_failed", `${why}; and the undo failed: ${trouble}. People must act now.`);
}
