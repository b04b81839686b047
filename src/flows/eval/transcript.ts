import type { EvalRun } from "./run.ts";

/** What happened in one run and why, for a person to read. */
export function transcript({ scenario, mind, score, report, steps, filed }: EvalRun): string {
  const percent = (value: number) => `${Math.round(value * 100)} %`;
  return [
    `# ${scenario.id}: ${scenario.title}`,
    "",
    `Mind: ${mind}. Verdict: **${score.verdict}**. ${[...score.faults, ...score.forbiddenActions.map((one) => `forbidden action ${one}`), ...score.forbiddenClaims.map((one) => `forbidden claim ${one}`)].join("; ")}`,
    ...(report.mind.fallbackReason ? [`The model was given up: ${report.mind.fallbackReason}.`] : []),
    ...(scenario.question ? ["", `> ${scenario.question}`] : []),
    "",
    `## Report`,
    "",
    report.headline,
    "",
    `Outcome ${report.outcome}, confidence ${percent(report.confidence)}, ${report.struckClaims} claims struck.`,
    "",
    "| hypothesis | cause | service | confidence | for | against |",
    "|---|---|---|---|---|---|",
    ...report.hypotheses.map(
      (one) =>
        `| ${one.statement.replaceAll("|", "/")} | ${one.cause} | ${one.service ?? ""} | ${percent(one.confidence)} | ${one.evidenceFor.join(" ")} | ${one.evidenceAgainst.join(" ")} |`,
    ),
    "",
    ...report.contributingFactors.map(({ text, evidence }) => `- ${text} [${evidence.join(", ")}]`),
    `- What changed: ${report.whatChanged.text}`,
    `- What else is anomalous: ${report.whatElseIsAnomalous.text}`,
    `- Seen before: ${report.seenBefore.text}`,
    ...report.nextChecks.map((check) => `- Next: ${check}`),
    ...filed.map(
      ({ request, target }) => `- Proposed: ${request.action} on ${target} ${JSON.stringify(request.args)}: ${request.reason}`,
    ),
    "",
    "## Steps",
    "",
    ...steps.map(({ title, state, outcome }) => `- ${title} (${state}): ${outcome ?? ""}`),
    "",
    "## Evidence",
    "",
    ...report.evidence.flatMap((one) => [
      `### ${one.id} ${one.title}`,
      "",
      `\`${one.tool} ${JSON.stringify(one.args)}\``,
      "",
      one.summary,
      "",
    ]),
  ].join("\n");
}
