import { createDetector, restoreDetector } from "../../src/detection/index.ts";
import type { MetricPoint } from "../../src/domain/telemetry.ts";
import { DAY, MINUTE, WEEK } from "../../src/domain/time.ts";
import { normal, START, uniform, weeklyShape } from "../unit/detection/simulate.ts";

/**
 * Small shifts in simulated RED series: daily and weekly shape, AR(1) noise (lag-1 autocorrelation 0.3), traffic bursts and deploy blips;
 * four weeks of history at one minute, then two quiet weeks for false alarms, and a shift at a random time of the first three days for
 * power and delay (found within three hours counts). `--runs 40` for more runs, `--quick` for few.
 *
 * Lorden's bound: ln(mean time between false alarms) / (shift² / 2), the shift in effective standard deviations, which for AR(1) noise are
 * noise · √((1 + φ) / (1 − φ)). Beside ours on the same series: a static 3-sigma rule on history, an EWMA control chart on what
 * history's time-of-week means leave (Roberts 1959, λ = 0.1, L = 4.5), and the adaptive rules of grafana/promql-anomaly-detection.
 */
const AUTOCORRELATION = 0.3;
const HISTORY = 28 * 1_440;
const QUIET = 14 * 1_440;
const POWER_WITHIN = 180;
const MONTH = 30 * 1_440;
const SHIFTS = [0.05, 0.08, 0.12, 0.2];
const NOISES = [0.03, 0.05, 0.1];

const flag = (name: string): string | undefined => process.argv[process.argv.indexOf(name) + 1 || process.argv.length];
const quick = process.argv.includes("--quick");
const runs = Number(flag("--runs") ?? (quick ? 4 : 16));

/** Six weeks; bursts of 10 to 40 % for up to 4 minutes every other day, deploy blips of 50 to 100 % for up to 2 minutes twice a week. */
function redSeries(seed: number, noise: number): MetricPoint[] {
  const random = uniform(seed);
  const gaussian = normal(random);
  let error = gaussian();
  let left = 0;
  let size = 0;
  return Array.from({ length: HISTORY + QUIET }, (_, index) => {
    const at = START + index * MINUTE;
    error = AUTOCORRELATION * error + Math.sqrt(1 - AUTOCORRELATION ** 2) * gaussian();
    if (left > 0) left--;
    else if (random() < 1 / 2_880) [left, size] = [1 + Math.floor(random() * 4), 0.1 + 0.3 * random()];
    else if (random() < 1 / 5_040) [left, size] = [1 + Math.floor(random() * 2), 0.5 + 0.5 * random()];
    return { at, value: 120 * weeklyShape(at) * (1 + noise * error) * (left > 0 ? 1 + size : 1) };
  });
}

/** Judges samples one after another; says whether it is alarming. */
type Rule = (point: MetricPoint, index: number) => boolean;
interface Method {
  readonly name: string;
  /** A rule that has learned the history, as often as one is asked for. */
  learn(history: readonly MetricPoint[]): () => Rule;
}

const vigil: Method = {
  name: "vigil",
  learn(history) {
    const detector = createDetector({ step: MINUTE, kind: "rate", falseAlarmsPerWeek: WEEK / (30 * DAY) });
    detector.train(history);
    const state = detector.state();
    return () => {
      const fresh = restoreDetector(state);
      return (point) => fresh.observe(point).state === "alarm";
    };
  },
};

const moments = (values: readonly number[]): [mean: number, deviation: number] => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return [mean, Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)];
};

const static3Sigma: Method = {
  name: "3 sigma",
  learn(history) {
    const [mean, deviation] = moments(history.map(({ value }) => value));
    return () => (point) => Math.abs(point.value - mean) > 3 * deviation;
  },
};

const ewma: Method = {
  name: "EWMA",
  learn(history) {
    const slots = 7 * 96;
    const slot = (at: number) => Math.floor(((at - START) / (15 * MINUTE)) % slots);
    const sums = new Float64Array(slots);
    const counts = new Float64Array(slots);
    for (const { at, value } of history) {
      sums[slot(at)] = (sums[slot(at)] as number) + value;
      counts[slot(at)] = (counts[slot(at)] as number) + 1;
    }
    const residual = ({ at, value }: MetricPoint) => (value * (counts[slot(at)] as number)) / (sums[slot(at)] as number) - 1;
    const [, deviation] = moments(history.map(residual));
    const limit = 4.5 * deviation * Math.sqrt(0.1 / 1.9);
    return () => {
      let smoothed = 0;
      return (point) => {
        smoothed = 0.9 * smoothed + 0.1 * residual(point);
        return Math.abs(smoothed) > limit;
      };
    };
  },
};

/** The "adaptive" rules with their default constants: margin of half the hour's mean, 2 deviations, look-backs of a day and a week, for 5 minutes. */
const promql: Method = {
  name: "PromQL rules",
  learn(history) {
    const past = new RollingMoments();
    for (const { value } of history) past.push(value);
    return () => {
      const rolling = past.copy();
      let beyond = 0;
      return ({ value }) => {
        rolling.push(value);
        const [mean, wide] = [rolling.hour(0)[0], rolling.wideDeviation()];
        const bands = [
          [mean, 0.5 * mean],
          ...(wide === null ? [] : [[mean, 2 * wide]]),
          ...[1_410, 10_050].map((ago) => rolling.hour(ago)).map(([centre, deviation]) => [centre, 2 * deviation]),
        ] as [number, number][];
        const upper = Math.max(...bands.map(([centre, half]) => centre + half));
        const lower = Math.max(0, Math.min(...bands.map(([centre, half]) => centre - half)));
        beyond = value > upper || value < lower ? beyond + 1 : 0;
        return beyond > 5;
      };
    };
  },
};

