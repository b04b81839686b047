import type { Focus } from "../../domain/investigation.ts";
import { type Finding, findingsOf } from "../findings.ts";
import type { ReportDraft } from "../report-schema.ts";
import { utcClock } from "../time-words.ts";
import { describeChange } from "../tools/list-changes.ts";
import { deviation, percent } from "../words.ts";
import { toHypothesis } from "./hypotheses.ts";
import type { OfflineSettings } from "./settings.ts";
import type { Suspect } from "./suspect.ts";

const RIVALS = 6;

/** Writes the report from the weighed suspects; every sentence takes its words and numbers from evidence that it cites. */
export function writeReport(
  focus: Focus,
  findings: readonly Finding[],
  suspects: readonly Suspect[],
  settings: OfflineSettings,
): ReportDraft {
  const [lead] = suspects;
  const sure = lead !== undefined && lead.cause !== "unknown" && lead.probability >= settings.minimumConfidence;
  const outcome = !sure ? "unknown" : lead.cause === "none" ? "nothing_wrong" : "cause_found";
  const shown = suspects.slice(0, RIVALS);
  const rivals = [...shown, ...suspects.slice(RIVALS).filter(({ cause }) => cause === "none")];
  return {
    headline: headline(focus, findings, lead, outcome).slice(0, 200),
    outcome,
    hypotheses: rivals.map((one) => {
      const { predictions = [], ...held } = toHypothesis(one, one.probability);
      return {
        ...held,
        evidenceFor: [...held.evidenceFor],
        evidenceAgainst: [...held.evidenceAgainst],
        predictions: predictions.map(({ text, held: shown, evidence }) => ({ text, held: shown, evidence: [...evidence] })),
      };
    }),
    contributingFactors: (outcome === "cause_found" ? (lead?.reasons ?? []) : [])
      .filter(({ weight, evidence }) => weight > 0 && evidence !== null)
      .slice(0, 6)
      .map(({ words, evidence }) => ({ text: sentence(words), evidence: evidence ? [evidence] : [] })),
    whatChanged: whatChanged(findings, suspects),
    whatElseIsAnomalous: whatElse(focus, findings),
    seenBefore: seenBefore(findings),
    blastRadiusOfActing: blastRadius(findings, lead),
    nextChecks: nextChecks(focus, findings, suspects, outcome),
  };
}

function headline(
  focus: Focus,
  findings: readonly Finding[],
  lead: Suspect | undefined,
  outcome: ReportDraft["outcome"],
): string {
  const where = focus.service ?? "the system";
  if (outcome === "nothing_wrong") return `Nothing is wrong with ${where}: its signals are within what is usual at this hour.`;
  const own = findingsOf(findings, "metrics").find(({ details }) => details.service === focus.service);
  const moved = own?.details.series.find(({ signal }) => signal === (focus.signal ?? "latency"));
  // The anomaly's own figure is against the seasonal baseline; the plain before-and-during comparison stands in for it.
  const anomaly = findingsOf(findings, "anomalies")
    .flatMap(({ details }) => details.anomalies)
    .find(({ service, signal }) => service === focus.service && signal === focus.signal);
  const figure =
    anomaly &&
    (anomaly.kind === "missing"
      ? `${where} sends no metrics since ${utcClock(anomaly.startedAt)}`
      : anomaly.signal === "errors"
        ? deviation(anomaly)
        : `${where} ${anomaly.signal.replace("_", " ")} is ${percent(anomaly.relativeChange)}`);
  const symptom =
    figure ?? (moved ? `${where} ${moved.name.replace("_", " ")} is ${percent(moved.change)}` : `${where} is not as usual`);
  if (outcome === "unknown" || !lead) {
    const ruledOut = `${symptom}; I do not know why yet`;
    return `${ruledOut}: the evidence does not set one cause apart.`;
  }
  if (lead.change) {
    const { kind, subject, before, after } = lead.change;
    return `${symptom}, most likely because of the ${kind === "flag" ? "flag" : kind} ${subject} (${before} → ${after}).`;
  }
  // Traffic is a thing; the other statements are clauses.
  if (lead.cause === "traffic") return `${symptom}, most likely because of ${lead.statement.replace(/^M/, "m")}.`;
  return `${symptom}, most likely because ${lead.statement}.`;
}

function whatChanged(findings: readonly Finding[], suspects: readonly Suspect[]): ReportDraft["whatChanged"] {
  const listed = findingsOf(findings, "changes");
  const evidence = listed.map(({ evidence: { id } }) => id);
  const changed = suspects.flatMap(({ change }) => (change ? [change] : []));
  if (changed.length === 0) return { text: "No change is known in the day before.", evidence };
  return { text: `${changed.slice(0, 3).map(describeChange).join("; ")}.`.slice(0, 1_100), evidence };
}

