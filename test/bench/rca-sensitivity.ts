/** How much the ranking depends on what was set by hand: each weight three tenths less and more, and weights tuned without the suite they are judged on. */
import { type Observations, weigh } from "../../src/diagnosis/index.ts";
import { WEIGHTS, type Weights } from "../../src/diagnosis/weights.ts";

export interface Observed {
  readonly suite: string;
  readonly cause: string;
  readonly observations: Observations;
}

interface Accuracy {
  readonly first: number;
  readonly third: number;
}

const FACTORS = [0.7, 1.3] as const;
/** Shares and quantiles. */
const AT_MOST_ONE = new Set(["explained", "unseen", "background", "leastOwn"]);

/** Prints both tables. */
export function sensitivity(cases: readonly Observed[]): void {
  const suites = [...new Set(cases.map(({ suite }) => suite))];
  const plain = suites.map((suite) => accuracy(cases, suite, WEIGHTS));
  console.log(`${"weight".padEnd(26)} value   AC@1 / AC@3 at ×0.7    at ×1.3          largest change in one suite`);
  console.log(`${"as they are".padEnd(26)}         ${mean(plain)}`);
  for (const path of paths()) {
    const cells = FACTORS.map((factor) => suites.map((suite) => accuracy(cases, suite, scaled(WEIGHTS, path, factor))));
    const changes = cells.flatMap((row) => row.map(({ first }, at) => first - (plain[at]?.first ?? 0)));
    const largest = changes.reduce((most, one) => (Math.abs(one) > Math.abs(most) ? one : most), 0);
    const where = largest === 0 ? "" : (suites[changes.indexOf(largest) % suites.length] ?? "");
    const row = cells.map((one) => mean(one).padEnd(17)).join("");
    console.log(
      `${path.join(" ").padEnd(26)} ${String(valueAt(WEIGHTS, path)).padEnd(7)} ${row}      ${largest === 0 ? "none" : `${largest > 0 ? "+" : ""}${largest.toFixed(3)} ${where}`}`,
    );
  }
  console.log(`\n${"tuned on the other suites".padEnd(26)} AC@1 / AC@3   as they are      weights that tuning moved`);
  suites.forEach((suite, at) => {
    const tuned = tune(cases.filter((one) => one.suite !== suite));
    const moved = paths().filter((path) => valueAt(tuned, path) !== valueAt(WEIGHTS, path));
    console.log(
      `${suite.padEnd(26)} ${mean([accuracy(cases, suite, tuned)]).padEnd(14)}${mean(plain.slice(at, at + 1)).padEnd(17)}${moved.length}`,
    );
  });
}

/** One pass over the weights, each left where it is or moved by three tenths, whichever is best; where nothing changes it stays. */
function tune(cases: readonly Observed[]): Weights {
  const suites = [...new Set(cases.map(({ suite }) => suite))];
  const worth = (weights: Weights) =>
    suites.reduce((sum, suite) => {
      const { first, third } = accuracy(cases, suite, weights);
      return sum + first + third;
    }, 0);
  return paths().reduce((best, path) => {
    const [better] = FACTORS.map((factor) => scaled(best, path, factor))
      .map((weights) => ({ weights, worth: worth(weights) }))
      .sort((a, b) => b.worth - a.worth);
    return better && better.worth > worth(best) ? better.weights : best;
  }, WEIGHTS);
}

function accuracy(cases: readonly Observed[], suite: string, weights: Weights): Accuracy {
  const own = cases.filter((one) => one.suite === suite);
  const places = own.map(({ cause, observations }) => weigh(observations, weights).findIndex(({ service }) => service === cause));
  const share = (most: number) => places.filter((place) => place >= 0 && place < most).length / Math.max(1, own.length);
  return { first: share(1), third: share(3) };
}

function mean(all: readonly Accuracy[]): string {
  const of = (key: keyof Accuracy) => (all.reduce((sum, one) => sum + one[key], 0) / all.length).toFixed(3);
  return `${of("first")} / ${of("third")}`;
}

/** Where the numbers are, those that are not zero. */
function paths(at: unknown = WEIGHTS, path: readonly string[] = []): string[][] {
  if (typeof at === "number") return at === 0 ? [] : [[...path]];
  return Object.entries(at as Record<string, unknown>).flatMap(([key, value]) => paths(value, [...path, key]));
}

const valueAt = (weights: unknown, path: readonly string[]): number =>
  path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], weights) as number;

function scaled(weights: Weights, path: readonly string[], factor: number): Weights {
  const copy = structuredClone(weights);
  const last = path.at(-1) ?? "";
  const parent = path.slice(0, -1).reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], copy) as Record<
    string,
    number
  >;
  const value = valueAt(weights, path) * factor;
  parent[last] = AT_MOST_ONE.has(last) ? Math.min(0.99, value) : value;
  return copy;
}
