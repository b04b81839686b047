import type { Anomaly } from "../../domain/anomaly.ts";
import type { InvestigationReport } from "../../domain/investigation.ts";
import type { MetricPoint } from "../../domain/telemetry.ts";
import { MINUTE, type Milliseconds } from "../../domain/time.ts";
import { cleanUntrusted } from "../../domain/untrusted.ts";
import { type Finding, findingsOf } from "../findings.ts";
import { utcClock } from "../time-words.ts";
import { becameOf } from "../tools/list-actions.ts";
import { describeChange } from "../tools/list-changes.ts";
import type { QuestionRequest } from "../types.ts";
import { deviation, percent, quantity } from "../words.ts";

import type { PlannedCall } from "./chat-model.ts";

type About = NonNullable<QuestionRequest["investigation"]>;

/** Of what else is off, so many are told. */
const SHOWN = 4;
/** Of what was noticed, so many are measured now. */
const MEASURED = 3;
/** What counts as now. */
const LATELY: Milliseconds = 5 * MINUTE;

/** What is measured now of what was noticed, so that the answer tells the last minutes rather than the mean of the whole. */
export const measuring = ({ anomalies }: About): readonly PlannedCall[] =>
  // The picture is of the last that is asked for: the strongest.
  anomalies
    .slice(0, MEASURED)
    .toReversed()
    .map(({ service, signal }) => ({ name: "query_metrics", args: { service, signal } }));

/** Whether what was noticed goes on, measured now, and what was done about it. Never a bare yes or no: "is it over?" and "is it on?" both end here. */
export function ongoing(about: About, findings: readonly Finding[]): string | null {
  const now = state(about, findings);
  if (!now) return null;
  const { noticed, others, id } = now;
  const [on, settling, over] = (["on", "settling", "over"] as const).map((phase) => noticed.filter((one) => one.phase === phase));
  const list = (some: readonly Noticed[] = []) => some.map(course).join("; ");
  const lines = [
    ...(on?.length ? [`**Still going on** since ${since(about)}: ${list(on)}. [${id}]`] : []),
    ...(settling?.length
      ? [
          `**${on?.length ? "Falling" : "It is falling"} back**, not yet for long enough to call it over: ${list(settling)}. [${id}]`,
        ]
      : []),
    ...(over?.length
      ? [`**${on?.length || settling?.length ? "Over" : "Over, as far as I can measure"}:** ${list(over)}. [${id}]`]
      : []),
  ];
  return [...lines, ...also(others, id), ...actions(findings)].join("\n");
}

/** Whether nothing of what was noticed is off any more, in the last minutes. */
export const isOver = (about: About, findings: readonly Finding[]): boolean =>
  state(about, findings)?.noticed.every(({ phase }) => phase !== "on") ?? false;

/** How large it is, since when, and who feels it. */
export function extent(about: About, findings: readonly Finding[]): string | null {
  const now = state(about, findings);
  if (!now) return null;
  const { noticed, others, id } = now;
  const { upstream = [], trafficShare = null } = about.report?.blastRadius ?? {};
  return [
    `**Since ${since(about)}:** ${noticed.map((one) => (one.phase === "over" ? `${deviation(one.then)} while it lasted, over now` : course(one))).join("; ")}. [${id}]`,
    ...also(others, id),
    ...(upstream.length > 0 ? [`It reaches ${upstream.slice(0, 8).join(", ")}.`] : []),
    ...(trafficShare !== null
      ? [`When I looked into it, ${Math.round(trafficShare * 100)} % of requests met the suspected change.`]
      : []),
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
  const sure = `${Math.round(report.confidence * 100)} % sure that it is the cause`;
  return `**${cleanUntrusted(change.actor, 80).text}**, ${sure}: ${describeChange(change)}${why ? ` · ${why}` : ""} [${found.evidence.id}]`;
}

interface Noticed {
  readonly then: Anomaly;
  /** Mean of the last minutes, in the signal's unit; null when it was not measured. */
  readonly now: number | null;
  readonly usual: number;
  readonly unit: string;
  readonly phase: "on" | "settling" | "over";
}

interface State {
  readonly noticed: readonly Noticed[];
  readonly others: readonly Anomaly[];
  readonly id: string;
}

function state({ anomalies }: About, findings: readonly Finding[]): State | null {
  const [found] = findingsOf(findings, "anomalies");
  if (!found) return null;
  const { scanned } = found.details;
  const off = found.details.anomalies.filter(({ score }) => score >= 1);
  const same = (a: Anomaly, b: Anomaly) => a.service === b.service && a.signal === b.signal;
  const noticed = anomalies
    .filter(({ service }) => scanned.includes(service))
    .slice(0, MEASURED)
    .map((then): Noticed => {
      // What is usual changes with the hour, so the newest judgement of it counts.
      const open = off.find((one) => same(one, then));
      const usual = (open ?? then).expected;
      const series = findingsOf(findings, "metrics")
        .filter(({ details }) => details.service === then.service)
        .flatMap(({ details }) => details.series)
        .find(({ signal }) => signal === then.signal);
      const now = lastMinutes(series?.course?.during ?? []);
      const gone = now !== null && Math.abs(shift(now, usual)) < Math.abs(then.relativeChange) / 2;
      return { then, now, usual, unit: series?.unit ?? "", phase: !open ? "over" : gone ? "settling" : "on" };
    });
  if (noticed.length === 0) return null;
  return { noticed, others: off.filter((now) => !anomalies.some((then) => same(now, then))), id: found.evidence.id };
}

function lastMinutes(points: readonly MetricPoint[]): number | null {
  const newest = points.at(-1)?.at ?? 0;
  const values = points.filter(({ at }) => at > newest - LATELY).map(({ value }) => value);
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

const shift = (value: number, usual: number): number => (usual === 0 ? (value === 0 ? 0 : 10) : value / usual - 1);
const since = ({ anomalies }: About): string => utcClock(anomalies[0]?.startedAt ?? 0);
const nameOf = ({ service, signal }: Anomaly): string => `${service} ${signal.replace("_", " ")}`;

/** `api latency 53 ms, +11 % against the usual 47.8 ms`. */
function course({ then, now, usual, unit, phase }: Noticed): string {
  if (phase === "over") return `${nameOf(then)} back within the baseline`;
  if (now === null) return deviation(then);
  if (then.signal === "errors") return deviation({ ...then, observed: now, expected: usual });
  return `${nameOf(then)} ${quantity(now, unit)}, ${percent(shift(now, usual))} against the usual ${quantity(usual, unit)}`;
}

const also = (others: readonly Anomaly[], id: string): string[] =>
  others.length === 0
    ? []
    : [
        `Also off: ${others
          .slice(0, SHOWN)
          .map(deviation)
          .join(", ")}${others.length > SHOWN ? ` and ${others.length - SHOWN} more` : ""}. [${id}]`,
      ];

export const actions = (findings: readonly Finding[]): string[] =>
  findingsOf(findings, "actions").flatMap(({ evidence, details }) =>
    details.proposals.map((one) => `- ${becameOf(one)}. [${evidence.id}]`),
  );
