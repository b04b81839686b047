import type { Anomaly } from "../../domain/anomaly.ts";
import type { InvestigationReport } from "../../domain/investigation.ts";
import { cleanUntrusted } from "../../domain/untrusted.ts";
import { type Finding, findingsOf } from "../findings.ts";
import { utcClock } from "../time-words.ts";
import { becameOf } from "../tools/list-actions.ts";
import { describeChange } from "../tools/list-changes.ts";
import type { QuestionRequest } from "../types.ts";
import { percent } from "../words.ts";

type About = NonNullable<QuestionRequest["investigation"]>;

/** Of what was noticed, and of what else is off, so many are told. */
const SHOWN = 4;

/** Whether what was noticed goes on, measured now, and what was done about it. Never a bare yes or no: "is it over?" and "is it on?" both end here. */
export function ongoing(about: About, findings: readonly Finding[]): string | null {
  const now = state(about, findings);
  if (!now) return null;
  const { still, over, others, id } = now;
  const since = Math.min(...about.anomalies.map(({ startedAt }) => startedAt));
  const head =
    still.length > 0
      ? `**Still going on** since ${utcClock(since)}: ${still.map(course).join(", ")}. [${id}]`
      : `**Over, as far as I can measure:** ${over.map(nameOf).join(", ")} ${over.length === 1 ? "is" : "are"} within the baseline. [${id}]`;
  return [
    head,
    ...(still.length > 0 && over.length > 0 ? [`Back within the baseline: ${over.map(nameOf).join(", ")}.`] : []),
    ...also(others, id),
    ...actions(findings),
  ].join("\n");
}

/** How large it is, since when, and who feels it. */
export function extent(about: About, findings: readonly Finding[]): string | null {
  const now = state(about, findings);
  if (!now) return null;
  const { still, over, others, id } = now;
  const { report } = about;
  const { upstream = [], trafficShare = null } = report?.blastRadius ?? {};
  const lines = [...still.map(course), ...over.map((one) => `${noticed(one)} when noticed, within the baseline now`)];
  const since = Math.min(...about.anomalies.map(({ startedAt }) => startedAt));
  return [
    `**Since ${utcClock(since)}:** ${lines.join(", ")}. [${id}]`,
    ...also(others, id),
    ...(upstream.length > 0 ? [`Who feels it: ${upstream.slice(0, 8).join(", ")}, which call it.`] : []),
    ...(trafficShare !== null ? [`About ${Math.round(trafficShare * 100)} % of requests meet the suspected change.`] : []),
  ].join("\n");
}

/** What Vigil did: the test that it ran by itself, and each action with what became of it. */
export function done(report: InvestigationReport | null, findings: readonly Finding[]): string {
  const test = report?.causalTest;
  const looked = report
    ? [`I looked at ${report.evidence.length} pieces of evidence and weighed ${report.hypotheses.length} suspects.`]
    : [];
  const tested = test
    ? [
        `- I switched ${cleanUntrusted(test.flag, 80).text} off for test traffic only, to see its effect; ${test.restored ? "it is back as it was" : "**it could not be read back as it was: look at it**"}.`,
      ]
    : [];
  const did = actions(findings);
  return [...looked, ...tested, ...(did.length > 0 ? did : ["No action was proposed, and nothing was changed by me."])].join(
    "\n",
  );
}

/** Who made the change that is blamed; null when none is, and then the list of changes is the answer. */
export function whoChanged(report: InvestigationReport, findings: readonly Finding[]): string | null {
  const [lead] = report.hypotheses;
  const [found] = findingsOf(findings, "changes");
  const change = found?.details.changes.find(({ id }) => id === lead?.changeId);
  if (!lead || !found || !change) return null;
  const why = cleanUntrusted(change.summary, 200).text;
  return `**${cleanUntrusted(change.actor, 80).text}:** ${describeChange(change)}${why ? ` · ${why}` : ""} [${found.evidence.id}]\nThat it is the cause: ${Math.round(report.confidence * 100)} %.`;
}

interface State {
  /** As measured now, beside what was noticed. */
  readonly still: readonly (readonly [now: Anomaly, then: Anomaly])[];
  readonly over: readonly Anomaly[];
  readonly others: readonly Anomaly[];
  readonly id: string;
}

function state({ anomalies }: About, findings: readonly Finding[]): State | null {
  const [found] = findingsOf(findings, "anomalies");
  if (!found || anomalies.length === 0) return null;
  const off = found.details.anomalies.filter(({ score }) => score >= 1);
  const same = (a: Anomaly, b: Anomaly) => a.service === b.service && a.signal === b.signal;
  const { scanned } = found.details;
  const watched = anomalies.filter(({ service }) => scanned.includes(service)).slice(0, SHOWN);
  if (watched.length === 0) return null;
  return {
    still: watched.flatMap((then) => off.flatMap((now) => (same(now, then) ? [[now, then] as const] : []))),
    over: watched.filter((then) => !off.some((now) => same(now, then))),
    others: off.filter((now) => !anomalies.some((then) => same(now, then))),
    id: found.evidence.id,
  };
}

const nameOf = ({ service, signal }: Anomaly): string => `${service} ${signal.replace("_", " ")}`;
const noticed = (one: Anomaly): string => `${nameOf(one)} ${percent(one.relativeChange)}`;

function course([now, then]: readonly [Anomaly, Anomaly]): string {
  const [is, was] = [percent(now.relativeChange), percent(then.relativeChange)];
  return is === was ? noticed(now) : `${noticed(now)} (${was} when noticed)`;
}

const also = (others: readonly Anomaly[], id: string): string[] =>
  others.length === 0
    ? []
    : [
        `Also off: ${others.slice(0, SHOWN).map(noticed).join(", ")}${others.length > SHOWN ? ` and ${others.length - SHOWN} more` : ""}. [${id}]`,
      ];

export const actions = (findings: readonly Finding[]): string[] =>
  findingsOf(findings, "actions").flatMap(({ evidence, details }) =>
    details.proposals.map((one) => `- ${becameOf(one)}. [${evidence.id}]`),
  );
