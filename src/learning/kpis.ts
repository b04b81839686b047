import type { Feedback, Verdict } from "../domain/feedback.ts";
import type { Incident } from "../domain/incident.ts";
import type { Investigation, InvestigationReport } from "../domain/investigation.ts";
import type { Proposal } from "../domain/proposal.ts";
import { DAY, type EpochMs, MINUTE, WEEK } from "../domain/time.ts";
import { consensus, correctness } from "./consensus.ts";
import { medianOrNull, saved, share } from "./figures.ts";
import { type JudgedClaim, type Reliability, reliability } from "./reliability.ts";
import { byInvestigation, isPerson, trustOf } from "./trust.ts";

/** Rates behind "hours saved"; the formula is shown wherever the figure is. */
export interface Worth {
  readonly minutesSavedPerAcceptedInvestigation: number;
  readonly dollarsPerEngineerHour: number;
}

/** An alert of another tool, as far as figures need it. */
export interface AlertFact {
  readonly incidentId: string | null;
  /** The anomaly that stands for it in its incident; any other was found by Vigil itself. */
  readonly anomalyId: string | null;
  readonly severity: "critical" | "warning" | "info";
  readonly startsAt: EpochMs;
}

export interface KpiRecords {
  readonly investigations: readonly Investigation[];
  readonly incidents: readonly Incident[];
  readonly feedback: readonly Feedback[];
  readonly proposals: readonly Proposal[];
  readonly alerts?: readonly AlertFact[];
}

export interface Resolution {
  readonly severity: string;
  readonly incidents: number;
  readonly minutes: number | null;
}

export interface ActionOutcome {
  readonly action: string;
  readonly proposed: number;
  readonly accepted: number;
  readonly verified: number;
  readonly rolledBack: number;
  readonly otherwise: number;
}

/** A figure of the article that this project set out to beat, beside our own; shares, null where nothing was measured. */
export interface Rival {
  readonly what: string;
  readonly article: number;
  readonly ours: number | null;
  /** From what ours is taken, in words. */
  readonly from: string;
}

/** What Vigil costs and what it is worth. Times are minutes; shares are 0 to 1; null where nothing was measured yet. */
export interface Kpis {
  readonly investigations: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
  /** Votes that people gave, and those that Vigil inferred. */
  readonly votes: { readonly people: number; readonly inferred: number };
  /** The four measures of feedback. Completeness: of those found right, how many missed nothing. */
  readonly accuracy: number | null;
  readonly completeness: number | null;
  readonly falsePositiveShare: number | null;
  readonly actionEffectiveness: number | null;
  readonly acceptanceRate: number | null;
  readonly minutesToDetect: number | null;
  /** From the onset that Vigil estimates to the first alert of another tool, for incidents that have one. */
  readonly minutesToAlert: number | null;
  /** Who was first to notice an incident. */
  readonly noticed: { readonly vigilFirst: number; readonly alertFirst: number; readonly vigilOnly: number };
  readonly minutesToCause: number | null;
  readonly minutesToResolve: number | null;
  readonly resolution: readonly Resolution[];
  readonly actions: Readonly<Record<string, number>>;
  readonly actionOutcomes: readonly ActionOutcome[];
  /** Actions of ours that made something worse and were not undone by themselves. */
  readonly incidentsCaused: number;
  readonly struckClaims: number;
  /** Struck claims over all claims made. */
  readonly strikeRate: number | null;
  /** The two claims of a report, as they were told, against its verdict: this is the cause (judged where it was not noise), and this is real. */
  readonly reliability: { readonly cause: Reliability; readonly real: Reliability };
  readonly topCauses: readonly { readonly cause: string; readonly count: number }[];
  readonly cost: {
    readonly inputTokens: number;
    readonly outputTokens: number;
    readonly dollars: number;
    readonly dollarsPerInvestigation: number | null;
  };
  readonly hoursSaved: number;
  readonly dollarsSaved: number;
  readonly hoursSavedFormula: string;
  readonly rivals: readonly Rival[];
  /** Weeks in which anything was investigated, oldest first. */
  readonly weeks: readonly WeekOfWork[];
}

export interface WeekOfWork {
  /** Monday 00:00 UTC. */
  readonly start: EpochMs;
  readonly investigations: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
}

