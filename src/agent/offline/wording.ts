import type { InvestigationReport } from "../../domain/investigation.ts";
import type { ChangeEvent, ServiceName } from "../../domain/telemetry.ts";
import { cleanUntrusted } from "../../domain/untrusted.ts";
import { movesTraffic } from "../action-selector.ts";
import { type Finding, findingsOf, type SeriesFinding } from "../findings.ts";
import { matters } from "../statistics/series.ts";
import { describeChange } from "../tools/list-changes.ts";
import { metricLine } from "../tools/query-metrics.ts";
import type { QuestionRequest } from "../types.ts";
import { deviation } from "../words.ts";
import { actions, done, extent, isOver, ongoing, whoChanged } from "./incident.ts";
import type { Question } from "./question.ts";

type About = QuestionRequest["investigation"];

export const NOT_IN_WORDS =
  "I take no approval in words: press **Approve** on the proposal's card, or set the approval emoji there where your policy allows it. That binds it to exactly what will run.";

const LINES_OF_ONE = 6;
const LINES_OF_SEVERAL = 3;
const LINES_OF_RUNBOOK = 10;

/** What the tools found, as the question wants it: a judgement where it asks for one, else their first lines with their ids. */
export function worded(question: Question, about: About, findings: readonly Finding[]): string {
  const told = inWords(question, about, findings) ?? findings.map((one) => excerpt(one, findings.length)).join("\n\n");
  // A gap in a log's pattern, which Markdown would take for emphasis.
  return [told.replaceAll("<*>", "<…>"), remark(question)].filter(Boolean).join("\n\n");
}

/** The first lines of what a tool found, each with its id. */
function excerpt({ evidence }: Finding, among: number): string {
  const lines = evidence.summary.split("\n").filter((line) => line.trim() !== "");
  return lines
    .slice(0, among <= 2 ? LINES_OF_ONE : LINES_OF_SEVERAL)
    .map((line) => `${line} [${evidence.id}]`)
    .join("\n");
}

/** Questions that want a judgement rather than what a tool says; null for the others. */
function inWords(question: Question, about: About, findings: readonly Finding[]): string | null {
  const report = about?.report ?? null;
  switch (question.intent) {
    case "ongoing":
      return about && ongoing(about, findings);
    case "extent":
      return about && extent(about, findings);
    case "done":
      return done(report, findings);
    case "approval":
      return [NOT_IN_WORDS, ...actions(findings.map(pendingOnly))].join("\n");
    case "who_changed":
      return (report && !question.named ? whoChanged(report, findings) : null) ?? changes(findings, question);
    case "check":
      return checked(findings, question);
    case "safe_to_change":
      return safety(findings);
    case "version":
      return version(question.service, findings);
    case "changes":
      return changes(findings, question);
    case "why_not":
      return [
        ...findings.filter(({ details }) => details.kind === "open_incidents").map((one) => excerpt(one, 1)),
        changes(findings, question) ?? "Nothing was changed, as far as the connected sources tell.",
      ].join("\n");
    case "flags":
      return flags(findings, question);
    case "next":
      return report && about && next(about, report, findings);
    case "runbook":
      return runbook(findings);
    default:
      return null;
  }
}

/** Whether anything speaks against a change now: an open incident, a signal off its baseline, or a change that is too young to judge. */
function safety(findings: readonly Finding[]): string {
  const against = [
    ...findingsOf(findings, "open_incidents").flatMap(({ evidence, details: { cases } }) =>
      cases.length > 0 ? [excerpt({ evidence, details: { kind: "open_incidents", cases } }, 1)] : [],
    ),
    ...findingsOf(findings, "anomalies").flatMap(({ evidence, details }) => {
      const anomalies = details.anomalies.filter(({ score }) => score >= 1);
      return anomalies.length > 0
        ? [`${anomalies.slice(0, 4).map(deviation).join(", ")} outside the baseline. [${evidence.id}]`]
        : [];
    }),
  ];
  const recent = findingsOf(findings, "changes").flatMap(({ evidence, details }) =>
    details.changes
      .filter(movesTraffic)
      .slice(0, 3)
      .map((change) => `- Young: ${describeChange(change)}. [${evidence.id}]`),
  );
  const checked = findings.map(({ evidence }) => `[${evidence.id}]`).join(" ");
  const blind = findingsOf(findings, "anomalies").some(({ details }) => details.scanned.length === 0);
  const verdict =
    blind && against.length === 0
      ? `**I cannot tell:** no metrics have arrived, so nothing shows whether all is well. ${checked}`
      : against.length > 0
        ? `**I would wait:** another change now would blur what is going on.\n${against.join("\n")}`
        : `**Nothing speaks against it** that I can see: no incident is open and all signals are within their baselines. ${checked}`;
  return [verdict, ...recent].join("\n");
}

