import type { Feedback, Verdict } from "../domain/feedback.ts";
import type { Incident } from "../domain/incident.ts";
import type { Investigation } from "../domain/investigation.ts";
import type { Proposal } from "../domain/proposal.ts";
import { MINUTE } from "../domain/time.ts";
import { brierScore, type JudgedClaim, type ReliabilityBin, reliability } from "./calibration.ts";
import { consensus, correctness } from "./consensus.ts";

/** Rates behind "hours saved"; the formula is shown wherever the figure is. */
export interface Worth {
  readonly minutesSavedPerAcceptedInvestigation: number;
  readonly dollarsPerEngineerHour: number;
}

/** What Vigil costs and what it is worth. Times are minutes; shares are 0 to 1; null where nothing was measured yet. */
export interface Kpis {
  readonly investigations: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
  readonly accuracy: number | null;
  readonly completeness: number | null;
  readonly falsePositiveShare: number | null;
  readonly acceptanceRate: number | null;
  readonly minutesToDetect: number | null;
  readonly minutesToCause: number | null;
  readonly minutesToResolve: number | null;
  readonly actions: Readonly<Record<string, number>>;
  readonly actionEffectiveness: number | null;
  /** Actions of ours that made something worse and were not undone by themselves. */
  readonly incidentsCaused: number;
  readonly struckClaims: number;
  readonly brierScore: number | null;
  readonly reliability: readonly ReliabilityBin[];
  readonly topCauses: readonly { readonly cause: string; readonly count: number }[];
  readonly cost: {
    readonly inputTokens: number;
    readonly outputTokens: number;
    readonly dollars: number;
    readonly dollarsPerInvestigation: number | null;
  };
  readonly hoursSaved: number;
  readonly hoursSavedFormula: string;
}

const median = (values: readonly number[]): number | null => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle];
  if (high === undefined) return null;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? high) + high) / 2;
};

const share = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);

/** Derives the KPIs from what is stored; nothing here is estimated by a model. */
export function kpis(
  records: {
    readonly investigations: readonly Investigation[];
    readonly incidents: readonly Incident[];
    readonly feedback: readonly Feedback[];
    readonly proposals: readonly Proposal[];
  },
  worth: Worth,
): Kpis {
  const verdictOf = new Map<string, Verdict>();
  const verdicts: Record<Verdict, number> = { correct: 0, partly: 0, incorrect: 0, noise: 0 };
  const claims: JudgedClaim[] = [];
  for (const investigation of records.investigations) {
    const verdict = consensus(records.feedback.filter((vote) => vote.investigationId === investigation.id));
    if (!verdict) continue;
    verdictOf.set(investigation.id, verdict);
    verdicts[verdict]++;
    if (investigation.report) claims.push({ confidence: investigation.report.confidence, correctness: correctness(verdict) });
  }
  const judged = verdictOf.size;
  const complete = records.feedback.filter((vote) => vote.verdict === "correct" && !vote.missed).length;
  const effective = records.feedback.filter((vote) => vote.actionEffective !== null);

  const actions: Record<string, number> = {};
  for (const proposal of records.proposals) actions[proposal.state] = (actions[proposal.state] ?? 0) + 1;
  const accepted = records.proposals.filter((proposal) => proposal.approvals.length > 0).length;
  const decided = accepted + (actions.denied ?? 0) + (actions.expired ?? 0);

  const reports = records.investigations.flatMap((investigation) => (investigation.report ? [investigation.report] : []));
  const causes = new Map<string, number>();
  for (const report of reports) {
    const [lead] = report.hypotheses;
    if (report.outcome !== "cause_found" || !lead) continue;
    const cause = lead.service ? `${lead.cause} in ${lead.service}` : lead.cause;
    causes.set(cause, (causes.get(cause) ?? 0) + 1);
  }
  const dollars = reports.reduce((sum, report) => sum + report.cost.dollars, 0);
  const useful = verdicts.correct + verdicts.partly;
  return {
    investigations: records.investigations.length,
    verdicts,
    accuracy: share(verdicts.correct + verdicts.partly / 2, judged),
    completeness: share(complete, records.feedback.length),
    falsePositiveShare: share(verdicts.noise, judged),
    acceptanceRate: share(accepted, decided),
    minutesToDetect: median(
      records.incidents.flatMap((incident) =>
        incident.anomalies.slice(0, 1).map((first) => (first.detectedAt - first.startedAt) / MINUTE),
      ),
    ),
    minutesToCause: median(reports.map((report) => report.cost.duration / MINUTE)),
    minutesToResolve: median(
      records.incidents.flatMap((incident) =>
        incident.resolvedAt === null ? [] : [(incident.resolvedAt - incident.openedAt) / MINUTE],
      ),
    ),
    actions,
    actionEffectiveness: share(effective.filter((vote) => vote.actionEffective === true).length, effective.length),
    incidentsCaused: actions.rollback_failed ?? 0,
    struckClaims: reports.reduce((sum, report) => sum + report.struckClaims, 0),
    brierScore: brierScore(claims),
    reliability: reliability(claims),
    topCauses: [...causes]
      .map(([cause, count]) => ({ cause, count }))
      .sort((a, b) => b.count - a.count)
      .slice(0, 10),
    cost: {
      inputTokens: reports.reduce((sum, report) => sum + report.cost.inputTokens, 0),
      outputTokens: reports.reduce((sum, report) => sum + report.cost.outputTokens, 0),
      dollars,
      dollarsPerInvestigation: share(dollars, reports.length),
    },
    hoursSaved: (useful * worth.minutesSavedPerAcceptedInvestigation) / 60,
    hoursSavedFormula: `(${verdicts.correct} correct + ${verdicts.partly} partly) × ${worth.minutesSavedPerAcceptedInvestigation} min ÷ 60`,
  };
}
