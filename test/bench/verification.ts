import { startVerification, type VerificationState } from "../../src/actions/verification-statistics.ts";
import { gaussian, seededRandom } from "../support/synthetic-metrics.ts";

/**
 * How often verification decides wrongly, on simulated one-minute latency: noise 3 to 5 %, lag-1 autocorrelation 0.3 (and other values to see
 * how far the promise bends), true effects from 10 % worse to 30 % better. False verify: success although nothing helped.
 * False rollback: anything but success although latency truly fell by 10 %.
 */
const RUNS = 4_000;

interface Setting {
  readonly noise: number;
  readonly autocorrelation: number;
  readonly baseline: number;
  readonly window: number;
}

function outcomes({ noise, autocorrelation, baseline, window }: Setting, effect: number, seed: number) {
  const random = seededRandom(seed);
  const count: Record<VerificationState, number> = { watching: 0, success: 0, failure: 0, inconclusive: 0 };
  let steps = 0;
  for (let run = 0; run < RUNS; run++) {
    let residual = gaussian(random);
    const next = () => {
      residual = autocorrelation * residual + Math.sqrt(1 - autocorrelation ** 2) * gaussian(random);
      return 0.2 * (1 + noise * residual);
    };
    const verifier = startVerification(
      Array.from({ length: baseline }, next),
      { direction: "down", minimumEffect: 0.05 },
      window,
    );
    for (let step = 1; step <= window; step++) {
      const { state } = verifier.observe(next() * (1 + effect));
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

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
console.log(`Verification, ${RUNS} runs a cell, minimum effect 5 %\n`);
console.table(
  settings.map((setting, index) => {
    const none = outcomes(setting, 0, 11 + index);
    const better = outcomes(setting, -0.1, 101 + index);
    const worse = outcomes(setting, 0.1, 211 + index);
    const much = outcomes(setting, -0.3, 307 + index);
    return {
      noise: percent(setting.noise),
      "lag-1": setting.autocorrelation,
      baseline: setting.baseline,
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
