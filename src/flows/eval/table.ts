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
  readonly medianTokens: number;
  readonly dollars: number;
  readonly seconds: number;
}

export function summarise(mind: string, runs: readonly EvalRun[]): EvalSummary {
  const sum = (of: (run: EvalRun) => number) => runs.reduce((total, run) => total + of(run), 0);
  const verdicts = (verdict: string) => runs.filter(({ score }) => score.verdict === verdict).length;
  const tokens = runs.map(tokensOf).sort((a, b) => a - b);
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
    medianTokens: tokens[Math.floor(tokens.length / 2)] ?? 0,
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
        tokensOf(run),
        cost.dollars.toFixed(3),
        (cost.duration / 1_000).toFixed(1),
      ),
      ...flaws.map((flaw) => `${" ".repeat(widest)}  ↳ ${flaw}`),
    ];
  });
  return [
    summary.mind,
    line("scenario", "verdict", "evidence", "strikes", "calls", "tokens", "dollars", "seconds"),
    ...rows,
    line(
      "all",
      share(summary.accuracy),
      share(summary.coverage),
      summary.struckClaims,
      summary.toolCalls,
      summary.tokens,
      summary.dollars.toFixed(3),
      summary.seconds.toFixed(1),
    ),
    `${summary.right} right, ${summary.unknown} honestly unknown, ${summary.wrong} wrong of ${summary.scenarios}; ${summary.falseAlarms} false alarms, ${summary.forbiddenActions} forbidden actions, ${summary.forbiddenClaims} forbidden claims; median ${summary.medianTokens} tokens.`,
  ].join("\n");
}
