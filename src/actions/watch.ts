import type { Proposal } from "../domain/proposal.ts";
import type { ActionContext } from "./context.ts";
import type { Execution } from "./store.ts";
import { type VerificationReading, Verifier } from "./verification-statistics.ts";

/** Steps without any data after which a sample counts as missing. */
const OVERDUE_STEPS = 3;

export type Watched =
  | { readonly kind: "watching"; readonly execution: Execution | null }
  | { readonly kind: "helped" | "harmed" | "unclear" | "blind"; readonly execution: Execution; readonly words: string };

/** Takes the samples that have come since the last look. `unclear`: enough data and no verdict; `blind`: too little data for one. */
export async function takeSamples(context: ActionContext, proposal: Proposal, execution: Execution): Promise<Watched> {
  const { step, clock, metrics } = context;
  const { criterion } = proposal;
  if (!criterion || !execution.verifier || execution.nextSample === null) return { kind: "watching", execution: null };
  const verifier = Verifier.fromJSON(execution.verifier);
  // A step is judged when a later one has begun and its data had time to arrive.
  const complete = Math.floor(clock.now() / step) * step - step;
  if (complete < execution.nextSample) return { kind: "watching", execution: null };
  const series = await metrics
    .red({ service: criterion.service, signal: criterion.signal, from: execution.nextSample, to: complete + step, step })
    .catch((error) => {
      context.log.warn({ err: error, proposal: proposal.id }, "the metric source did not answer during verification");
      return null;
    });
  const values = new Map(series?.points.map((point) => [point.at, point.value]) ?? []);
  const newest = Math.max(...values.keys(), Number.NEGATIVE_INFINITY);
  let reading: VerificationReading | null = null;
  let next = execution.nextSample;
  while (next <= complete && (reading === null || reading.state === "watching")) {
    const value = values.get(next);
    // Data may still be on its way; after a few steps it counts as missing.
    if (value === undefined && next > newest && complete - next < OVERDUE_STEPS * step) break;
    reading = verifier.observe(value ?? null);
    next += step;
  }
  const after = { ...execution, verifier: verifier.toJSON(), nextSample: next };
  if (!reading || reading.state === "watching") return { kind: "watching", execution: after };
  const seen = describe(proposal, reading);
  if (reading.state === "success") return { kind: "helped", execution: after, words: seen };
  if (reading.state === "failure") return { kind: "harmed", execution: after, words: `got worse: ${seen}` };
  if (reading.samples < reading.missing || reading.samples === 0)
    return { kind: "blind", execution: after, words: reading.reason };
  return { kind: "unclear", execution: after, words: `no evidence of help: ${seen}` };
}

function describe({ criterion }: Proposal, reading: VerificationReading): string {
  const percent = (share: number) => `${share >= 0 ? "+" : "−"}${Math.abs(share * 100).toFixed(1)} %`;
  const effect = reading.effect === null ? "no data" : percent(reading.effect);
  const interval = reading.interval ? ` (95 % interval ${percent(reading.interval[0])} to ${percent(reading.interval[1])})` : "";
  return `${criterion?.service} ${criterion?.signal} ${effect}${interval} against before the action, ${reading.samples} samples`;
}