/** Means and deviations of any hour in the past, and the 26-hour mean of those deviations that are more than half of their mean. */
class RollingMoments {
  private sums = [0];
  private squares = [0];
  private wide = [0];
  private wideCounts = [0];

  push(value: number): void {
    this.sums.push((this.sums.at(-1) as number) + value);
    this.squares.push((this.squares.at(-1) as number) + value * value);
    const [mean, deviation] = this.hour(0);
    const counts = deviation > 0.5 * mean;
    this.wide.push((this.wide.at(-1) as number) + (counts ? deviation : 0));
    this.wideCounts.push((this.wideCounts.at(-1) as number) + (counts ? 1 : 0));
  }

  hour(ago: number): [mean: number, deviation: number] {
    const to = this.sums.length - 1 - ago;
    const from = Math.max(0, to - 60);
    const mean = ((this.sums[to] as number) - (this.sums[from] as number)) / Math.max(1, to - from);
    const square = ((this.squares[to] as number) - (this.squares[from] as number)) / Math.max(1, to - from);
    return [mean, Math.sqrt(Math.max(0, square - mean * mean))];
  }

  wideDeviation(): number | null {
    const to = this.wide.length - 1;
    const from = Math.max(0, to - 26 * 60);
    const count = (this.wideCounts[to] as number) - (this.wideCounts[from] as number);
    return count === 0 ? null : ((this.wide[to] as number) - (this.wide[from] as number)) / count;
  }

  copy(): RollingMoments {
    const copy = new RollingMoments();
    copy.sums = [...this.sums];
    copy.squares = [...this.squares];
    copy.wide = [...this.wide];
    copy.wideCounts = [...this.wideCounts];
    return copy;
  }
}

interface Cell {
  readonly delays: number[];
  missed: number;
  wasOn: number;
}

const middle = (values: readonly number[], share = 0.5): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;

/** Detections of one noise level: false alarms a month, and for every shift what came of it. */
function measure(method: Method, noise: number) {
  const cells = SHIFTS.map((): Cell => ({ delays: [], missed: 0, wasOn: 0 }));
  let falseAlarms = 0;
  for (let run = 0; run < runs; run++) {
    const series = redSeries(1_000 * Math.round(100 * noise) + run, noise);
    const start = method.learn(series.slice(0, HISTORY));
    const quiet = start();
    let on = false;
    for (let index = HISTORY; index < series.length; index++) {
      const now = quiet(series[index] as MetricPoint, index);
      if (now && !on) falseAlarms++;
      on = now;
    }
    const random = uniform(run + 7);
    SHIFTS.forEach((shift, which) => {
      for (const sign of [1, -1]) {
        const began = HISTORY + 60 + Math.floor(random() * 3 * 1_440);
        const rule = start();
        let delay = Number.POSITIVE_INFINITY;
        let before = false;
        for (let index = HISTORY; index < began + POWER_WITHIN; index++) {
          const point = series[index] as MetricPoint;
          const alarming = rule(index < began ? point : { at: point.at, value: point.value * (1 + sign * shift) }, index);
          if (index < began) before = alarming;
          else if (alarming && before) break;
          else if (alarming) {
            delay = index - began + 1;
            break;
          }
        }
        const cell = cells[which] as Cell;
        if (before) cell.wasOn++;
        else {
          cell.delays.push(delay);
          if (delay === Number.POSITIVE_INFINITY) cell.missed++;
        }
      }
    });
  }
  return { cells, perMonth: falseAlarms / ((runs * QUIET) / MONTH) };
}

const from = performance.now();
console.log(
  `${runs} series for each noise level, each shift up and down; delays in minutes, found within ${POWER_WITHIN} minutes\n`,
);
console.log("noise  shift  method          power   median    p90   false alarms/month   Lorden   median/Lorden");
for (const noise of NOISES) {
  const results = [vigil, static3Sigma, ewma, promql].map((method) => ({ method, ...measure(method, noise) }));
  SHIFTS.forEach((shift, which) => {
    for (const { method, cells, perMonth } of results) {
      const { delays, missed } = cells[which] as Cell;
      const effective = shift / (noise * Math.sqrt((1 + AUTOCORRELATION) / (1 - AUTOCORRELATION)));
      const bound = Math.log(MONTH) / (effective ** 2 / 2);
      const median = middle(delays);
      console.log(
        [
          `${noise * 100} %`.padStart(5),
          `${shift * 100} %`.padStart(6),
          ` ${method.name.padEnd(14)}`,
          `${((100 * (delays.length - missed)) / Math.max(1, delays.length)).toFixed(0)} %`.padStart(6),
          (Number.isFinite(median) ? String(median) : "–").padStart(8),
          (Number.isFinite(middle(delays, 0.9)) ? String(middle(delays, 0.9)) : "–").padStart(6),
          perMonth.toFixed(2).padStart(20),
          bound.toFixed(1).padStart(8),
          (Number.isFinite(median) ? (median / bound).toFixed(2) : "–").padStart(15),
        ].join(" "),
      );
    }
  });
}
console.log(`\n${((performance.now() - from) / 1_000).toFixed(0)} s`);
