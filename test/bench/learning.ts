/**
 * A year in the life of a team, with learning on and off, on the same incidents, alarms and voters: the real detectors raise, the real agent
 * diagnoses from generated telemetry and its growing knowledge, people vote with mistakes, and in one arm somebody votes the contrary on
 * purpose. Run: npm run bench:learning [-- --days 364 --seeds 2 --words]. With `--keep FOLDER`, what was lived is kept there and not lived again by
 * the next run; `--part 2/on` then lives that year of that arm only, so that parts may run side by side. What is kept is worth what the code was
 * that lived it: take a new folder after a change.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DAY } from "../../src/domain/time.ts";
import { chance } from "../../src/flows/eval/random.ts";
import { type Embedder, LocalEmbedder } from "../../src/knowledge/index.ts";
import type { Reliability } from "../../src/learning/reliability.ts";
import { WordEmbedder } from "../support/word-embedder.ts";
import { Arm, type Lived } from "./learning/arm.ts";
import { type Measured, measure } from "./learning/measure.ts";
import { watchYear } from "./learning/watch.ts";
import { planYear, type Year } from "./learning/world.ts";

const { values } = parseArgs({
  options: {
    days: { type: "string", default: "364" },
    seeds: { type: "string", default: "2" },
    words: { type: "boolean", default: false },
    keep: { type: "string" },
    part: { type: "string" },
  },
});
const days = Number(values.days);
const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => index + 1);
const START = Date.parse("2026-01-05T00:00:00Z");
const PERIOD = 28;
const ARMS = [
  { name: "off", learning: false, sabotage: false },
  { name: "on", learning: true, sabotage: false },
  { name: "on + saboteur", learning: true, sabotage: true },
] as const;

/** Texts are embedded once, whichever arm asks. */
class Remembering implements Embedder {
  readonly #inner: Embedder;
  readonly #known = new Map<string, Float32Array>();

  constructor(inner: Embedder) {
    this.#inner = inner;
  }

