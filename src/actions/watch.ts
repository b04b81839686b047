import type { Proposal } from "../domain/proposal.ts";
import { SECOND } from "../domain/time.ts";
import { sampleAt, signalPoints } from "./baseline.ts";
import type { ActionContext } from "./context.ts";
import type { Execution } from "./store.ts";
import type { Reference } from "./verification/reference.ts";
import { type Question, startVerification, type VerificationReading, Verifier } from "./verification/verifier.ts";

/** Steps after a change that only partly show it. */
export const SETTLE_STEPS = 2;
/** Samples beyond them that a window must have. */
const FEWEST_SAMPLES = 3;
/** Windows to which watching is extended while the data decides nothing. */
export const MOST_WINDOWS = 2;
/** Steps without any data after which a sample counts as missing, and the wall clock that must have gone by as well. */
const OVERDUE_STEPS = 3;
const OVERDUE_TIME = 10 * SECOND;

export type Watched =
  | { readonly kind: "watching"; readonly execution: Execution | null }
  | {
      readonly kind: "shown" | "harmed" | "no help" | "unclear" | "blind";
      readonly execution: Execution;
      /** What was measured. */
      readonly words: string;
      /** Why that is so. */
      readonly reason: string;
    };

/** The execution from now on watched against what the signal was like before the action. */
export function watched(
  { step, clock, policy }: ActionContext,
  execution: Execution,
  { criterion, reference }: { readonly criterion: NonNullable<Proposal["criterion"]>; readonly reference: Reference },
  question: Question,
  last: boolean,
): Execution {
  const from = clock.now();
  const share = last ? 1 : policy.canary.windowShare;
  const window = Math.max(SETTLE_STEPS + FEWEST_SAMPLES, Math.round((criterion.window * share) / step));
  const longest = question === "helped" && last ? MOST_WINDOWS * window : window;
  const verifier = startVerification(reference, criterion, window, { settle: SETTLE_STEPS, longest, question });
  return { ...execution, verifier: verifier.toJSON(), nextSample: Math.floor(from / step) * step };
}

/**
 * Takes the samples that have come since the last look. `shown`: what was to be shown; `unclear`: enough data and no verdict; `blind`: too little
 * data for one.
 */
export async function takeSamples(context: ActionContext, proposal: Proposal, execution: Execution): Promise<Watched> {
  const { step, clock, metrics } = context;
  const { criterion } = proposal;
  if (!criterion || !execution.verifier || execution.nextSample === null) return { kind: "watching", execution: null };
  const verifier = Verifier.fromJSON(execution.verifier);
  // A step is judged when a later one has begun and its data had time to arrive.
  const complete = Math.floor(clock.now() / step) * step - step;
  if (complete < execution.nextSample) return { kind: "watching", execution: null };
  const { service, signal } = criterion;
  const signals = await signalPoints(metrics, { service, signal, from: execution.nextSample, to: complete + step, step }).catch(
    (error) => {
      context.log.warn({ err: error, proposal: proposal.id }, "the metric source did not answer during verification");
      return { points: [], requests: new Map<number, number>() };
    },
  );
  const newest = Math.max(...signals.points.map(({ at }) => at), Number.NEGATIVE_INFINITY);
  // Where telemetry time runs fast, a few steps are no time for anybody.
  const overdue = Math.max(OVERDUE_STEPS * step, OVERDUE_TIME * clock.speed);
  let reading: VerificationReading | null = null;
  let next = execution.nextSample;
  while (next <= complete && (reading === null || reading.state === "watching")) {
    const sample = sampleAt(execution.verifier.baseline, signals, next, step);
    // Data may still be on its way; after a few steps it counts as missing.
    if (sample === null && next > newest && complete - next < overdue) break;
    reading = verifier.observe(sample);
    next += step;
  }
  const after = { ...execution, verifier: verifier.toJSON(), nextSample: next };
  if (!reading || reading.state === "watching") return { kind: "watching", execution: after };
  const seen = { execution: after, words: describe(proposal, reading), reason: reading.reason };
  switch (reading.state) {
    case "success":
      return { kind: "shown", ...seen };
    case "harm":
      return { kind: "harmed", ...seen };
    case "no_help":
      return { kind: "no help", ...seen };
    default:
      if (reading.samples < reading.missing || reading.samples === 0) return { kind: "blind", ...seen, words: reading.reason };
      return { kind: "unclear", ...seen };
  }
}

function describe({ criterion }: Proposal, reading: VerificationReading): string {
  const percent = (share: number) => {
    const size = Math.abs(share * 100).toFixed(1);
    return `${Number(size) === 0 ? "" : share > 0 ? "+" : "−"}${size} %`;
  };
  const effect = reading.effect === null ? "no data" : percent(reading.effect);
  const interval = reading.interval ? ` (95 % interval ${percent(reading.interval[0])} to ${percent(reading.interval[1])})` : "";
  return `${criterion?.service} ${criterion?.signal} ${effect}${interval} against before the action, ${reading.samples} samples`;
}