/** Derives the KPIs from what is stored; nothing here is estimated by a model. */
export function kpis(records: KpiRecords, worth: Worth): Kpis {
  const { investigations, incidents, feedback, proposals, alerts = [] } = records;
  const trust = trustOf(feedback);
  const votes = byInvestigation(feedback);
  const verdicts: Record<Verdict, number> = { correct: 0, partly: 0, incorrect: 0, noise: 0 };
  const causes: JudgedClaim[] = [];
  const incidence: JudgedClaim[] = [];
  const verdictOf = new Map<string, Verdict>();
  let complete = 0;
  for (const { id, report } of investigations) {
    const own = votes.get(id) ?? [];
    const verdict = consensus(own, trust);
    if (!verdict) continue;
    verdicts[verdict]++;
    verdictOf.set(id, verdict);
    if (report?.outcome === "cause_found" && verdict !== "noise")
      causes.push({ confidence: report.confidence, correctness: correctness(verdict) });
    if (report?.real) incidence.push({ confidence: report.real.chance, correctness: Number(verdict !== "noise") });
    if ((verdict === "correct" || verdict === "partly") && own.every(({ missed }) => !missed)) complete++;
  }
  const judged = Object.values(verdicts).reduce((sum, count) => sum + count, 0);
  const useful = verdicts.correct + verdicts.partly;
  const reports = investigations.flatMap(({ report }) => (report ? [report] : []));
  const outcomes = actionOutcomes(proposals);
  const total = (pick: (one: ActionOutcome) => number) => outcomes.reduce((sum, one) => sum + pick(one), 0);
  const acceptance = share(
    total((one) => one.accepted),
    proposals.filter(decided).length,
  );
  const effective = feedback.filter(({ actionEffective }) => actionEffective !== null);
  const topCauses = new Map<string, number>();
  for (const { outcome, hypotheses } of reports) {
    const [lead] = hypotheses;
    if (outcome !== "cause_found" || !lead) continue;
    const cause = lead.service ? `${lead.cause} in ${lead.service}` : lead.cause;
    topCauses.set(cause, (topCauses.get(cause) ?? 0) + 1);
  }
  const dollars = reports.reduce((sum, { cost }) => sum + cost.dollars, 0);
  const struckClaims = reports.reduce((sum, report) => sum + report.struckClaims, 0);
  const hoursSaved = (useful * worth.minutesSavedPerAcceptedInvestigation) / 60;
  const notice = detection(incidents, alerts);
  const caused = proposals.filter(({ state }) => state === "rollback_failed").length;
  return {
    investigations: investigations.length,
    verdicts,
    votes: {
      people: feedback.filter(({ user }) => isPerson(user)).length,
      inferred: feedback.filter(({ user }) => !isPerson(user)).length,
    },
    accuracy: share(verdicts.correct + verdicts.partly / 2, judged),
    completeness: share(complete, useful),
    falsePositiveShare: share(verdicts.noise, judged),
    actionEffectiveness: share(effective.filter((vote) => vote.actionEffective).length, effective.length),
    acceptanceRate: acceptance,
    ...notice,
    minutesToCause: medianOrNull(reports.map(({ cost }) => cost.duration / MINUTE)),
    minutesToResolve: medianOrNull(resolved(incidents)),
    resolution: resolutions(incidents, alerts),
    actions: Object.fromEntries(counted(proposals.map(({ state }) => state))),
    actionOutcomes: outcomes,
    incidentsCaused: caused,
    struckClaims,
    strikeRate: share(struckClaims, struckClaims + reports.reduce((sum, report) => sum + claimsIn(report), 0)),
    reliability: { cause: reliability(causes), real: reliability(incidence) },
    topCauses: [...topCauses]
      .map(([cause, count]) => ({ cause, count }))
      .sort((a, b) => b.count - a.count)
      .slice(0, 10),
    cost: {
      inputTokens: reports.reduce((sum, { cost }) => sum + cost.inputTokens, 0),
      outputTokens: reports.reduce((sum, { cost }) => sum + cost.outputTokens, 0),
      dollars,
      dollarsPerInvestigation: share(dollars, reports.length),
    },
    hoursSaved,
    dollarsSaved: hoursSaved * worth.dollarsPerEngineerHour - dollars,
    hoursSavedFormula: `(${verdicts.correct} correct + ${verdicts.partly} partly) × ${worth.minutesSavedPerAcceptedInvestigation} min ÷ 60`,
    weeks: weeksOf(investigations, verdictOf),
    rivals: rivalsOf({ incidents, investigations, proposals, notice, acceptance, caused }),
  };
}

/** 1970 began on a Thursday. */
const FIRST_MONDAY = 4 * DAY;
const mondayOf = (at: EpochMs): EpochMs => at - ((((at - FIRST_MONDAY) % WEEK) + WEEK) % WEEK);

function weeksOf(investigations: readonly Investigation[], verdictOf: ReadonlyMap<string, Verdict>): WeekOfWork[] {
  const weeks = new Map<EpochMs, { investigations: number; verdicts: Record<Verdict, number> }>();
  for (const { id, startedAt } of investigations) {
    const start = mondayOf(startedAt);
    const week = weeks.get(start) ?? { investigations: 0, verdicts: { correct: 0, partly: 0, incorrect: 0, noise: 0 } };
    week.investigations++;
    const verdict = verdictOf.get(id);
    if (verdict) week.verdicts[verdict]++;
    weeks.set(start, week);
  }
  return [...weeks].map(([start, week]) => ({ start, ...week })).sort((a, b) => a.start - b.start);
}