function version(service: ServiceName | null, findings: readonly Finding[]): string | null {
  const [found] = findingsOf(findings, "changes");
  if (!found) return null;
  const newest = new Map<string, string>();
  for (const change of found.details.changes.toSorted((a, b) => b.at - a.at))
    if (change.kind === "deploy" && !newest.has(change.subject))
      newest.set(
        change.subject,
        `- ${cleanUntrusted(change.subject, 80).text} runs ${cleanUntrusted(change.after, 80).text}: ${describeChange(change)}. [${found.evidence.id}]`,
      );
  if (newest.size === 0)
    return `No deploy${service ? ` of ${service}` : ""} is known within 30 days, as far as the connected sources tell. [${found.evidence.id}]`;
  return [...newest.values()].slice(0, 12).join("\n");
}

/** What moved, newest first. What left the traffic as it was, such as a causal test on test traffic, is only counted. */
function changes(findings: readonly Finding[], { only, service }: Pick<Question, "only" | "service">): string | null {
  const [found] = findingsOf(findings, "changes");
  if (!found || found.details.changes.length === 0) return null;
  const { facts, id } = found.evidence;
  const asked = found.details.changes.filter(({ kind }) => only === null || kind === only);
  const moved = asked.filter(movesTraffic);
  const tests = asked.length - moved.length;
  const what = only ?? "change";
  if (moved.length === 0 && tests === 0)
    return `No ${only ?? "change"}${service ? ` of ${service}` : ""} is known since ${facts.from}, as far as the connected sources tell. [${id}]`;
  const lines = moved.slice(0, 8).map((change) => {
    const why = cleanUntrusted(change.summary, 120).text;
    return `- ${describeChange(change)}${why ? ` · ${why}` : ""} [${id}]`;
  });
  const more = moved.length - lines.length;
  return [
    `${moved.length} ${what}${only === "flag" ? " change" : ""}${moved.length === 1 ? "" : "s"} since ${facts.from}${moved.length > 0 ? ":" : "."} [${id}]`,
    ...lines,
    ...(more > 0 ? [`${more} older ones are not shown.`] : []),
    ...(tests > 0 ? [`Besides, ${tests} that left the traffic as it was, such as causal tests on test traffic.`] : []),
  ].join("\n");
}

/** How each flag stands after its last change; of one that is named, or of all that were changed. */
function flags(findings: readonly Finding[], { flag }: Question): string | null {
  const [found] = findingsOf(findings, "changes");
  if (!found) return null;
  const { id, facts } = found.evidence;
  const newest = new Map<string, ChangeEvent>();
  for (const change of found.details.changes.filter(({ kind }) => kind === "flag").toSorted((a, b) => b.at - a.at))
    if (!newest.has(change.subject) && (flag === null || change.subject.toLowerCase() === flag))
      newest.set(change.subject, change);
  if (newest.size === 0)
    return `I know no ${flag === null ? "flag" : `service and no flag ${cleanUntrusted(flag, 80).text}`} that was changed since ${facts.from}. [${id}]`;
  const clean = (text: string) => cleanUntrusted(text, 80).text;
  const lines = [...newest.values()]
    .slice(0, 12)
    .map((change) => `- ${clean(change.subject)} is ${clean(change.after)}: ${describeChange(change)}. [${id}]`);
  return [...lines, ...(flag === null ? [`Flags that nobody changed since ${facts.from} are not listed.`] : [])].join("\n");
}

