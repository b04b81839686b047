import { quantity } from "../../agent/words.ts";
import type { Anomaly } from "../../domain/anomaly.ts";
import type { CausalTestResult, CitedText, Evidence, Investigation, InvestigationReport } from "../../domain/investigation.ts";
import type { InvestigationView } from "../../flows/ports.ts";
import { signalName, unitOf } from "../../flows/signals.ts";
import type { Card, CardBlock, Fold, Tone } from "../card.ts";
import { asCode, change, clip, clock, plain, quoted, share, span } from "../text.ts";
import { cites, costLine, evidenceLines, hypothesisLines, mindLine, predictionText } from "./parts.ts";

/** The investigation from its first second to its verdicts, always as one message. */
export function investigationCard({ investigation, picture, feedback }: InvestigationView): Card {
  const { id, report, anomalies, steps } = investigation;
  const title = clip(report ? plain(report.headline, 200) : symptom(investigation), 200);
  const body: CardBlock[] = [];
  if (report) body.push({ type: "fields", fields: leadFields(investigation, report) });
  else {
    const [first] = anomalies;
    if (first) body.push({ type: "fields", fields: anomalyFields(first, anomalies.length, "Now") });
    if (investigation.state === "failed")
      body.push({
        type: "text",
        markdown: "I could not finish this: something in me failed and was logged. `/vigil investigate` starts again.",
      });
  }
  if (picture) {
    const version = `${picture.points.length}-${picture.points.at(-1)?.at ?? 0}-${picture.changes.length}`;
    body.push({ type: "picture", investigationId: id, version, picture });
  }
  const failed = actionFailed(feedback);
  if (report) {
    if (failed)
      body.push({
        type: "text",
        markdown: "**An action on the suspected cause did not help and was undone.** Weigh it again before you act on it.",
      });
    const doubt = doubtText(report);
    if (doubt) body.push({ type: "text", markdown: doubt });
    if (report.hypotheses.length > 0) body.push({ type: "hypotheses", items: hypothesisLines(report.hypotheses) });
    if (report.causalTest) body.push({ type: "text", markdown: causalText(report.causalTest) });
    if (report.notUsed && report.notUsed.length > 0) {
      const lines = report.notUsed.slice(0, 6).map((text) => `- ${quoted(text, 200)}`);
      body.push({ type: "text", markdown: ["**Seen without:**", ...lines].join("\n") });
    }
    const warning = suspicionText(report.evidence);
    if (warning) body.push({ type: "text", markdown: warning });
  } else {
    if (steps.length > 0) body.push({ type: "steps", steps });
    const held = investigation.hypotheses ?? [];
    if (held.length > 0) body.push({ type: "hypotheses", items: hypothesisLines(held.slice(0, 4)) });
  }

  return {
    kind: "investigation",
    id,
    subject: `investigation:${id}`,
    ...(failed && report?.outcome === "cause_found" ? { tone: "attention", badge: "Cause in doubt" } : headOf(investigation)),
    title,
    story: story(investigation, title, failed),
    body,
    folds: report ? folds(investigation, report) : [],
    buttons: [],
    feedback:
      investigation.state === "done"
        ? {
            investigationId: id,
            question: report?.outcome === "cause_found" ? "Was the hypothesis right?" : "Was this right?",
            votes: feedback.map(({ user, verdict }) => ({ user: plain(user, 80), verdict })),
            acted: (report?.proposals.length ?? 0) > 0,
          }
        : null,
    context: [
      id,
      ...(investigation.interruptions ? [interruptedLine(investigation.interruptions)] : []),
      ...(report ? mindLine(report.mind, report.cost) : costLine(investigation.cost)),
      ...(report && report.struckClaims > 0
        ? [`${report.struckClaims} claim${report.struckClaims > 1 ? "s" : ""} struck for lack of evidence`]
        : []),
    ],
  };
}

const interruptedLine = (times: number): string =>
  `begun anew after ${times === 1 ? "an interruption" : `${times} interruptions`}; cost and budget include what was spent before`;

/** An action was undone because it did not help, and none has helped since. */
const actionFailed = (feedback: InvestigationView["feedback"]): boolean =>
  feedback.some(({ via, actionEffective }) => via === "inferred" && actionEffective === false);

/** Below this chance of being real, people are told that it may be noise. */
const DOUBTFUL = 0.6;

