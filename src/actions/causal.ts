import { randomUUID } from "node:crypto";
import type { CausalTestResult } from "../domain/investigation.ts";
import type { MetricPoint, RedSignal, ServiceName } from "../domain/telemetry.ts";
import { type ActionContext, stopReason } from "./context.ts";
import type { Cohort, WriteContext } from "./ports.ts";
import type { Experiment } from "./store.ts";

/** The statistics of a cohort comparison, handed in: `test` was switched off, `control` was not. */
export type CausalStatistics = (input: {
  readonly test: { readonly before: readonly number[]; readonly during: readonly number[] };
  readonly control: { readonly before: readonly number[]; readonly during: readonly number[] };
  readonly expectedDirection: "down" | "up";
}) => Pick<CausalTestResult, "testMean" | "controlMean" | "effect" | "interval" | "pValue" | "samples" | "verdict">;

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

/**
 * Switches a flag off for test traffic only, for a fixed time, compares that cohort with the rest, and puts the flag back, whatever
 * happens: the row that says so is written first, and what it names is restored at the next start after a crash.
 */
export async function runCausalTest(
  context: ActionContext,
  statistics: CausalStatistics,
  request: CausalRequest,
  signal: AbortSignal,
): Promise<CausalOutcome> {
  const { flags, store, clock, step } = context;
  const stopped = await stopReason(context);
  if (stopped) return { ok: false, refusal: `No test may run now: ${stopped}.` };
  if (!flags) return { ok: false, refusal: "No flag provider is configured, so nothing can be switched off for test traffic." };
  const flag = await flags.get(request.flag);
  if (!flag) return { ok: false, refusal: `There is no flag ${request.flag.slice(0, 80)}.` };
  if (!flag.enabled || flag.percent === 0)
    return { ok: false, refusal: `${flag.key} is off already; there is nothing to switch off.` };
  if (flag.pinnedOff.length > 0) return { ok: false, refusal: `${flag.key} is in another test.` };
  if ((await store.openExperiments()).length > 0) return { ok: false, refusal: "Another causal test is running; one at a time." };
  const rate = await cohortPoints(context, request.service, "rate", "test", clock.now() - 10 * step, clock.now());
  const traffic = rate.length === 0 ? 0 : rate.reduce((sum, { value }) => sum + value, 0) / rate.length;
  if (traffic < SMALLEST_RATE) {
    return {
      ok: false,
      refusal: `${request.service} has ${traffic.toFixed(2)} test requests/s, at least ${SMALLEST_RATE} are needed.`,
    };
  }

  const experiment: Experiment = {
    id: randomUUID(),
    flag: flag.key,
    snapshot: await flags.snapshot(flag.key),
    state: "pinning",
    startedAt: clock.now(),
    endedAt: null,
  };
  const entry = (kind: string, data: object = {}) => ({
    actor: "vigil",
    kind,
    subject: `flag:${flag.key}`,
    data: { investigation: request.investigationId, ...data },
  });
  await store.saveExperiment(experiment, entry("causal_test_started"));
  let begun = 0;
  let ended = 0;
  let restored = false;
  try {
    await flags.pinCohort(flag.key, "test", true, write(experiment.id, "pin", flag.fingerprint));
    await store.saveExperiment({ ...experiment, state: "running" }, entry("causal_test_running"));
    begun = Math.ceil(clock.now() / step) * step + SETTLE_STEPS * step;
    ended = begun + Math.max(step * 3, context.causalWindow);
    await until(context, ended + step, signal);
  } finally {
    restored = await restoreExperiment(context, experiment);
  }
  if (signal.aborted) return { ok: false, refusal: "The test was stopped; the flag is as it was." };

  const before = begun - (SETTLE_STEPS + 1) * step;
  const reach = before - BEFORE_REACH * step;
  // While an earlier test ran, the cohorts were not treated alike: such steps tell nothing of how they differ anyway.
  const earlier = (await store.experimentsOf(flag.key, reach)).filter(({ id }) => id !== experiment.id);
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

/** Puts a flag back as it was before its test; true when it reads back so. A flag that people changed meanwhile only loses the pin. */
export async function restoreExperiment(context: ActionContext, experiment: Experiment): Promise<boolean> {
  const { flags, store, log } = context;
  if (!flags) return false;
  try {
    const now = await flags.get(experiment.flag);
    if (now?.pinnedOff.includes("test"))
      await flags.pinCohort(experiment.flag, "test", false, write(experiment.id, "unpin", null));
    const after = await flags.get(experiment.flag);
    const clean = after === null || !after.pinnedOff.includes("test");
    if (clean) {
      await store.saveExperiment(
        { ...experiment, state: "restored", endedAt: context.clock.now() },
        { actor: "vigil", kind: "causal_test_restored", subject: `flag:${experiment.flag}`, data: {} },
      );
    }
    return clean;
  } catch (error) {
    log.error({ err: error, flag: experiment.flag }, "a causal test could not be undone; it is tried again");
    return false;
  }
}

const write = (id: string, what: string, expected: string | null): WriteContext => ({
  actor: "vigil (causal test)",
  reason: what === "pin" ? "off for test traffic only, for a causal test" : "causal test over: as it was",
  idempotencyKey: `${id}.${what}`,
  expected,
});

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

/** Waits until a telemetry time, or until aborted. */
async function until(context: ActionContext, at: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && context.clock.now() < at) {
    const left = (at - context.clock.now()) / context.clock.speed;
    await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(20, left), 500)));
  }
}
