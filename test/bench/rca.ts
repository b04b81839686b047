/**
 * Root-cause ranking on public fault-injection data: how often the true service is among the first 1, 3 and 5 (AC@k), and the mean of
 * AC@1…AC@5 (Avg@5), beside two simple baselines. Run: npm run bench:rca [suite] [-- --cases]
 * With -- --stress [--seeds N]: the same when the incidents had been recorded worse or otherwise, over N seeds where chance plays a part.
 * With -- --sensitivity: how much depends on each weight that was set by hand.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readCaseFolder } from "../../src/commands/case-folder.ts";
import { observe, rankRootCauses } from "../../src/diagnosis/index.ts";
import type { DiagnosisInput, MetricColumn } from "../../src/diagnosis/types.ts";
import { median, quantile, sorted } from "../../src/domain/quantile.ts";
import { uniform } from "../unit/detection/simulate.ts";
import { PERTURBATIONS, renamed } from "./rca-perturb.ts";
import { type Observed, sensitivity } from "./rca-sensitivity.ts";

const ROOT = new URL("../../../shared/data/rca", import.meta.url).pathname;
const TARGETS: Record<string, string> = {
  "petshop-high_traffic": "0.75 / 0.95",
  "nezha-2022-08-22": "0.70 / 0.90",
  "nezha-2023-01-29": "0.87 / 0.97",
};

const { values: options, positionals: only } = parseArgs({
  allowPositionals: true,
  options: {
    cases: { type: "boolean" },
    sensitivity: { type: "boolean" },
    stress: { type: "boolean" },
    seeds: { type: "string", default: "3" },
  },
});

if (!existsSync(ROOT)) console.log(`Skipped: no data in ${ROOT}`);
else if (options.stress) await stress(suites(), Number(options.seeds));
else if (options.sensitivity) sensitivity(await observed(suites()));
else {
  console.log("suite                 method             cases   AC@1   AC@3   AC@5  Avg@5  s/case (worst)  target AC@1 / AC@3");
  for (const suite of suites()) await benchmark(suite);
}

function suites(): string[] {
  return readdirSync(ROOT)
    .filter((one) => only.length === 0 || only.some((part) => one.includes(part)))
    .sort();
}

function answersOf(suite: string): [id: string, answer: { readonly service: string; readonly fault?: string }][] {
  return Object.entries(JSON.parse(readFileSync(join(ROOT, suite, "answers.json"), "utf8")));
}

async function observed(names: readonly string[]): Promise<Observed[]> {
  const all: Observed[] = [];
  for (const suite of names)
    for (const [id, { service }] of answersOf(suite))
      all.push({ suite, cause: service, observations: observe(await readCaseFolder(join(ROOT, suite, "cases", id))) });
  return all;
}

/** AC@1 / AC@3 of every suite under every perturbation, and the mean over the suites. */
async function stress(names: readonly string[], seeds: number): Promise<void> {
  const tally = new Map<string, { first: number; third: number; runs: number }>();
  for (const suite of names)
    for (const [id, { service }] of answersOf(suite)) {
      const input = await readCaseFolder(join(ROOT, suite, "cases", id));
      for (const { name, random, apply } of PERTURBATIONS)
        for (let seed = 1; seed <= (random ? seeds : 1); seed++) {
          const perturbed = apply(input, service, uniform(seed * 7_919 + Number.parseInt(renamed(id).slice(1), 36)));
          if (perturbed === null) continue;
          const place = rankRootCauses(perturbed).findIndex((one) => [service, renamed(service)].includes(one.service));
          const cell = tally.get(`${suite}|${name}`) ?? { first: 0, third: 0, runs: 0 };
          tally.set(`${suite}|${name}`, cell);
          cell.runs++;
          if (place === 0) cell.first++;
          if (place >= 0 && place < 3) cell.third++;
        }
    }
  console.log(`AC@1 / AC@3, ${seeds} seeds`.padEnd(37) + [...names, "mean"].map((name) => name.padEnd(22)).join(""));
  const means = PERTURBATIONS.map(({ name }) => {
    const cells = names.map((suite) => tally.get(`${suite}|${name}`));
    const [first, third] = [
      cells.map((cell) => cell && cell.first / cell.runs),
      cells.map((cell) => cell && cell.third / cell.runs),
    ];
    const row = [...names.map((_, at): Pair => [first[at], third[at]]), [average(first), average(third)] as Pair];
    console.log(name.padEnd(37) + row.map(pair).join(""));
    return row;
  });
  const overall = [...names, "mean"].map(
    (_, at) => [0, 1].map((k) => average(means.map((row) => row[at]?.[k]))) as unknown as Pair,
  );
  console.log("mean".padEnd(37) + overall.map(pair).join(""));
}