/** What people said of the like of it, where that makes it doubtful that anything is wrong; null elsewhere. */
function doubtText({ real, outcome }: InvestigationReport): string | null {
  if (!real || real.chance >= DOUBTFUL || outcome === "nothing_wrong") return null;
  const likely = `${share(real.chance)} likely to be real`;
  if (real.noise === 0) return `**May be noise:** ${likely}, by the verdicts so far.`;
  return `**May be noise:** ${real.noise} of the last ${real.like} like it ${real.noise === 1 ? "was" : "were"}; ${likely}. Where a cause is named, it is given that something is wrong.`;
}

/** Names the evidence whose text tried to give instructions, so that people look at who wrote it. */
function suspicionText(evidence: readonly Evidence[]): string | null {
  const tried = evidence.filter(({ suspicious }) => suspicious);
  if (tried.length === 0) return null;
  return `⚠ **Somebody wrote instructions for me** into ${tried.map(({ id, tool }) => `${id} (${asCode(tool, 40)})`).join(", ")}. I did not follow them; look at who wrote that.`;
}

function headOf({ state, report }: Investigation): { readonly tone: Tone; readonly badge: string } {
  switch (state) {
    case "running":
      return { tone: "working", badge: "Investigating" };
    case "failed":
      return { tone: "bad", badge: "Not finished" };
    case "cancelled":
      return { tone: "quiet", badge: "Stopped" };
    case "done":
      if (report?.outcome === "cause_found") return { tone: "attention", badge: `Cause found · ${share(report.confidence)}` };
      if (report?.outcome === "nothing_wrong") return { tone: "good", badge: "Nothing wrong" };
      return { tone: "attention", badge: "Cause unknown" };
  }
}

/** What is off, in one line, before anything is known of why. */
function symptom({ anomalies, question }: Investigation): string {
  const [first] = anomalies;
  if (!first) return question ? plain(question, 200) : "Looking around";
  if (first.kind === "missing") return `${plain(first.service, 60)}: no data since ${clock(first.startedAt)} UTC`;
  // Of a share of errors the change tells nobody how bad it is.
  const figure =
    first.signal === "errors"
      ? `${quantity(first.observed, "1")} (usually ${quantity(first.expected, "1")})`
      : change(first.relativeChange);
  return `${plain(first.service, 60)} ${signalName(first.signal)} ${figure} since ${clock(first.startedAt)} UTC`;
}

function story(investigation: Investigation, title: string, failed: boolean): string {
  const { report, anomalies, state } = investigation;
  if (!report) return clip(state === "running" ? `Investigating: ${title}` : title, 200);
  const since = anomalies[0] ? ` Since ${clock(anomalies[0].startedAt)} UTC.` : "";
  const sure = failed
    ? " An action on that did not help."
    : report.outcome === "cause_found"
      ? ` ${share(report.confidence)} sure.`
      : "";
  const upstream = report.blastRadius.upstream.length;
  const blast = upstream > 0 ? ` Affects ${upstream} caller${upstream > 1 ? "s" : ""}.` : "";
  return clip(`${title.replace(/[.\s]*$/, ".")}${sure}${since}${blast}`, 200);
}

function anomalyFields(anomaly: Anomaly, count: number, when: "Now" | "Measured"): { name: string; markdown: string }[] {
  const unit = unitOf(anomaly.signal);
  // The headline may be about a caller of what was noticed.
  const what = `${signalName(anomaly.signal)} of ${asCode(anomaly.service, 60)}`;
  return [
    {
      name: when,
      markdown:
        anomaly.kind === "missing"
          ? `${what}: **no data**; ${quantity(anomaly.expected, unit)} is usual at this hour. Removed on purpose? Judge this as noise, and it is closed`
          : `${what} **${quantity(anomaly.observed, unit)}**, ${change(anomaly.relativeChange)} against the ${quantity(anomaly.expected, unit)} usual at this hour`,
    },
    {
      name: "Since",
      markdown: `${clock(anomaly.startedAt)} UTC, noticed ${delay(anomaly.detectedAt - anomaly.startedAt)}`,
    },
    ...(count > 1 ? [{ name: "Together with", markdown: `${count - 1} more anomal${count > 2 ? "ies" : "y"}` }] : []),
  ];
}

