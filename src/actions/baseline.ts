import type { Proposal } from "../domain/proposal.ts";
import type { MetricPoint, MetricSource, RedSignal, ServiceName } from "../domain/telemetry.ts";
import type { EpochMs, Milliseconds } from "../domain/time.ts";
import type { ActionContext } from "./context.ts";
import { countReference, exposureBehind } from "./verification/counts.ts";
import type { Count, Sample } from "./verification/evidence.ts";
import { levelReference } from "./verification/levels.ts";
import type { Reference } from "./verification/reference.ts";

/** Steps since the trouble began that are looked at, at most, and those before it that tell how the signal moves by itself. */
const LEVEL_STEPS = 45;
const HISTORY_STEPS = 240;
/** Onsets are estimates: so many steps before one belong to neither side. */
const ONSET_MARGIN = 5;
/** Samples since the onset without which there is no level to compare with; one sample of counts is many events. */
const FEWEST_SINCE_ONSET = { levels: 3, counts: 2 };

/** Which of the RED signals are counts, and of what. */
const COUNTED: Readonly<Partial<Record<RedSignal, "share" | "rate">>> = { errors: "share", rate: "rate" };

/** What the criterion's signal did just before the action; null when nobody can tell. */
export async function takeReference(context: ActionContext, proposal: Proposal): Promise<Reference | null> {
  const { criterion } = proposal;
  if (!criterion) return null;
  const { step, clock, metrics } = context;
  const to = Math.floor(clock.now() / step) * step;
  const { service, signal, baselineFrom } = criterion;
  const reach = { service, signal, from: to - (LEVEL_STEPS + HISTORY_STEPS) * step, to, step };
  try {
    return referenceOf(signal, await signalPoints(metrics, reach), baselineFrom, to, step);
  } catch (error) {
    context.log.warn({ err: error, proposal: proposal.id }, "no baseline could be taken");
    return null;
  }
}

/** A signal's points, with the requests behind them where shares were asked for; those are absent where the source does not count. */
export interface SignalPoints {
  readonly points: readonly MetricPoint[];
  /** Requests in each step by its time; empty when nobody counts them, or they were not asked for. */
  readonly requests: ReadonlyMap<EpochMs, number>;
}

interface Reach {
  readonly service: ServiceName;
  readonly signal: RedSignal;
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly step: Milliseconds;
}

/** @throws SourceError when the source does not answer */
export async function signalPoints(metrics: MetricSource, reach: Reach): Promise<SignalPoints> {
  const finite = (points: readonly MetricPoint[]) => points.filter(({ value }) => Number.isFinite(value));
  const { points } = await metrics.red(reach);
  if (COUNTED[reach.signal] !== "share") return { points: finite(points), requests: new Map() };
  const rate = await metrics.red({ ...reach, signal: "rate" });
  const requests = finite(rate.points).map(({ at, value }) => [at, (value * reach.step) / 1_000] as const);
  return { points: finite(points), requests: new Map(requests) };
}

/** The sample that a reference can be compared with, or null when the step had none. */
export function sampleAt(
  reference: Reference,
  { points, requests }: SignalPoints,
  at: EpochMs,
  step: Milliseconds,
): Sample | null {
  const point = points.find((one) => one.at === at);
  if (!point) return null;
  return reference.kind === "counts" ? countAt(reference.of, point, requests, reference.assumedExposure, step) : point.value;
}

function countAt(
  of: "share" | "rate",
  { at, value }: MetricPoint,
  requests: ReadonlyMap<EpochMs, number>,
  assumed: number | null,
  step: Milliseconds,
): Count | null {
  const seconds = step / 1_000;
  if (of === "rate") return { events: value * seconds, exposure: seconds };
  const exposure = assumed ?? requests.get(at) ?? 0;
  return exposure > 0 ? { events: value * exposure, exposure } : null;
}

/**
 * The state before the action is what the signal did since it went off; what was normal before that must not pass for it, and only tells how
 * much the signal moves by itself.
 *
 * @param onset telemetry time since which the signal is off; null when that is not known: then it is the last while
 * @param to end of the points
 */
export function referenceOf(
  signal: RedSignal,
  { points, requests }: SignalPoints,
  onset: EpochMs | null,
  to: EpochMs,
  step: Milliseconds,
): Reference | null {
  const from = Math.max(onset ?? 0, to - LEVEL_STEPS * step);
  // Of an onset that is an estimate the first sample after it is left out, too.
  const level = points.filter(({ at }) => at >= from).slice(from === onset ? 1 : 0);
  const history = points.filter(({ at }) => at < (onset === null ? from : onset - ONSET_MARGIN * step)).slice(-HISTORY_STEPS);
  const of = COUNTED[signal];
  if (onset !== null && level.length < FEWEST_SINCE_ONSET[of ? "counts" : "levels"]) return null;
  if (!of)
    return levelReference(
      level.map(({ value }) => value),
      history.map(({ value }) => value),
    );
  const counted = of === "rate" || requests.size > 0;
  const assumed = counted ? null : exposureBehind([...history, ...level].map(({ value }) => value));
  if (!counted && assumed === null) return null;
  const counts = (some: readonly MetricPoint[]) => some.flatMap((point) => countAt(of, point, requests, assumed, step) ?? []);
  return countReference(counts(level), counts(history), of, assumed);
}
