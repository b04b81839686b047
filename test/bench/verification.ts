import { baselineOf } from "../../src/actions/baseline.ts";
import { startVerification, type VerificationState } from "../../src/actions/verification-statistics.ts";
import { gaussian, seededRandom } from "../support/synthetic-metrics.ts";

/**
 * How often verification decides wrongly, on simulated one-minute latency: noise 3 to 5 %, lag-1 autocorrelation 0.3 (and other values to see
 * how far the promise bends), true effects from 10 % worse to 30 % better. False verify: success although nothing helped.
 * False rollback: anything but success although latency truly fell by 10 %.
 */
const RUNS = 4_000;
/** As proposals are filed. */
const MINIMUM_EFFECT = 0.04;

interface Setting {
  readonly noise: number;
  readonly autocorrelation: number;
  readonly baseline: number;
  readonly window: number;
  /** Steps since the trouble of +12 % began, when the baseline is taken as in production; absent: `baseline` samples of trouble. */
  readonly young?: number;
}

/** Steps before the action that production looks at, and those after it that it passes over. */
const REACH = 45;
const SETTLE = 2;
const TROUBLE = 1.12;

function outcomes({ noise, autocorrelation, baseline, window, young }: Setting, effect: number, seed: number) {
  const random = seededRandom(seed);
  const count: Record<VerificationState, number> = { watching: 0, success: 0, failure: 0, inconclusive: 0 };
  let steps = 0;
  for (let run = 0; run < RUNS; run++) {
    let residual = gaussian(random);
    const next = () => {
      residual = autocorrelation * residual + Math.sqrt(1 - autocorrelation ** 2) * gaussian(random);
      return 0.2 * (1 + noise * residual);
    };
    const onset = young === undefined ? 0 : REACH - young;
    const history = Array.from({ length: young === undefined ? baseline : REACH }, (_, at) => ({
      at,
      value: next() * (young !== undefined && at >= onset ? TROUBLE : 1),
    }));
    // The detector's onset is an estimate: here it is exact, late by one, or late by two.
    const before = baselineOf(history, young === undefined ? null : onset + (run % 3));
    const level = young === undefined ? 1 : TROUBLE;
    const verifier = startVerification(before.values, { direction: "down", minimumEffect: MINIMUM_EFFECT }, window, {
      settle: SETTLE,
      levelSamples: before.levelSamples,
    });
    for (let step = 1; step <= window; step++) {
      const { state } = verifier.observe(next() * level * (1 + effect));
      if (state === "watching") continue;
      count[state]++;
      steps += step;
      break;
    }
  }
  return { share: (state: VerificationState) => count[state] / RUNS, meanSteps: steps / RUNS };
}

const settings: Setting[] = [10, 15, 20].flatMap((window) =>
  [0.03, 0.05].map((noise) => ({ noise, autocorrelation: 0.3, baseline: 30, window })),
);
settings.push(
  { noise: 0.05, autocorrelation: 0, baseline: 30, window: 15 },
  { noise: 0.05, autocorrelation: 0.6, baseline: 30, window: 15 },
  { noise: 0.05, autocorrelation: 0.3, baseline: 15, window: 15 },
  { noise: 0.05, autocorrelation: 0.3, baseline: 60, window: 10 },
);

settings.push(...[6, 10, 14, 20].map((young) => ({ noise: 0.03, autocorrelation: 0.3, baseline: REACH, window: 15, young })), {
  noise: 0.05,
  autocorrelation: 0.3,
  baseline: REACH,
  window: 15,
  young: 6,
});

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
console.log(`Verification, ${RUNS} runs a cell, minimum effect 4 %\n`);
console.table(
  settings.map((setting, index) => {
    const none = outcomes(setting, 0, 11 + index);
    const better = outcomes(setting, -0.1, 101 + index);
    const worse = outcomes(setting, 0.1, 211 + index);
    const much = outcomes(setting, -0.3, 307 + index);
    return {
      noise: percent(setting.noise),
      "lag-1": setting.autocorrelation,
      baseline: setting.young === undefined ? setting.baseline : `trouble ${setting.young} steps old`,
      window: setting.window,
      "false verify (no effect)": percent(none.share("success")),
      "false verify (10 % worse)": percent(worse.share("success")),
      "false failure (no effect)": percent(none.share("failure")),
      "false rollback (10 % better)": percent(1 - better.share("success")),
      "seen as worse (10 % worse)": percent(worse.share("failure")),
      "samples to verify 10 %": better.meanSteps.toFixed(1),
      "samples to verify 30 %": much.meanSteps.toFixed(1),
    };
  }),
);
