import { type Exhaustion, forecastExhaustion } from "../../src/detection/index.ts";
import type { MetricPoint } from "../../src/domain/telemetry.ts";
import { DAY, type EpochMs, HOUR, MINUTE, type Milliseconds, WEEK } from "../../src/domain/time.ts";
import { normal, START, uniform } from "../unit/detection/simulate.ts";

/**
 * Forecasts of exhaustion on simulated resources, looked at every ten minutes over two weeks after two weeks of history. Quiet ones never run
 * full: what is told of them is a false alarm. Filling ones do: power is the share that was told before, lead the time left at the first word as a
 * share of the time since the filling began, and coverage how often the 80 % interval of the first word held the true time.
 * Beside it the rule that most teams run, `predict_linear(x[6h], 24h)` beyond the capacity with less than 40 % left, for an hour.
 * `--runs 20` for more runs, `--only NAME` for some cases, `--debug` for what was told.
 */
const flag = (name: string): string | undefined => process.argv[process.argv.indexOf(name) + 1 || process.argv.length];
const only = flag("--only");
const runs = Number(flag("--runs") ?? 2);
const STEP = MINUTE;
const LOOK = 10 * MINUTE;
const HISTORY = 2 * WEEK;
const WATCHED = 2 * WEEK;
const BUDGET = 0.02;

type Course = (random: () => number) => (at: EpochMs) => number;

const wave = (at: EpochMs) => Math.sin((2 * Math.PI * (at - START)) / DAY - 1.8);

const quiet: Record<string, Course> = {
  "daily wave, noisy": (random) => {
    const noise = normal(random);
    return (at) => 0.5 + 0.3 * wave(at) + 0.02 * noise();
  },
  "slow wandering (Ornstein-Uhlenbeck, 1 d)": (random) => {
    const noise = normal(random);
    let x = 0;
    return () => {
      x += -x * (STEP / DAY) + Math.sqrt((2 * STEP) / DAY) * noise();
      return 0.6 + 0.1 * x;
    };
  },
  "filled and cleaned (rotation at 70 to 85 %)": (random) => {
    const noise = normal(random);
    let level = 0.2;
    let limit = 0.8;
    return () => {
      level += 0.05 / 60;
      if (level > limit) [level, limit] = [0.2 + 0.1 * random(), 0.7 + 0.15 * random()];
      return level + 0.005 * noise();
    };
  },
  "garbage-collected heap": (random) => {
    let level = 0.3;
    return (at) => {
      level += 0.02 * random();
      if (level > 0.75 + 0.1 * random()) level = 0.3 + 0.1 * random() + 0.05 * wave(at);
      return level;
    };
  },
  "steps: files come and go": (random) => {
    let level = 0.4;
    return () => {
      if (random() < 1 / 600) level = Math.min(0.9, Math.max(0.2, level + 0.2 * (random() - 0.5)));
      return level;
    };
  },
};

const filling: Record<string, { readonly every: Milliseconds; readonly course: Course }> = {
  "leak, full in 1 h": { every: HOUR, course: quiet["daily wave, noisy"] as Course },
  "leak, full in 3 h": { every: 3 * HOUR, course: quiet["daily wave, noisy"] as Course },
  "disk, full in 1 d, daily wave": {
    every: DAY,
    course: (random) => {
      const noise = normal(random);
      return (at) => 0.4 + 0.05 * wave(at) + 0.01 * noise();
    },
  },
  "disk, full in 7 d, jobs at night": {
    every: WEEK,
    course: (random) => {
      const noise = normal(random);
      return (at) => 0.4 + (Math.floor((at / HOUR) % 24) === 2 ? 0.1 : 0) + 0.005 * noise();
    },
  },
};

interface Told {
  readonly at: EpochMs;
  readonly exhaustion: Exhaustion | null;
}
type Rule = (points: readonly MetricPoint[]) => Exhaustion | boolean | null;

const vigil: Rule = (points) => forecastExhaustion(points, { capacity: 1, falseAlarmsPerWeek: BUDGET, step: STEP });

