import { randomUUID } from "node:crypto";
import type { CausalTestResult } from "../domain/investigation.ts";
import type { MetricPoint, RedSignal, ServiceName } from "../domain/telemetry.ts";
import { HOUR } from "../domain/time.ts";
import { type ActionContext, stopReason, wordsOf } from "./context.ts";
import { bounded, LOOK_EVERY, restoreExperiment, write } from "./pins.ts";
import type { Cohort } from "./ports.ts";
import { frozen } from "./ruling.ts";
import type { Experiment } from "./store.ts";

/** The statistics of a cohort comparison, handed in: `test` was switched off, `control` was not. */
export type CausalStatistics = (input: {
  readonly test: { readonly before: readonly number[]; readonly during: readonly number[] };
  readonly control: { readonly before: readonly number[]; readonly during: readonly number[] };
  readonly expectedDirection: "down" | "up";
}) => Pick<CausalTestResult, "testMean" | "controlMean" | "effect" | "interval" | "pValue" | "samples" | "verdict"> & {
  /** Steps of each cohort that would settle it at this noise; null when it is settled or cannot be told. */
  readonly neededSamples: number | null;
};

export interface CausalRequest {
  readonly flag: string;
  readonly service: ServiceName;
  readonly signal: RedSignal;
  readonly investigationId: string;
}

export type CausalOutcome =
  | { readonly ok: true; readonly result: CausalTestResult }
  | { readonly ok: false; readonly refusal: string };

const COHORT_LABEL = "traffic.cohort";
/** The first steps after the switch show it only partly. */
const SETTLE_STEPS = 1;
const BEFORE_STEPS = 20;
/** How far back the time before is looked for, when earlier tests of the flag took the last of it. */
const BEFORE_REACH = 3 * BEFORE_STEPS;
/** Requests a second below which a cohort's mean tells nothing. */
const SMALLEST_RATE = 0.1;
/** Wall clock by which a test may be late before somebody else puts the flag back. */
const OVERDUE = 60_000;
/** A pin whose answer was lost can no longer arrive after so many time-outs. */
const PIN_WITHIN_TIMEOUTS = 3;

/**
 * Switches a flag off for test traffic only, for a fixed time, compares that cohort with the rest, and puts the flag back, whatever
 * happens: the row that says so is written first, and what it names is restored at the next start after a crash.
 */
export async function runCausalTest(
  context: ActionContext,
  statistics: CausalStatistics,
  request: CausalRequest,
  signal: AbortSignal,
  running: Set<string>,
): Promise<CausalOutcome> {
  const { store, experiments, clock, step } = context;
  if (!context.flags)
    return { ok: false, refusal: "No flag provider is configured, so nothing can be switched off for test traffic." };
  const flags = bounded(context, context.flags);
  const stopped = await stopReason(context);
  if (stopped) return { ok: false, refusal: `No test may run now: ${stopped}.` };
  const flag = await flags.get(request.flag);
  if (!flag) return { ok: false, refusal: `There is no flag ${request.flag.slice(0, 80)}.` };
  const forbidden = await policyRefusal(context, flag.key, flag.services);
  if (forbidden) return { ok: false, refusal: forbidden };
  if (!flag.enabled || flag.percent === 0)
    return { ok: false, refusal: `${flag.key} is off already; there is nothing to switch off.` };
  if (flag.pinnedOff.length > 0) return { ok: false, refusal: `${flag.key} is in another test.` };
  const rate = await cohortPoints(context, request.service, "rate", "test", clock.now() - 10 * step, clock.now());
  const traffic = rate.length === 0 ? 0 : rate.reduce((sum, { value }) => sum + value, 0) / rate.length;
  if (traffic < SMALLEST_RATE) {
    return {
      ok: false,
      refusal: `${request.service} has ${traffic.toFixed(2)} test requests/s, at least ${SMALLEST_RATE} are needed.`,
    };
  }

  const small = await tooSmall(context, statistics, request);
  if (small) return { ok: false, refusal: small };

  const experiment: Experiment = {
    id: randomUUID(),
    flag: flag.key,
    snapshot: await flags.snapshot(flag.key),
    state: "pinning",
    holder: context.holder,
    pinnedBy: context.now() + PIN_WITHIN_TIMEOUTS * context.targetTimeout,
    restoreBy: context.now() + (SETTLE_STEPS + 3) * (step / clock.speed) + length(context) / clock.speed + OVERDUE,
    startedAt: clock.now(),
    endedAt: null,
  };
  const entry = (kind: string, data: object = {}) => ({
    actor: "vigil",
    kind,
    subject: `flag:${flag.key}`,
    data: { investigation: request.investigationId, ...data },
  });
  const inTheWay = await experiments.begin(experiment, entry("causal_test_started"));
  if (inTheWay) return { ok: false, refusal: `No test may run now: ${inTheWay}.` };
  running.add(experiment.id);
  await context.checkpoint("experiment-begun");
  let begun = 0;
  let ended = 0;
  let restored = false;
  let endedEarly: string | null = null;
  try {
    await flags.pinCohort(flag.key, "test", true, write(experiment.id, "pin", flag.fingerprint));
    await context.checkpoint("pinned");
    await experiments.save({ ...experiment, state: "running" }, entry("causal_test_running"));
    begun = Math.ceil(clock.now() / step) * step + SETTLE_STEPS * step;
    ended = begun + length(context);
    endedEarly = await until(context, experiment.id, ended + step, signal);
  } catch (error) {
    await restoreExperiment(context, experiment);
    return { ok: false, refusal: `The test was given up and the flag is put back: ${wordsOf(error)}` };
  } finally {
    running.delete(experiment.id);
  }
  restored = await restoreExperiment(context, { ...experiment, state: "running" });
  if (endedEarly) return { ok: false, refusal: `${endedEarly}; the flag is ${restored ? "as it was" : "being put back"}.` };

  const before = begun - (SETTLE_STEPS + 1) * step;
  const reach = before - BEFORE_REACH * step;
  // While an earlier test ran, the cohorts were not treated alike: such steps tell nothing of how they differ anyway.
  const earlier = (await experiments.of(flag.key, reach)).filter(({ id }) => id !== experiment.id);
  const alike = ({ at }: MetricPoint) =>
    earlier.every((one) => at + step <= one.startedAt || at >= (one.endedAt ?? Number.POSITIVE_INFINITY) + SETTLE_STEPS * step);
  const values = (points: readonly MetricPoint[]) => points.map(({ value }) => value);
  const samples = async (cohort: Cohort) => ({
    before: values(
      (await cohortPoints(context, request.service, request.signal, cohort, reach, before)).filter(alike).slice(-BEFORE_STEPS),
    ),
    during: values(await cohortPoints(context, request.service, request.signal, cohort, begun, ended)),
  });
  const [test, control] = await Promise.all([samples("test"), samples("live")]);
  if (test.during.length < 3 || control.during.length < 3) {
    return {
      ok: false,
      refusal: `Only ${test.during.length} test and ${control.during.length} live samples arrived; a test needs three of each at least.`,
    };
  }
  const effect = statistics({ test, control, expectedDirection: "down" });
  const result: CausalTestResult = {
    flag: flag.key,
    signal: request.signal,
    service: request.service,
    testMean: effect.testMean,
    controlMean: effect.controlMean,
    effect: effect.effect,
    interval: effect.interval,
    pValue: effect.pValue,
    samples: effect.samples,
    verdict: effect.verdict,
    restored,
  };
  await store.audit(entry("causal_test_ended", { effect: result.effect, verdict: result.verdict, restored }));
  return { ok: true, result };
}