  get model(): string {
    return this.#inner.model;
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    const missing = [...new Set(texts.filter((text) => !this.#known.has(text)))];
    const made = missing.length > 0 ? await this.#inner.embed(missing) : [];
    for (const [index, text] of missing.entries()) this.#known.set(text, made[index] as Float32Array);
    return texts.map((text) => this.#known.get(text) as Float32Array);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

const embedder = new Remembering(values.words ? new WordEmbedder() : new LocalEmbedder());
const prompts = new URL("../../prompts", import.meta.url).pathname;
const began = performance.now();
const lives = new Map<string, { lived: Lived; period: number }[]>(ARMS.map(({ name }) => [name, []]));
const planned = { all: 0, byPeriod: new Map<number, number>() };
const periodOf = (at: number) => Math.min(Math.floor((at - START) / DAY / PERIOD), Math.ceil(days / PERIOD) - 1);

/** Made once, where a folder to keep it in is given. */
async function kept<T>(name: string, make: () => T | Promise<T>): Promise<T> {
  if (!values.keep) return make();
  const file = join(values.keep, `${name}-${days}${values.words ? "-words" : ""}.json`);
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")) as T;
  const made = await make();
  mkdirSync(values.keep, { recursive: true });
  writeFileSync(file, JSON.stringify(made));
  return made;
}

async function liveYear(seed: number, year: Year, { name, learning, sabotage }: (typeof ARMS)[number]): Promise<Lived[]> {
  const episodes = await kept(`raised-${seed}`, () => watchYear(year, START, days, chance(seed + 1_000)));
  const arm = await Arm.open({ learning, sabotage, seed, embedder, prompts });
  const lived: Lived[] = [];
  for (const [index, episode] of episodes.entries()) lived.push(await arm.live(episode, index));
  await arm.close();
  process.stderr.write(`year ${seed}, learning ${name}: ${((performance.now() - began) / 1_000).toFixed(0)} s\n`);
  return lived;
}

for (const seed of seeds) {
  const year = planYear(chance(seed), START, days);
  for (const { from } of year.incidents) {
    planned.all++;
    planned.byPeriod.set(periodOf(from), (planned.byPeriod.get(periodOf(from)) ?? 0) + 1);
  }
  for (const arm of ARMS) {
    if (values.part && values.part !== `${seed}/${arm.name}`) continue;
    const lived = await kept(`lived-${seed}-${arm.name.replaceAll(" ", "")}`, () => liveYear(seed, year, arm));
    lives.get(arm.name)?.push(...lived.map((one) => ({ lived: one, period: periodOf(one.at) })));
  }
}
await embedder.close();
if (values.part) process.exit(0);

const percent = (value: number) => (Number.isNaN(value) ? "–" : `${(100 * value).toFixed(0)} %`);
const number = (digits: number) => (value: number) => (Number.isNaN(value) ? "–" : value.toFixed(digits));
const threeDigits = number(3);
/** Expected calibration error, its debiased estimate, and what chance alone makes of the first with so many reports. */
const calibrated = ({ claims, error, debiased, floor }: Reliability) =>
  error === null || debiased === null || floor === null
    ? "–"
    : `${threeDigits(error)} (debiased ${threeDigits(debiased)}, floor ${threeDigits(floor)}, n ${claims})`;
type Figure = Exclude<keyof Measured, "cause" | "real">;
const ROWS: readonly [string, Figure, (value: number) => string][] = [
  ["first hypothesis wrong or undecided, recurring families", "recurringError", percent],
  ["… from the third occurrence on", "afterSecond", percent],
  ["… kinds that come once", "newError", percent],
  ["top-1 accuracy, all incidents", "accuracy", percent],
  ["right cause stated as such, not as a guess", "named", percent],
  ["minutes to the right cause", "minutesToCause", number(1)],
  ["minutes until people are told", "minutesToTell", number(1)],
  ["incidents detected", "detected", percent],
  ["false alarms a week", "falseAlarmsPerWeek", number(2)],
  ["proposals accepted", "acceptance", percent],
  ["incidents cured by an accepted proposal", "cured", percent],
  ["reports that people read", "reports", number(0)],
];
const weeks = (days / 7) * seeds.length;
const overall = ARMS.map(({ name }) =>
  measure(
    (lives.get(name) ?? []).map(({ lived }) => lived),
    planned.all,
    weeks,
  ),
);
console.log(`\n${seeds.length} × ${days} days, ${planned.all} incidents\n`);
console.log(`| | ${ARMS.map(({ name }) => `learning ${name}`).join(" | ")} |\n|---|${ARMS.map(() => "---:").join("|")}|`);
for (const [label, key, write] of ROWS) console.log(`| ${label} | ${overall.map((one) => write(one[key])).join(" | ")} |`);
console.log(
  `| calibration error, "this is the cause" (real incidents) | ${overall.map(({ cause }) => calibrated(cause)).join(" | ")} |`,
);
console.log(`| calibration error, "this is real" (all reports) | ${overall.map(({ real }) => calibrated(real)).join(" | ")} |`);

console.log("\nLearning curves, four weeks each: off → on (with the saboteur)\n");
console.log(
  "| weeks | top-1 accuracy | minutes to the right cause | false alarms a week | detected | proposals accepted |\n|---|---|---|---|---|---|",
);
for (let period = 0; period < Math.ceil(days / PERIOD); period++) {
  const at = ARMS.map(({ name }) =>
    measure(
      (lives.get(name) ?? []).filter((one) => one.period === period).map(({ lived }) => lived),
      planned.byPeriod.get(period) ?? 0,
      (PERIOD / 7) * seeds.length,
    ),
  );
  const cell = (key: Figure, write: (value: number) => string) => {
    const [off, on, sabotaged] = at.map((one) => write(one[key]));
    return `${off} → ${on} (${sabotaged})`;
  };
  console.log(
    `| ${period * 4 + 1}–${period * 4 + 4} | ${cell("accuracy", percent)} | ${cell("minutesToCause", number(0))} | ${cell("falseAlarmsPerWeek", number(1))} | ${cell("detected", percent)} | ${cell("acceptance", percent)} |`,
  );
}

const [off, on, sabotaged] = overall as [Measured, Measured, Measured];
const after = (name: string) => (lives.get(name) ?? []).filter(({ period }) => period >= 1).map(({ lived }) => lived);
const later = ARMS.map(({ name }) =>
  measure(after(name), planned.all - (planned.byPeriod.get(0) ?? 0), weeks - 4 * seeds.length),
);
const [, onLater, sabotagedLater] = later as [Measured, Measured, Measured];
console.log("\n| after a month | " + ARMS.map(({ name }) => `learning ${name}`).join(" | ") + " |\n|---|---:|---:|---:|");
for (const [label, key, write] of ROWS) console.log(`| ${label} | ${later.map((one) => write(one[key])).join(" | ")} |`);
console.log(
  `| calibration error, "this is the cause" (real incidents) | ${later.map(({ cause }) => calibrated(cause)).join(" | ")} |`,
);
console.log(`| calibration error, "this is real" (all reports) | ${later.map(({ real }) => calibrated(real)).join(" | ")} |`);

const fewer = 1 - onLater.falseAlarmsPerWeek / (later[0]?.falseAlarmsPerWeek ?? 1);
const below = ({ debiased }: Reliability, limit: number) => debiased !== null && debiased < limit;
const goals: [string, boolean, string][] = [
  [
    "top-1 error on recurring families halved after the second occurrence",
    on.afterSecond <= off.afterSecond / 2,
    `${percent(off.afterSecond)} → ${percent(on.afterSecond)}`,
  ],
  ["60 % fewer false alarms after a month", fewer >= 0.6, percent(fewer)],
  ["no loss of detection", on.detected >= off.detected, `${percent(off.detected)} → ${percent(on.detected)}`],
  ['calibration error of "this is the cause" under 0.05, debiased, whole run', below(on.cause, 0.05), calibrated(on.cause)],
  ["… after a month", below(onLater.cause, 0.05), calibrated(onLater.cause)],
  ['calibration error of "this is real" under 0.05, debiased, whole run', below(on.real, 0.05), calibrated(on.real)],
  ["… after a month", below(onLater.real, 0.05), calibrated(onLater.real)],
  [
    "no lasting harm from the saboteur: never worse than without learning",
    sabotaged.afterSecond < off.afterSecond &&
      sabotaged.detected >= off.detected &&
      (sabotagedLater.cause.debiased ?? 1) <= Math.max(0.05, later[0]?.cause.debiased ?? 0),
    `error ${percent(sabotaged.afterSecond)}, detected ${percent(sabotaged.detected)}, calibration of the cause after a month ${calibrated(sabotagedLater.cause)} against ${later[0] ? calibrated(later[0].cause) : "–"} without learning`,
  ],
];
console.log("");
for (const [goal, reached, figure] of goals) console.log(`${reached ? "reached    " : "NOT reached"}  ${goal}: ${figure}`);
console.log(`\n${((performance.now() - began) / 1_000).toFixed(0)} s`);