/** Parts of many metrics' names, which tell none apart. */
const ANY_METRIC = new Set(
  "process system client server service db http usage utilization request requests count total time".split(" "),
);

const pendingOnly = ({ evidence, details }: Finding): Finding => ({
  evidence,
  details:
    details.kind === "actions"
      ? { kind: "actions", proposals: details.proposals.filter(({ state }) => state === "pending") }
      : details,
});

/** Of each service: whether it is off its baseline, then only what moved, what it logs anew, and what was changed. */
function checked(findings: readonly Finding[], { text }: Question): string | null {
  const asked = new Set(text.toLowerCase().match(/[a-z][a-z0-9]+/g));
  const isAsked = ({ name }: SeriesFinding) =>
    name.split(/[^a-z0-9]+/i).some((part) => asked.has(part.toLowerCase()) && !ANY_METRIC.has(part));
  const lines = findings.flatMap(({ evidence: { id, summary }, details }): string[] => {
    switch (details.kind) {
      case "anomalies": {
        const off = details.anomalies.filter(({ score }) => score >= 1);
        const names = details.scanned.join(", ");
        if (names === "") return [`**I cannot tell:** ${summary.split("\n").at(-1)} [${id}]`];
        return off.length === 0
          ? [`**${names}: nothing is outside its baseline.** [${id}]`]
          : [
              `**${names} is off:** ${off
                .slice(0, 4)
                .map((one) => deviation(one).slice(one.service.length + 1))
                .join(", ")} against the baseline. [${id}]`,
            ];
      }
      case "metrics": {
        const named = details.series.filter(isAsked);
        const moved = named.length > 0 ? named.slice(0, 4) : details.series.filter((one) => matters(one)).slice(0, 4);
        return moved.length === 0 ? [`- ${summary.split("\n")[0]} [${id}]`] : moved.map((one) => `${metricLine(one)} [${id}]`);
      }
      case "logs":
        return details.fresh.length === 0
          ? []
          : summary
              .split("\n")
              .slice(1, 3)
              .map((line) => `- new in its logs: ${line.replace(/^- /, "")} [${id}]`);
      case "changes":
        return details.changes
          .filter(movesTraffic)
          .slice(0, 2)
          .map((change) => `- changed: ${describeChange(change)} [${id}]`);
      default:
        return [];
    }
  });
  return lines.length === 0 ? null : lines.join("\n");
}

/** How it stands, what was done or waits, what to check, and the runbook that fits; less once it falls back by itself or by an action. */
function next(about: NonNullable<About>, report: InvestigationReport, findings: readonly Finding[]): string {
  const status = ongoing(about, findings) ?? actions(findings).join("\n");
  const cause = `${report.headline} (${Math.round(report.confidence * 100)} %)`;
  if (isOver(about, findings))
    return `${cause}\n${status}\nNothing more is needed from you now: watch it until it stays so, and tell me with the buttons of the card whether I was right.`;
  const checks = report.nextChecks.slice(0, 4).map((check) => `- ${check}`);
  const book = runbook(findings);
  return [cause, status, ...checks, ...(book ? ["", book] : [])].join("\n");
}

/** The head of a runbook, with its headings as words in bold. */
function runbook(findings: readonly Finding[]): string | null {
  const [found] = findingsOf(findings, "runbook");
  if (!found?.details.hit) return null;
  const { hit, text } = found.details;
  const title = cleanUntrusted(hit.title, 120).text;
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && line.replace(/^#+\s*/, "") !== title);
  const shown = lines.slice(0, LINES_OF_RUNBOOK).map((line) => line.replace(/^#+\s*(.+)$/, "**$1**"));
  const more = lines.length > shown.length ? [`The rest is in ${cleanUntrusted(hit.file, 200).text}.`] : [];
  return [`${hit.documentId} "${title}" [${found.evidence.id}]`, ...shown, ...more].join("\n");
}

/** What must be said beside the figures. */
function remark({ intent, percentile, service }: Question): string {
  return percentile && service && (intent === "metric" || intent === "compare")
    ? `I keep p95 and the mean, not ${percentile}.`
    : "";
}