async function cohortPoints(
  context: ActionContext,
  service: ServiceName,
  signal: RedSignal,
  cohort: Cohort,
  from: number,
  to: number,
): Promise<readonly MetricPoint[]> {
  const { step } = context;
  const range = { from: Math.floor(from / step) * step, to: Math.floor(to / step) * step };
  const { points } = await context.metrics.red({ service, signal, step, labels: { [COHORT_LABEL]: cohort }, ...range });
  return points;
}

/** How long the cohorts are compared. */
const length = ({ step, causalWindow }: ActionContext): number => Math.max(step * 3, causalWindow);

/** Why policy does not want this flag tested now, or null. */
async function policyRefusal(context: ActionContext, flag: string, services: readonly ServiceName[]): Promise<string | null> {
  const { policy, flags, experiments, clock } = context;
  if (!policy.causalTests.allowed) return "Policy forbids causal tests (causalTests.allowed).";
  if (policy.neverTouch.includes(`flag:${flag}`)) return `Policy forbids to touch flag:${flag} (neverTouch).`;
  const freeze = frozen(policy, { environment: flags?.environment ?? "", services }, context.now());
  if (freeze) return `No test may run now: ${freeze}.`;
  const lately = await experiments.of(flag, clock.now() - HOUR);
  const { perFlagPerHour } = policy.causalTests;
  if (lately.length >= perFlagPerHour)
    return `${flag} was tested ${lately.length} times within an hour, the limit is ${perFlagPerHour} (causalTests.perFlagPerHour).`;
  return null;
}

/** So many times the steps that a test has, the needed ones may be: noise is estimated from few steps, and effects are often large. */
const HOPE = 3;

/**
 * Whether the cohorts, as noisy as they just were, are too small for a test of this length to tell anything: then it is refused with the size
 * that it would need, before the flag is touched.
 */
async function tooSmall(context: ActionContext, statistics: CausalStatistics, request: CausalRequest): Promise<string | null> {
  const { clock, step } = context;
  const now = clock.now();
  const recent = async (cohort: Cohort) => {
    const points = await cohortPoints(context, request.service, request.signal, cohort, now - BEFORE_STEPS * step, now - step);
    return points.map(({ value }) => value);
  };
  const [test, control] = await Promise.all([recent("test"), recent("live")]);
  const pilot = (during: readonly number[]) => ({ before: [], during });
  const { verdict, neededSamples } = statistics({ test: pilot(test), control: pilot(control), expectedDirection: "down" });
  const steps = Math.round(length(context) / step);
  if (verdict !== "inconclusive" || neededSamples === null || neededSamples <= HOPE * steps || test.length < steps / 2)
    return null;
  const minutes = (count: number) => Math.ceil((count * step) / 60_000);
  return (
    `At this noise the cohorts of ${request.service} are too small: about ${neededSamples} steps (${minutes(neededSamples)} min) would be ` +
    `needed, and a test lasts ${steps} (${minutes(steps)} min). Send about ${Math.ceil(neededSamples / steps)} times the test traffic, or raise actions.causalTestMinutes.`
  );
}

/** Waits until a telemetry time; says why when it has to end before. */
async function until(context: ActionContext, id: string, at: number, signal: AbortSignal): Promise<string | null> {
  while (context.clock.now() < at) {
    if (signal.aborted || (await stopReason(context))) return "The test was stopped";
    if (await context.experiments.ending(id)) return "The test gave way to a proposal for the flag";
    const left = (at - context.clock.now()) / context.clock.speed;
    await context.pause(Math.min(Math.max(20, left), LOOK_EVERY));
  }
  return signal.aborted ? "The test was stopped" : null;
}
