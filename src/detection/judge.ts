import type { MetricPoint } from "../domain/telemetry.ts";
import { type EpochMs, MINUTE, type Milliseconds, WEEK } from "../domain/time.ts";
import { Detector } from "./detector.ts";
import { normalQuantile } from "./normal.ts";
import { clamp } from "./robust.ts";
import type { Band, DetectorOptions } from "./types.ts";

export interface WindowJudgement {
  readonly anomalous: boolean;
  readonly direction: "up" | "down";
  /** Most likely first sample of the change; the window's first when nothing stands out. */
  readonly startedAt: EpochMs;
  /** Mean since `startedAt`, in the series' unit. */
  readonly observed: number;
  readonly expected: number;
  /** `observed / expected - 1`; 0 when nothing was expected. */
  readonly relativeChange: number;
  /** Evidence over what the false-alarm budget asks for; 1 is just anomalous. */
  readonly score: number;
  /** Mean departure since `startedAt` in standard errors. */
  readonly z: number;
  readonly band: readonly Band[];
}

/**
 * Is this recent window anomalous against the seasonal baseline of its history? Learns `history`, then scans the window for the time since
 * which its innovations are most unlikely to be centred on zero (generalised likelihood ratio: Lorden 1971, Siegmund and Venkatraman 1995).
 * The threshold is the normal quantile for the budget's share of this window, Bonferroni-corrected for the start times tried.
 * The baseline's own uncertainty is allowed for, so that a long window does not find the error of its yardstick.
 * `history` and `window` ascend; history must end before the window starts. Returns null when there is too little of either to tell.
 */
export function judgeWindow(
  history: readonly MetricPoint[],
  window: readonly MetricPoint[],
  options: DetectorOptions,
): WindowJudgement | null {
  if (history.length < 60 || window.length === 0) return null;
  const detector = new Detector(options);
  detector.train(history);
  const judged = detector.judgeAll(window);
  const { longRun, autocorrelation } = detector.noise;
  const loss = Math.sqrt(1 - autocorrelation * autocorrelation);
  let previous = 0;
  const innovations = judged.map(({ z }) => {
    const bounded = clamp(z, -5, 5);
    const innovation = (bounded - autocorrelation * previous) / loss / longRun;
    previous = bounded;
    return innovation;
  });
  const doubt = baselineDoubt(history, options.step);
  let best = { index: 0, z: 0 };
  let sum = 0;
  for (let index = innovations.length - 1; index >= 0; index--) {
    sum += innovations[index] as number;
    const samples = innovations.length - index;
    const z = sum / Math.sqrt(samples + samples * samples * doubt);
    if (Math.abs(z) > Math.abs(best.z)) best = { index, z };
  }
  const windowShare = (options.falseAlarmsPerWeek * options.step * window.length) / WEEK;
  const threshold = -normalQuantile(Math.min(0.05, windowShare) / 2 / window.length);
  const since = judged.slice(best.index);
  const observed = since.reduce((total, { value }) => total + value, 0) / since.length;
  const expected = since.reduce((total, sample) => total + sample.expected, 0) / since.length;
  const harmless = options.harmful !== undefined && options.harmful !== "both" && (options.harmful === "up") !== best.z > 0;
  const score = harmless || !detector.matters(observed, expected) ? 0 : Math.abs(best.z) / threshold;
  return {
    anomalous: score >= 1,
    direction: best.z >= 0 ? "up" : "down",
    startedAt: since[0]?.at ?? 0,
    observed,
    expected,
    relativeChange: expected === 0 ? 0 : observed / expected - 1,
    score,
    z: best.z,
    band: judged.map(({ at, expected: due, lower, upper }) => ({ at, expected: due, lower, upper })),
  };
}

/** Squared standard error of the expectation over that of one sample: about half an hour's samples of every week of history stand behind it. */
function baselineDoubt(history: readonly MetricPoint[], step: Milliseconds): number {
  const span = (history.at(-1)?.at ?? 0) - (history[0]?.at ?? 0);
  return Math.min(0.25, step / (30 * MINUTE) / clamp(span / WEEK, 0.5, 4));
}
