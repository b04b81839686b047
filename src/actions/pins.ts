import { RUNNING } from "../domain/proposal.ts";
import { HOUR } from "../domain/time.ts";
import type { ActionContext } from "./context.ts";
import { withDeadline } from "./deadline.ts";
import type { FlagProvider, WriteContext } from "./ports.ts";
import type { Experiment } from "./store.ts";

/** How often a running test looks whether it shall end (wall clock). */
export const LOOK_EVERY = 500;
/** A test that was asked to end is put back by somebody else after so long (wall clock). */
const FORSAKEN = 10_000;

/** The three calls that a test needs, each with a time-out. */
export function bounded(context: ActionContext, flags: FlagProvider): Pick<FlagProvider, "get" | "snapshot" | "pinCohort"> {
  const { targetTimeout } = context;
  return {
    get: (key) => withDeadline(flags.get(key), targetTimeout, `Reading flag ${key}`, "read"),
    snapshot: (key) => withDeadline(flags.snapshot(key), targetTimeout, `Reading flag ${key}`, "read"),
    pinCohort: (key, cohort, pinned, to) =>
      withDeadline(flags.pinCohort(key, cohort, pinned, to), targetTimeout, `Changing flag ${key}`, "write"),
  };
}

export const write = (id: string, what: string, expected: string | null): WriteContext => ({
  actor: "vigil (causal test)",
  reason: what === "pin" ? "off for test traffic only, for a causal test" : "causal test over: as it was",
  idempotencyKey: `${id}.${what}`,
  expected,
});

/**
 * Puts a flag back as it was before its test; true when it reads back so and the test is closed. A flag that people changed meanwhile only
 * loses the pin. While a pin may still be on its way, the test stays open, and the flag is looked at again.
 */
export async function restoreExperiment(context: ActionContext, experiment: Experiment): Promise<boolean> {
  const { experiments, log } = context;
  if (!context.flags) return false;
  const flags = bounded(context, context.flags);
  try {
    const now = await flags.get(experiment.flag);
    await context.checkpoint("unpinning");
    if (now?.pinnedOff.includes("test"))
      // Each try has a key of its own: after a pin that came late, the same key would change nothing.
      await flags.pinCohort(experiment.flag, "test", false, write(experiment.id, `unpin.${context.now()}`, null));
    await context.checkpoint("unpinned");
    const after = await flags.get(experiment.flag);
    const clean = after === null || !after.pinnedOff.includes("test");
    const closable = clean && (experiment.state !== "pinning" || context.now() >= experiment.pinnedBy);
    if (closable) {
      await experiments.save(
        { ...experiment, state: "restored", endedAt: context.clock.now() },
        { actor: "vigil", kind: "causal_test_restored", subject: `flag:${experiment.flag}`, data: {} },
      );
    }
    return closable;
  } catch (error) {
    log.error({ err: error, flag: experiment.flag }, "a causal test could not be undone; it is tried again");
    return false;
  }
}

/**
 * Ends the causal test of a target, wherever it runs, and waits until the target is as it was: what people are asked about must be what
 * they find. `open` when that takes longer than a target has to answer.
 */
export async function endTestOf(context: ActionContext, target: string): Promise<"none" | "ended" | "open"> {
  const { experiments, now, pause, targetTimeout } = context;
  if (!(await experiments.giveWay(target, now() + FORSAKEN))) return "none";
  const begun = now();
  while (Math.abs(now() - begun) < targetTimeout) {
    await pause(LOOK_EVERY / 2);
    if (!(await experiments.giveWay(target, now() + FORSAKEN))) return "ended";
  }
  return "open";
}

/** For so long after a test (telemetry time) its flag is looked at again. */
const LATE_PINS = HOUR;

/**
 * Lets go of pins that no open test holds: a pin whose answer was lost may come after its test was closed, when a clock jumped or a network
 * was slower than any time-out. Flags with an action in flight are left alone until that has ended.
 */
export async function sweepLatePins(context: ActionContext): Promise<void> {
  const { experiments, store, clock, log } = context;
  if (!context.flags) return;
  const recent = await experiments.restoredSince(clock.now() - LATE_PINS);
  if (recent.length === 0) return;
  const flags = bounded(context, context.flags);
  const open = new Set((await experiments.open()).map(({ flag }) => flag));
  const active = await store.list({ states: ["approved", ...RUNNING] });
  for (const experiment of new Map(recent.map((one) => [one.flag, one])).values()) {
    const { id, flag } = experiment;
    if (open.has(flag) || active.some(({ target }) => target === `flag:${flag}`)) continue;
    try {
      if (!(await flags.get(flag))?.pinnedOff.includes("test")) continue;
      await flags.pinCohort(flag, "test", false, write(id, `unpin.${context.now()}`, null));
      await store.audit({ actor: "vigil", kind: "causal_test_late_pin", subject: `flag:${flag}`, data: { experiment: id } });
    } catch (error) {
      log.error({ err: error, flag }, "a late pin could not be let go; it is tried again");
    }
  }
}