function whatElse(focus: Focus, findings: readonly Finding[]): ReportDraft["whatElseIsAnomalous"] {
  const scan = findingsOf(findings, "anomalies")[0];
  const ranking = findingsOf(findings, "causes")[0];
  const evidence = [scan, ranking].flatMap((one) => (one ? [one.evidence.id] : []));
  const others = (scan?.details.anomalies ?? []).filter(
    ({ service, signal }) => service !== focus.service || signal !== focus.signal,
  );
  const moved = ranking?.details.ranked.filter(({ anomalous, service }) => anomalous && service !== focus.service) ?? [];
  if (others.length === 0 && moved.length === 0) {
    const text = scan ? "No other related signal is outside its baseline." : "Nothing else was compared with a baseline.";
    return { text, evidence };
  }
  const words = others.slice(0, 4).map(deviation);
  const text = words.length > 0 ? words : moved.slice(0, 4).map(({ service, why }) => `${service}: ${why}`);
  return { text: sentence(text.join("; ")), evidence };
}

function seenBefore(findings: readonly Finding[]): ReportDraft["seenBefore"] {
  const searches = findingsOf(findings, "incidents").toReversed();
  const best = searches.find(({ details }) => details.hits.length > 0);
  const hit = best?.details.hits[0];
  if (!best || !hit)
    return { text: "No similar past incident was found.", evidence: searches.map(({ evidence }) => evidence.id) };
  const title = best.evidence.facts[`${hit.documentId}.title`] ?? hit.documentId;
  const fact = (key: string): string => String(best.evidence.facts[`${hit.documentId}.${key}`] ?? "");
  const day = /^\d{4}-\d\d-\d\d/.exec(fact("started"))?.[0];
  const rest = [
    ["Root cause", fact("root_cause")],
    ["Resolution", fact("resolution")],
  ].flatMap(([name, value]) => (value ? [sentence(`${name}: ${value}`)] : []));
  return {
    text: [`Perhaps, in ${hit.documentId}${day ? ` (${day})` : ""} "${title}".`, ...rest].join(" "),
    evidence: [best.evidence.id],
  };
}

function blastRadius(findings: readonly Finding[], lead: Suspect | undefined): ReportDraft["blastRadiusOfActing"] {
  const graphs = findingsOf(findings, "dependencies");
  const dependencies = graphs.find(({ details }) => details.service === lead?.service) ?? graphs[0];
  if (!dependencies) return { text: "Nothing is known of who calls whom.", evidence: [] };
  const { service, upstream, downstream } = dependencies.details;
  const names = (list: readonly string[]) => (list.length === 0 ? "nothing" : list.slice(0, 6).join(", "));
  const acting = lead?.change ? `Undoing it touches ${lead.change.services.join(", ") || service}. ` : "";
  return {
    text: `${acting}${service} is called by ${names(upstream)} and calls ${names(downstream)}.`,
    evidence: [dependencies.evidence.id],
  };
}

function nextChecks(
  focus: Focus,
  findings: readonly Finding[],
  suspects: readonly Suspect[],
  outcome: ReportDraft["outcome"],
): string[] {
  if (outcome === "nothing_wrong") return [];
  const [lead] = suspects;
  const checks: string[] = [];
  const runbook = findingsOf(findings, "runbook").find(({ details }) => details.hit);
  if (runbook?.details.hit)
    checks.push(`Follow the runbook ${runbook.evidence.title.replace(/^Runbook: /, "")} (${runbook.details.hit.file}).`);
  const graphs = findingsOf(findings, "dependencies");
  const dependencies = graphs.find(({ details }) => details.service === lead?.service) ?? graphs[0];
  if (outcome === "unknown") {
    const ruledOut = suspects.filter(({ score, cause }) => score <= -1.5 && cause !== "none").slice(0, 3);
    for (const one of ruledOut)
      checks.push(
        `Ruled out: ${one.statement} (${one.reasons.find(({ weight }) => weight < 0)?.words ?? "unlikely"}).`.slice(0, 290),
      );
    checks.push(`Escalate to ${dependencies?.details.entry?.owner ?? "the owner"} of ${focus.service ?? "the service"}.`);
  } else if (lead && !lead.change) {
    checks.push(`Look at the resources of ${lead.service ?? "the first mover"}: limits, pools, slow queries.`);
    checks.push(`Escalate to the owner of ${lead.service ?? focus.service}; no change can be undone.`);
  }
  const rival = suspects[1];
  if (rival && rival.cause !== "unknown" && rival.probability > 0.1) checks.push(`Rule out: ${rival.statement}.`.slice(0, 290));
  return checks.slice(0, 6);
}

function sentence(words: string): string {
  const text = words.trim();
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