type Pair = readonly [first: number | undefined, third: number | undefined];
function pair([first, third]: Pair): string {
  return (first === undefined || third === undefined ? "–" : `${first.toFixed(3)} / ${third.toFixed(3)}`).padEnd(22);
}

function average(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((one) => one !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, one) => sum + one, 0) / known.length;
}

async function benchmark(suite: string): Promise<void> {
  const places: Record<string, number[]> = { ours: [], "largest robust z": [], "graph heuristic": [] };
  const seconds: number[] = [];
  for (const [id, { service, fault }] of answersOf(suite)) {
    const started = performance.now();
    const input = await readCaseFolder(join(ROOT, suite, "cases", id));
    const ranking = rankRootCauses(input);
    seconds.push((performance.now() - started) / 1000);
    const place = ranking.findIndex((one) => one.service === service) + 1;
    places.ours?.push(place);
    places["largest robust z"]?.push(largestZ(input).indexOf(service) + 1);
    if (input.graph !== null && input.symptom.service !== null)
      places["graph heuristic"]?.push(graphHeuristic(input).indexOf(service) + 1);
    if (options.cases) {
      console.log(`  ${id} ${service} ${fault ?? input.symptom.metric}: place ${place}`);
      for (const [index, one] of ranking.entries())
        if (index < 3 || one.service === service)
          console.log(`     ${index + 1}. ${one.service} ${one.score.toFixed(2)}: ${one.reasons.join("; ")}`);
    }
  }
  for (const [method, found] of Object.entries(places)) {
    if (found.length === 0) continue;
    const ac = [1, 2, 3, 4, 5].map((k) => found.filter((place) => place >= 1 && place <= k).length / found.length);
    const average = ac.reduce((sum, one) => sum + one, 0) / 5;
    const cells = [ac[0], ac[2], ac[4], average].map((one) => (one ?? 0).toFixed(3).padStart(7)).join("");
    const mean = seconds.reduce((sum, one) => sum + one, 0) / seconds.length;
    const speed = method === "ours" ? `${mean.toFixed(2)} (${Math.max(...seconds).toFixed(2)})` : "";
    console.log(
      `${suite.padEnd(21)} ${method.padEnd(17)} ${String(found.length).padStart(6)}${cells}  ${speed.padEnd(14)}  ${method === "ours" ? (TARGETS[suite] ?? "") : ""}`,
    );
  }
}

function normals(input: DiagnosisInput): (column: MetricColumn) => Float64Array {
  const key = (one: MetricColumn) => `${one.service}|${one.metric}|${one.statistic}`;
  const before = new Map(input.before?.columns.map((one) => [key(one), sorted(one.values)]));
  return (column) => before.get(key(column)) ?? new Float64Array();
}

/** The idea of BARO's scorer (Pham et al., 2024): largest |median - normal median| / IQR of any metric. */
function largestZ(input: DiagnosisInput): string[] {
  const normalOf = normals(input);
  const best = new Map<string, number>();
  for (const column of input.during.columns) {
    const normal = normalOf(column);
    const spread = quantile(normal, 0.75) - quantile(normal, 0.25);
    const far = sorted(column.values).reduce((most, x) => Math.max(most, Math.abs(x - quantile(normal, 0.5)) / spread), 0);
    best.set(column.service, Math.max(best.get(column.service) ?? 0, Number.isFinite(far) ? far : 0));
  }
  return [...best].sort((a, b) => b[1] - a[1]).map(([service]) => service);
}

/** Walks the calls from the symptom: relative change of the symptom's kind beyond the 0.5 % tail, halved twice under an anomalous callee. */
function graphHeuristic(input: DiagnosisInput): string[] {
  const normalOf = normals(input);
  const change = new Map<string, number>();
  for (const column of input.during.columns) {
    if (column.metric !== input.symptom.metric) continue;
    const normal = normalOf(column);
    const now = median(column.values);
    const beyond = now < quantile(normal, 0.005) || now > quantile(normal, 0.995);
    const size = beyond ? Math.abs(now / quantile(normal, 0.5) - 1) : 0;
    change.set(column.service, Math.max(change.get(column.service) ?? 0, Number.isFinite(size) ? size : 0));
  }
  const callees = groupByCaller(input);
  const reached = new Set([input.symptom.service ?? ""]);
  for (const service of reached) for (const [, callee] of callees.get(service) ?? []) reached.add(callee);
  const score = (service: string) =>
    (change.get(service) ?? 0) * ((callees.get(service) ?? []).some(([, callee]) => (change.get(callee) ?? 0) > 0) ? 0.25 : 1);
  return [...reached].sort((a, b) => score(b) - score(a));
}

function groupByCaller(input: DiagnosisInput): Map<string, (readonly [string, string])[]> {
  const groups = new Map<string, (readonly [string, string])[]>();
  for (const edge of input.graph?.edges ?? []) groups.set(edge[0], [...(groups.get(edge[0]) ?? []), edge]);
  return groups;
}
