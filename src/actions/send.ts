import type { Proposal, ProposalState } from "../domain/proposal.ts";
import type { Standing } from "./catalogue/action.ts";
import { wordsOf } from "./context.ts";
import { withDeadline } from "./deadline.ts";
import { StateMovedError, TargetError, type WriteContext } from "./ports.ts";
import type { Underway } from "./underway.ts";
import { watched } from "./watch.ts";

/** What a stage sets out to do: the arguments of the step, or of the whole when there is only one. */
export function stageOf(
  proposal: Proposal,
  stage: number,
): { readonly args: Proposal["args"]; readonly state: string; readonly last: boolean } {
  const { stages, args, wantedState } = proposal;
  const step = stages?.[stage];
  return step ? { ...step, last: stage === (stages?.length ?? 1) - 1 } : { args, state: wantedState, last: true };
}

export function writeContext(proposal: Proposal, idempotencyKey: string, expected: string | null): WriteContext {
  const by = proposal.approvals.map(({ user }) => user).join(", ");
  return { actor: `vigil (approved by ${by})`, reason: `${proposal.id}: ${proposal.reason}`, idempotencyKey, expected };
}

/** Looks at the target as the current stage left it. */
export function inspect({ context, action, stored: { proposal, snapshot }, execution }: Underway): Promise<Standing> {
  const args = action.schema.parse(stageOf(proposal, execution.stage).args);
  return withDeadline(action.inspect(args, snapshot), context.targetTimeout, `Reading ${proposal.target}`, "read");
}

/** Sends what was claimed, once, and decides by the target itself what came of it. */
export async function send(run: Underway): Promise<void> {
  const { context, journal, action, execution } = run;
  const { proposal } = run.stored;
  const { args } = stageOf(proposal, execution.stage);
  if (context.now() + context.writeTimeout > execution.sentBy) {
    // This process was held up since the claim for so long that others may have judged it by now: what was not sent must never be.
    const why = "it was not sent, since this process was held up after the claim";
    if (execution.stage === 0) await journal.move(proposal, ["executing"], "failed", `${why}; propose it anew`);
    else {
      const stands = stageOf(proposal, execution.stage - 1).state;
      await journal.move(proposal, ["executing"], "unknown", `${why}; it stands at ${stands}: please decide how it goes on`);
    }
    return;
  }
  let trouble: string | null = null;
  try {
    const write = writeContext(proposal, execution.idempotencyKey, execution.expected);
    await withDeadline(
      action.execute(action.schema.parse(args), write),
      context.writeTimeout,
      `Changing ${proposal.target}`,
      "write",
    );
  } catch (error) {
    trouble = wordsOf(error);
    const moved = error instanceof StateMovedError;
    const clean = moved || (error instanceof TargetError && !error.outcomeUnknown);
    if (clean && execution.stage === 0) {
      await journal.move(proposal, ["executing"], moved ? "stale" : "failed", trouble);
      return;
    }
    if (clean) {
      const so = `step ${execution.stage + 1} was refused (${trouble}); it stands at ${stageOf(proposal, execution.stage - 1).state}`;
      await journal.move(proposal, ["executing"], "unknown", `${so}: please decide how it goes on`);
      return;
    }
  }
  await context.checkpoint("sent");
  await readBack({ ...run, execution: { ...execution, trouble } });
}

/** Judges an execution whose write was sent, or may have been. Nothing is sent here; called again until it is clear. */
export async function readBack(run: Underway): Promise<void> {
  const { context, journal, action, execution } = run;
  const { proposal } = run.stored;
  const end = (to: ProposalState, why: string) => journal.move(proposal, ["executing"], to, why, execution);
  const waiting = context.now() < execution.sentBy;
  let standing: Standing;
  try {
    standing = await inspect(run);
  } catch (error) {
    if (waiting) return remember(run);
    await end("unknown", `the target cannot be read back (${wordsOf(error)}): look at it before anything else`);
    return;
  }
  await context.checkpoint("read-back");
  if (standing.at === "wanted") return watch({ ...run, execution: { ...execution, standing: standing.fingerprint } });
  const cause = execution.trouble ? ` (${execution.trouble})` : "";
  if (standing.at === "settling") {
    if (context.now() < execution.settledBy) return remember(run);
    const why = "it was accepted, but did not come up in time";
    if (!action.rollBack) await end("unknown", `${why}, and there is nothing to undo: please look`);
    else
      await journal.move(proposal, ["executing"], "rolling_back", why, {
        ...execution,
        standing: standing.fingerprint,
      });
    return;
  }
  // An answer that was lost, or a send that a crash cut off, may still take effect: only after a while it is said not to have.
  if (waiting) return remember(run);
  if (standing.fingerprint === execution.expected) {
    await end("unknown", `it was sent, or about to be, and nothing changed${cause}: look at the target before anything else`);
    return;
  }
  await end("unknown", `the target is neither as it was nor as wanted${cause}: look at it before anything else`);
}

async function remember({ context, execution }: Underway): Promise<void> {
  await context.store.saveExecution(execution, "executing");
}

/** The change is there: begins to watch. */
async function watch({ context, journal, stored: { proposal }, execution }: Underway): Promise<void> {
  const { criterion } = proposal;
  const { reference, stage } = execution;
  const acted = { ...execution, actedAt: context.clock.now() };
  if (!criterion || !reference) {
    const why = criterion ? "the signal had too little data before the action to judge by" : "no criterion was given";
    const what = `changed as approved, but not verified: ${why}; please look yourself`;
    await journal.move(proposal, ["executing"], "unknown", what, acted);
    return;
  }
  const { last } = stageOf(proposal, stage);
  const what = last ? "changed, and read back" : `step ${stage + 1} is done, and read back`;
  const watching = watched(context, acted, { criterion, reference }, "helped", last);
  await journal.move(proposal, ["executing"], "verifying", `${what}; watching whether it helps`, watching);
  await context.checkpoint("verifying");
}
