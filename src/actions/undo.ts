import { MINUTE } from "../domain/time.ts";
import { wordsOf } from "./context.ts";
import { withDeadline } from "./deadline.ts";
import { StateMovedError } from "./ports.ts";
import { inspect, writeContext } from "./send.ts";
import type { Underway } from "./underway.ts";
import { takeSamples, watched } from "./watch.ts";

/**
 * Puts the snapshot back once, reads it back, and begins to watch the signal; a rollback is never rolled back. What somebody changed after the
 * action is theirs and stays: then people decide. The state says that the undo is under way before the first byte goes out, so after a crash the
 * same write is made again under the same key, which changes nothing twice.
 */
export async function undo(run: Underway): Promise<void> {
  const { context, journal, action, execution } = run;
  const { proposal, snapshot } = run.stored;
  const why = proposal.outcome ?? "it did not help";
  const end = (to: "rollback_failed" | "unknown", outcome: string) => journal.move(proposal, ["rolling_back"], to, outcome);
  const { rollBack } = action;
  if (!rollBack) {
    await end("unknown", `${why}; there is nothing to undo, so people must act now`);
    return;
  }
  let trouble = "it does not read back as it was";
  try {
    const found = await inspect(run);
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
  const restored = await inspect(run).catch((error) => {
    trouble = wordsOf(error);
    return null;
  });
  await context.checkpoint("undo-read-back");
  if (restored?.at === "before") {
    const { criterion } = proposal;
    const { reference } = execution;
    const back = `${why}; put back and read back as it was`;
    if (!criterion || !reference) {
      await end("unknown", `${back}, but no signal tells whether all is as before the action: please look yourself`);
      return;
    }
    const watching = watched(context, execution, { criterion, reference }, "no worse", true);
    await journal.move(proposal, ["rolling_back"], "undone", back, watching);
    await context.checkpoint("undone");
  } else if (restored?.at === "settling" && !execution.undoSent) {
    const settledBy = context.now() + context.policy.settleMinutes * MINUTE;
    await context.store.saveExecution({ ...execution, undoSent: true, settledBy }, "rolling_back");
  } else if (restored?.at !== "settling" || context.now() >= execution.settledBy)
    await end("rollback_failed", `${why}; and the undo failed: ${trouble}. People must act now.`);
}

/**
 * The undo is verified by the signal, too: no worse than before the action, with the target still as it was put back. If it is worse, or nobody
 * can tell, people are called; nothing more is run.
 */
export async function watchUndone(run: Underway): Promise<void> {
  const { context, journal, execution } = run;
  const { proposal } = run.stored;
  const seen = await takeSamples(context, proposal, execution);
  if (seen.kind === "watching") {
    if (seen.execution) await context.store.saveExecution(seen.execution, "undone");
    await context.checkpoint("undo-sampled");
    return;
  }
  const end = (to: "rolled_back" | "unknown", words: string) =>
    journal.move(proposal, ["undone"], to, `${proposal.outcome}${words}`, seen.execution);
  const stands = await inspect(run).catch((error) => wordsOf(error));
  if (typeof stands === "string")
    await end("unknown", `, but now ${proposal.target} cannot be read (${stands}): please look yourself`);
  else if (stands.at !== "before")
    await end(
      "unknown",
      `, but ${proposal.target} was changed since (${seen.words}): what came of the undo cannot be told; please look`,
    );
  else if (seen.kind === "shown") await end("rolled_back", `; since then ${seen.reason}: ${seen.words}`);
  else if (seen.kind === "harmed")
    await end("unknown", `, yet the signal is worse than before the action (${seen.words}): people must look now`);
  else
    await end("unknown", `, but whether the signal is as before the action cannot be told (${seen.words}): please look yourself`);
}
