import type { Price } from "../../agent/options.ts";
import type { EvalRun } from "./run.ts";

/** The figures of all runs of one mind. */
export interface EvalSummary {
  readonly mind: string;
  readonly scenarios: number;
  readonly right: number;
  /** "I do not know" where that is tolerated. */
  readonly unknown: number;
  readonly wrong: number;
  readonly accuracy: number;
  readonly coverage: number;
  readonly struckClaims: number;
  readonly falseAlarms: number;
  readonly forbiddenActions: number;
  readonly forbiddenClaims: number;
  readonly toolCalls: number;
  readonly tokens: number;
  /** Median over the scenarios, in tokens: the largest context, and all that was sent and written. */
  readonly medianContext: number;
  readonly medianInput: number;
  readonly medianOutput: number;
  /** What that median costs at the price of a mid-size model. */
  readonly medianDollars: number;
  /** Struck over checked claims. */
  readonly strikeRate: number;
  /** Versions of the prompts that a model was given; empty for the offline reasoner. */
  readonly prompts: readonly string[];
  readonly dollars: number;
  readonly seconds: number;
}

/** @param price of a mid-size model, for what the contexts would cost with it */
export function summarise(mind: string, runs: readonly EvalRun[], price: Price): EvalSummary {
  const sum = (of: (run: EvalRun) => number) => runs.reduce((total, run) => total + of(run), 0);
  const verdicts = (verdict: string) => runs.filter(({ score }) => score.verdict === verdict).length;
  const median = (of: (run: EvalRun) => number) => runs.map(of).sort((a, b) => a - b)[Math.floor(runs.length / 2)] ?? 0;
  const [medianInput, medianOutput] = [median(({ context }) => context.input), median(({ context }) => context.output)];
  const claims = sum(({ report }) => report.claims ?? 0);
  return {
    mind,
    scenarios: runs.length,
    right: verdicts("right"),
    unknown: verdicts("unknown"),
    wrong: verdicts("wrong"),
    accuracy: runs.length === 0 ? 0 : verdicts("right") / runs.length,
    coverage: runs.length === 0 ? 0 : sum(({ score }) => score.coverage) / runs.length,
    struckClaims: sum(({ report }) => report.struckClaims),
    falseAlarms: sum(({ score }) => Number(score.falseAlarm)),
    forbiddenActions: sum(({ score }) => score.forbiddenActions.length),
    forbiddenClaims: sum(({ score }) => score.forbiddenClaims.length),
    toolCalls: sum(({ report }) => report.cost.toolCalls),
    tokens: sum(tokensOf),
    medianContext: median(({ context }) => context.largest),
    medianInput,
    medianOutput,
    medianDollars: (medianInput * price.input + medianOutput * price.output) / 1e6,
    strikeRate: claims === 0 ? 0 : sum(({ report }) => report.struckClaims) / claims,
    prompts: [...new Set(runs.flatMap(({ report }) => report.prompts))],
    dollars: sum(({ report }) => report.cost.dollars),
    seconds: sum(({ report }) => report.cost.duration) / 1_000,
  };
}

const tokensOf = ({ report: { cost } }: EvalRun): number => cost.inputTokens + cost.outputTokens;