const delay = (milliseconds: number): string => (milliseconds < 60_000 ? "at once" : `${span(milliseconds)} later`);

/** A finished card is not drawn anew with each minute: what it says was measured, and may be over. */
function leadFields({ anomalies }: Investigation, report: InvestigationReport): { name: string; markdown: string }[] {
  const [first] = anomalies;
  const { upstream, downstream, trafficShare } = report.blastRadius;
  const names = (list: readonly string[]) => {
    const more = list.length > 5 ? ` and ${list.length - 5} more` : "";
    return `${list
      .slice(0, 5)
      .map((name) => asCode(name, 60))
      .join(", ")}${more}`;
  };
  const reach = [
    ...(upstream.length > 0 ? [`callers ${names(upstream)}`] : []),
    ...(downstream.length > 0 ? [`calls ${names(downstream)}`] : []),
    ...(trafficShare === null ? [] : [`${share(trafficShare)} of requests`]),
  ];
  return [
    ...(first ? anomalyFields(first, anomalies.length, "Measured").slice(0, 2) : []),
    ...(reach.length > 0 ? [{ name: "Blast radius", markdown: reach.join("; ") }] : []),
    ...(report.proposals.length > 0
      ? [
          {
            name: "Proposed action",
            markdown: `${report.proposals
              .slice(0, 4)
              .map((id) => asCode(id, 20))
              .join(", ")}, in the thread`,
          },
        ]
      : []),
  ];
}

function causalText(test: CausalTestResult): string {
  const { effect, interval, pValue, samples, verdict, restored } = test;
  const words = {
    causal: "**It is the cause.**",
    not_causal: "**It is not the cause.**",
    inconclusive: "**Inconclusive.**",
  }[verdict];
  const p = pValue < 0.001 ? "p < 0.001" : `p = ${pValue.toFixed(3)}`;
  return [
    `**Causal test** — ${asCode(test.flag)} switched off for test traffic only: ${quoted(test.signal, 60)} of ${asCode(test.service, 60)} ${change(effect)} `,
    `(95 % interval ${change(interval[0])} to ${change(interval[1])}; ${p}; ${samples.test} against ${samples.control} samples). ${words} `,
    restored ? "The flag is back as it was." : "**The flag was not restored: look at it now.**",
  ].join("");
}

function folds(investigation: Investigation, report: InvestigationReport): Fold[] {
  const question = (name: string, cited: CitedText) => ({
    name,
    markdown: `${quoted(cited.text, 1_200)}${cites(cited.evidence)}`,
  });
  const factors = report.contributingFactors.map(({ text, evidence }) => `- ${quoted(text, 400)}${cites(evidence)}`);
  const next = report.nextChecks.map((text) => `- ${quoted(text, 400)}`);
  const all: Fold[] = [
    {
      id: "questions",
      title: "Four questions",
      open: true,
      blocks: [
        {
          type: "fields",
          fields: [
            question("What changed?", report.whatChanged),
            question("What else is anomalous?", report.whatElseIsAnomalous),
            question("Seen before?", report.seenBefore),
            question("What would acting touch?", report.blastRadiusOfActing),
          ],
        },
      ],
    },
  ];
  const predicted = predictionText(report.hypotheses);
  if (predicted)
    all.push({
      id: "predictions",
      title: "What each hypothesis predicts",
      open: false,
      blocks: [{ type: "text", markdown: predicted }],
    });
  if (factors.length > 0)
    all.push({
      id: "factors",
      title: "Contributing factors",
      open: false,
      blocks: [{ type: "text", markdown: factors.join("\n") }],
    });
  if (next.length > 0)
    all.push({
      id: "next",
      title: "What to check next",
      open: report.outcome === "unknown",
      blocks: [{ type: "text", markdown: next.join("\n") }],
    });
  if (investigation.steps.length > 0)
    all.push({
      id: "reasoning",
      title: `Reasoning, ${investigation.steps.length} steps`,
      open: false,
      blocks: [{ type: "steps", steps: investigation.steps }],
    });
  if (report.evidence.length > 0)
    all.push({
      id: "evidence",
      title: `Evidence, ${report.evidence.length} item${report.evidence.length > 1 ? "s" : ""}`,
      open: false,
      blocks: [{ type: "evidence", items: evidenceLines(report.evidence, investigation.audience ? null : investigation.id) }],
    });
  return all;
}
