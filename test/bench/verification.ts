import { parseArgs } from "node:util";
import { referenceOf, type SignalPoints, sampleAt } from "../../src/actions/baseline.ts";
import { type Question, startVerification, type VerificationState } from "../../src/actions/verification/verifier.ts";
import { MOST_WINDOWS, SETTLE_STEPS } from "../../src/actions/watch.ts";
import { poisson } from "../../src/demo/random.ts";
import type { RedSignal } from "../../src/domain/telemetry.ts";
import { MINUTE } from "../../src/domain/time.ts";
import { gaussian, seededRandom } from "../support/synthetic-metrics.ts";

/**
 * How often verification decides wrongly, on simulated one-minute signals taken as production takes them: the trouble is so many samples old, the
 * time before it is normal, the detector's onset is exact or late by one or two. False verify: success although the action did nothing or harm.
 * False rollback: undone although the signal truly fell by 10 % (or by more). What is neither is handed to people. After an undo that brought
 * everything back: how often it is called worse, or people are asked. `--runs N` for each cell.
 */
const { values } = parseArgs({
  options: { runs: { type: "string", default: "2000" } },
});
const RUNS = Number(values.runs);
/** As proposals are filed. */
const MINIMUM_EFFECT = 0.04;
const WINDOW = 15;
const HISTORY = 285;

/** A signal that drifts around its level by `noise`, lag-1 autocorrelated. */
interface World {
  readonly signal: RedSignal;
  readonly noise: number;
  readonly autocorrelation: number;
  /** Requests a minute, where failures are counted. */
  readonly requests: number;
  readonly normal: number;
  readonly trouble: number;
  /** Samples since the trouble began. */
  readonly age: number;
}

type Outcomes = Readonly<Record<Exclude<VerificationState, "watching"> | "nothing to compare" | "steps", number>>;

function outcomes(world: World, effect: number, seed: number, question: Question = "helped"): Outcomes {
  const { signal, noise, autocorrelation, requests, normal, trouble, age } = world;
  const random = seededRandom(seed);
  const count = { success: 0, harm: 0, no_help: 0, inconclusive: 0, "nothing to compare": 0 };
  let steps = 0;
  for (let run = 0; run < RUNS; run++) {
    let residual = gaussian(random);
    /** One step at this level: what telemetry would tell of it. */
    const add = (to: Points, at: number, level: number) => {
      residual = autocorrelation * residual + Math.sqrt(1 - autocorrelation ** 2) * gaussian(random);
      const now = level * Math.max(0, 1 + noise * residual);
      const asked = poisson(random, requests);
      if (signal === "errors" && asked > 0) {
        to.points.push({ at, value: Math.min(asked, poisson(random, asked * now)) / asked });
        to.requests.set(at, asked);
      } else if (signal !== "errors") to.points.push({ at, value: now });
    };
    const before: Points = { points: [], requests: new Map() };
    const onset = (HISTORY - age) * MINUTE;
    for (let step = 0; step < HISTORY; step++) add(before, step * MINUTE, step * MINUTE >= onset ? trouble : normal);
    const to = HISTORY * MINUTE;
    const reference = referenceOf(signal, before, onset + (run % 3) * MINUTE, to, MINUTE);
    if (!reference) {
      count["nothing to compare"]++;
      continue;
    }
    const criterion = { direction: "down", minimumEffect: MINIMUM_EFFECT } as const;
    const longest = question === "helped" ? MOST_WINDOWS * WINDOW : WINDOW;
    const verifier = startVerification(reference, criterion, WINDOW, { settle: SETTLE_STEPS, longest, question });
    for (let step = 0; ; step++) {
      const after: Points = { points: [], requests: new Map() };
      const at = to + step * MINUTE;
      add(after, at, trouble * (1 + effect));
      const { state } = verifier.observe(sampleAt(reference, after, at, MINUTE));
      if (state === "watching") continue;
      count[state]++;
      steps += step + 1;
      break;
    }
  }
  const shares = Object.fromEntries(Object.entries(count).map(([name, times]) => [name, times / RUNS]));
  return { ...(shares as Omit<Outcomes, "steps">), steps: steps / RUNS };
}

interface Points extends SignalPoints {
  readonly points: { at: number; value: number }[];
  readonly requests: Map<number, number>;
}

const percent = (share: number): string => (share === 0 ? "0" : `${(share * 100).toFixed(1)} %`);
const people = (one: Outcomes): number => one.inconclusive + one["nothing to compare"];
const undone = (one: Outcomes): number => one.harm + one.no_help;

function row(world: World, fix: number, index: number): Record<string, string | number> {
  const none = outcomes(world, 0, 11 + index);
  const slight = outcomes(world, -0.1, 101 + index);
  const whole = outcomes(world, fix, 211 + index);
  const worse = outcomes(world, 0.1, 307 + index);
  const back = outcomes(world, 0, 401 + index, "no worse");
  return {
    "false verify (no effect)": percent(none.success),
    "(10 % worse)": percent(worse.success),
    "undone (no effect)": percent(undone(none)),
    "false rollback (-10 %)": percent(undone(slight)),
    "verified (-10 %)": percent(slight.success),
    "people (-10 %)": percent(people(slight)),
    "false rollback (real fix)": percent(undone(whole)),
    "verified (real fix)": percent(whole.success),
    "its steps": whole.steps.toFixed(1),
    "after an undo: worse, wrongly": percent(back.harm),
    "cannot be told": percent(people(back)),
  };
}

const AGES = [6, 10, 15, 30];
console.log(
  `Verification, ${RUNS} runs a cell, window ${WINDOW} steps, extended to ${MOST_WINDOWS * WINDOW}; lag-1 autocorrelation 0.3 unless named`,
);

console.log("\nLatency, trouble of +12 %; a real fix takes 20 % away");
console.table(
  [
    ...[0.03, 0.05, 0.08].flatMap((noise) => AGES.map((age) => ({ noise, age, autocorrelation: 0.3 }))),
    { noise: 0.05, age: 10, autocorrelation: 0 },
    { noise: 0.05, age: 10, autocorrelation: 0.6 },
  ].map(({ noise, age, autocorrelation }, index) => ({
    noise: percent(noise),
    "lag-1": autocorrelation,
    age,
    ...row({ signal: "latency", noise, autocorrelation, requests: 0, normal: 0.2, trouble: 0.224, age }, -0.2, index),
  })),
);

console.log(
  "\nErrors, 0.2 % → 6.2 % of requests, as the demo's bad deploy (its checkout serves about 360 a minute); a real fix takes 97 % away",
);
console.table(
  [
    ...[60, 360, 3_600].flatMap((requests) => AGES.map((age) => ({ requests, noise: 0.03, age, autocorrelation: 0.3 }))),
    ...[6, 15].flatMap((age) => [0.1, 0.3].map((noise) => ({ requests: 360, noise, age, autocorrelation: 0.3 }))),
    { requests: 3_600, noise: 0.1, age: 10, autocorrelation: 0.3 },
    { requests: 360, noise: 0.3, age: 10, autocorrelation: 0.6 },
  ].map(({ requests, noise, age, autocorrelation }, index) => ({
    "requests/min": requests,
    noise: percent(noise),
    "lag-1": autocorrelation,
    age,
    ...row({ signal: "errors", noise, autocorrelation, requests, normal: 0.002, trouble: 0.062, age }, -0.97, 50 + index),
  })),
);