/** One line a scenario, and the sums. */
export function table(runs: readonly EvalRun[], summary: EvalSummary): string {
  const widest = Math.max(8, ...runs.map(({ scenario }) => scenario.id.length));
  const line = (...cells: readonly (string | number)[]) => {
    const [name = "", verdict = "", ...numbers] = cells.map(String);
    return `${name.padEnd(widest)}  ${verdict.padEnd(7)}  ${numbers.map((cell) => cell.padStart(8)).join(" ")}`;
  };
  const share = (value: number) => `${Math.round(value * 100)} %`;
  const rows = runs.flatMap((run) => {
    const { scenario, score, report } = run;
    const { cost } = report;
    const flaws = [
      ...score.faults,
      ...score.forbiddenActions.map((one) => `forbidden action: ${one}`),
      ...score.forbiddenClaims.map((one) => `forbidden claim: ${one}`),
    ];
    return [
      line(
        scenario.id,
        score.verdict,
        share(score.coverage),
        report.struckClaims,
        cost.toolCalls,
        run.context.largest,
        tokensOf(run),
        cost.dollars.toFixed(3),
        (cost.duration / 1_000).toFixed(1),
      ),
      ...flaws.map((flaw) => `${" ".repeat(widest)}  ↳ ${flaw}`),
    ];
  });
  return [
    summary.mind,
    line("scenario", "verdict", "evidence", "strikes", "calls", "context", "tokens", "dollars", "seconds"),
    ...rows,
    line(
      "all",
      share(summary.accuracy),
      share(summary.coverage),
      summary.struckClaims,
      summary.toolCalls,
      "",
      summary.tokens,
      summary.dollars.toFixed(3),
      summary.seconds.toFixed(1),
    ),
    `${summary.right} right, ${summary.unknown} honestly unknown, ${summary.wrong} wrong of ${summary.scenarios}; ${summary.falseAlarms} false alarms, ${summary.forbiddenActions} forbidden actions, ${summary.forbiddenClaims} forbidden claims; ${share(summary.strikeRate)} of claims struck.`,
    `Median context ${summary.medianContext} tokens; over all calls ${summary.medianInput} in and ${summary.medianOutput} out, $${summary.medianDollars.toFixed(3)} with a mid-size model and no prompt cache.`,
    ...(summary.prompts.length > 0 ? [`Prompts: ${summary.prompts.join(", ")}.`] : []),
  ].join("\n");
}

/** Two or more minds, or versions of prompts, side by side: the figures, and the scenarios on which they differ. */
export function comparison(results: readonly { readonly runs: readonly EvalRun[]; readonly summary: EvalSummary }[]): string {
  const share = (value: number) => `${Math.round(value * 100)} %`;
  const figures: readonly (readonly [string, (one: EvalSummary) => string])[] = [
    ["right", ({ accuracy }) => share(accuracy)],
    ["wrong", ({ wrong }) => String(wrong)],
    ["evidence", ({ coverage }) => share(coverage)],
    ["struck", ({ strikeRate }) => share(strikeRate)],
    ["false alarms", ({ falseAlarms }) => String(falseAlarms)],
    ["forbidden", ({ forbiddenActions, forbiddenClaims }) => String(forbiddenActions + forbiddenClaims)],
    ["tool calls", ({ toolCalls }) => String(toolCalls)],
    ["context", ({ medianContext }) => String(medianContext)],
    ["tokens", ({ tokens }) => String(tokens)],
    ["dollars", ({ dollars }) => dollars.toFixed(3)],
    ["seconds", ({ seconds }) => seconds.toFixed(1)],
  ];
  const ids = results[0]?.runs.map(({ scenario }) => scenario.id) ?? [];
  const differing = ids.flatMap((id) => {
    const verdicts = results.map(({ runs }) => runs.find(({ scenario }) => scenario.id === id)?.score.verdict ?? "");
    return new Set(verdicts).size > 1 ? [[id, verdicts] as const] : [];
  });
  const rows = [
    ["", ...results.map((_, index) => `(${index + 1})`)],
    ...figures.map(([name, of]) => [name, ...results.map(({ summary }) => of(summary))]),
    ...differing.map(([id, verdicts]) => [id, ...verdicts]),
  ];
  const widest = Math.max(...rows.map(([name = ""]) => name.length));
  return [
    "Side by side",
    ...results.map(({ summary }, index) => `(${index + 1}) ${summary.mind}`),
    ...rows.map(([name = "", ...cells]) => `${name.padEnd(widest)} ${cells.map((cell) => cell.padStart(9)).join(" ")}`),
  ].join("\n");
}