function counted(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** Statements that evidence had to bear. */
const claimsIn = (report: InvestigationReport): number =>
  1 +
  report.contributingFactors.length +
  [report.whatChanged, report.whatElseIsAnomalous, report.seenBefore, report.blastRadiusOfActing].filter(
    ({ evidence }) => evidence.length > 0,
  ).length;

const accepted = ({ approvals }: Proposal): boolean => approvals.length > 0;
/** Somebody decided on it, or let it expire; what was taken back or is still open counts for neither side. */
const decided = (one: Proposal): boolean => accepted(one) || one.state === "denied" || one.state === "expired";

function actionOutcomes(proposals: readonly Proposal[]): ActionOutcome[] {
  return [...new Set(proposals.map(({ action }) => action))].sort().map((action) => {
    const own = proposals.filter((one) => one.action === action);
    const states = counted(own.filter(accepted).map(({ state }) => state));
    const [verified, rolledBack] = [states.get("verified") ?? 0, states.get("rolled_back") ?? 0];
    const taken = own.filter(accepted).length;
    return { action, proposed: own.length, accepted: taken, verified, rolledBack, otherwise: taken - verified - rolledBack };
  });
}

const minutesOpen = ({ openedAt, resolvedAt }: Incident): number[] =>
  resolvedAt === null ? [] : [(resolvedAt - openedAt) / MINUTE];
const resolved = (incidents: readonly Incident[]): number[] => incidents.flatMap(minutesOpen);

const SEVERITIES = ["critical", "warning", "info"] as const;

function resolutions(incidents: readonly Incident[], alerts: readonly AlertFact[]): Resolution[] {
  const severityOf = ({ id }: Incident) =>
    SEVERITIES.find((severity) => alerts.some((alert) => alert.incidentId === id && alert.severity === severity)) ??
    "below every alert";
  return [...SEVERITIES, "below every alert"].flatMap((severity) => {
    const own = incidents.filter((one) => severityOf(one) === severity);
    return own.length === 0 ? [] : [{ severity, incidents: own.length, minutes: medianOrNull(resolved(own)) }];
  });
}

function detection(
  incidents: readonly Incident[],
  alerts: readonly AlertFact[],
): Pick<Kpis, "minutesToDetect" | "minutesToAlert" | "noticed"> {
  const stands = new Set(alerts.flatMap(({ anomalyId }) => anomalyId ?? []));
  const own: number[] = [];
  const others: number[] = [];
  const noticed = { vigilFirst: 0, alertFirst: 0, vigilOnly: 0 };
  for (const incident of incidents) {
    const found = incident.anomalies.filter(({ id }) => !stands.has(id));
    const onset = Math.min(...found.map(({ startedAt }) => startedAt));
    const vigil = Math.min(...found.map(({ detectedAt }) => detectedAt));
    const alert = Math.min(...alerts.filter(({ incidentId }) => incidentId === incident.id).map(({ startsAt }) => startsAt));
    if (Number.isFinite(vigil)) own.push((vigil - onset) / MINUTE);
    if (Number.isFinite(vigil) && Number.isFinite(alert)) others.push(Math.max(0, (alert - onset) / MINUTE));
    if (!Number.isFinite(alert)) noticed.vigilOnly++;
    else if (vigil <= alert) noticed.vigilFirst++;
    else noticed.alertFirst++;
  }
  return { minutesToDetect: medianOrNull(own), minutesToAlert: medianOrNull(others), noticed };
}

/** The article's figures are of its own system and say little of another's; ours beside them are measured from what is stored here. */
function rivalsOf(given: {
  readonly incidents: readonly Incident[];
  readonly investigations: readonly Investigation[];
  readonly proposals: readonly Proposal[];
  readonly notice: Pick<Kpis, "minutesToDetect" | "minutesToAlert">;
  readonly acceptance: number | null;
  readonly caused: number;
}): Rival[] {
  const { incidents, investigations, proposals, notice, acceptance, caused } = given;
  const helped = new Set(proposals.filter(({ state }) => state === "verified").map(({ investigationId }) => investigationId));
  const cured = new Set(investigations.filter(({ id }) => helped.has(id)).map(({ incidentId }) => incidentId));
  const withHelp = resolved(incidents.filter(({ id }) => cured.has(id)));
  const without = resolved(incidents.filter(({ id }) => !cured.has(id)));
  return [
    {
      what: "faster detection of novel failures",
      article: 0.73,
      ours: saved(notice.minutesToDetect, notice.minutesToAlert),
      from: "median time from onset, Vigil against the first alert",
    },
    { what: "of proposals accepted", article: 0.89, ours: acceptance, from: `${proposals.filter(decided).length} decided` },
    {
      what: "lower time to resolution",
      article: 0.41,
      ours: saved(medianOrNull(withHelp), medianOrNull(without)),
      from: `${withHelp.length} incidents that an action ended against ${without.length} others`,
    },
    { what: "incidents caused", article: 0, ours: proposals.length === 0 ? null : caused, from: "actions whose undo failed" },
  ];
}