function predictLinear(): Rule {
  let since: EpochMs | null = null;
  return (points) => {
    const now = points.at(-1)?.at ?? 0;
    const near = points.filter(({ at }) => at > now - 6 * HOUR);
    const t = near.map(({ at }) => (at - now) / HOUR);
    const [mt, mx] = [mean(t), mean(near.map(({ value }) => value))];
    const slope =
      near.reduce((sum, { value }, index) => sum + ((t[index] ?? 0) - mt) * (value - mx), 0) /
      t.reduce((sum, one) => sum + (one - mt) ** 2, 0);
    const due = mx + slope * (24 - mt) > 1 && (points.at(-1)?.value ?? 0) > 0.6;
    since = due ? (since ?? now) : null;
    return since !== null && now - since >= HOUR;
  };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/** History thinned to a quarter of an hour, as the watcher reads it, and the newest three hours in full. */
function watch(series: readonly MetricPoint[], until: EpochMs, rule: Rule): Told[] {
  const told: Told[] = [];
  const coarse = series.filter((_, index) => index % 15 === 0);
  let on = false;
  for (let at = START + HISTORY; at < until; at += LOOK) {
    const minute = Math.round((at - START) / STEP);
    const fine = series.slice(minute - 180, minute);
    const first = fine[0]?.at ?? at;
    const old = coarse
      .slice(Math.max(0, Math.floor((minute - HISTORY / STEP) / 15)), Math.ceil(minute / 15))
      .filter((point) => point.at < first);
    const seen = rule([...old, ...fine]);
    const now = Boolean(seen);
    if (now && !on) told.push({ at, exhaustion: typeof seen === "object" ? seen : null });
    on = now;
  }
  return told;
}

const make = (course: Course, seed: number): MetricPoint[] => {
  const value = course(uniform(seed));
  return Array.from({ length: (HISTORY + WATCHED) / STEP }, (_, index) => ({
    at: START + index * STEP,
    value: value(START + index * STEP),
  }));
};

console.log(`${runs} series each; budget ${BUDGET} a week for one series\n`);
console.log("never full                                   false alarms a month: vigil   predict_linear");
for (const [name, course] of Object.entries(quiet).filter(([name]) => !only || name.includes(only))) {
  const counts = [vigil, predictLinear].map((rule) => {
    let count = 0;
    for (let run = 0; run < runs; run++)
      count += watch(
        make(course, 100 + run),
        START + HISTORY + WATCHED,
        rule === predictLinear ? predictLinear() : (rule as Rule),
      ).length;
    return (count / runs) * ((30 * DAY) / WATCHED);
  });
  console.log(name.padEnd(50), (counts[0] ?? 0).toFixed(2).padStart(22), (counts[1] ?? 0).toFixed(2).padStart(15));
}
console.log(
  "\nfilling up                          told before it is full   median time left   80 % interval holds   predict_linear: told, time left",
);
for (const [name, { every, course }] of Object.entries(filling).filter(([name]) => !only || name.includes(only))) {
  const left: number[][] = [[], []];
  let held = 0;
  let told = 0;
  for (let run = 0; run < runs; run++) {
    const random = uniform(run);
    const began = START + HISTORY + DAY + Math.floor(random() * DAY);
    let fullAt = Number.POSITIVE_INFINITY;
    const series = make(course, 200 + run).map(({ at, value }) => {
      const filled = value + (Math.max(0, at - began) / every) * 0.6;
      if (filled >= 1 && fullAt === Number.POSITIVE_INFINITY) fullAt = at;
      return { at, value: Math.min(1, filled) };
    });
    for (const [index, rule] of [vigil, predictLinear()].entries()) {
      const first = watch(series, Math.min(fullAt, START + HISTORY + WATCHED), rule).find(({ at }) => at >= began);
      if (!first) continue;
      left[index]?.push((fullAt - first.at) / (fullAt - began));
      if (index === 0) told++;
      const { exhaustion } = first;
      if (process.argv.includes("--debug") && exhaustion)
        console.log(
          name,
          "began",
          new Date(began).toISOString(),
          "full",
          new Date(fullAt).toISOString(),
          "told",
          new Date(first.at).toISOString(),
          "since",
          new Date(exhaustion.since).toISOString(),
          "perHour",
          exhaustion.perHour,
          (0.6 / every) * HOUR,
          [exhaustion.earliest, exhaustion.likely, exhaustion.latest].map((x) => x && new Date(x).toISOString()).join(" "),
        );
      if (exhaustion && exhaustion.earliest <= fullAt && fullAt <= (exhaustion.latest ?? Number.POSITIVE_INFINITY)) held++;
    }
  }
  const median = (values: readonly number[] = []) =>
    values.length === 0 ? "–" : `${(100 * ([...values].sort((a, b) => a - b)[values.length >> 1] ?? 0)).toFixed(0)} %`;
  console.log(
    name.padEnd(35),
    `${told}/${runs}`.padStart(23),
    median(left[0]).padStart(18),
    `${held}/${told}`.padStart(21),
    `${left[1]?.length}/${runs}, ${median(left[1])}`.padStart(33),
  );
}
