import type { Cost, Evidence, EvidenceId, Hypothesis, Mind } from "../../domain/investigation.ts";
import type { EvidenceLine, HypothesisLine } from "../card.ts";
import { evidencePath } from "../evidence-address.ts";
import { plain, quoted, span } from "../text.ts";

/** ` [E1, E4]`, or nothing. Ids that are not ids are left out. */
export function cites(ids: readonly EvidenceId[]): string {
  const known = ids.filter((id) => /^E\d{1,4}$/.test(id));
  return known.length > 0 ? ` [${known.join(", ")}]` : "";
}

export function hypothesisLines(hypotheses: readonly Hypothesis[]): HypothesisLine[] {
  return hypotheses.slice(0, 8).map((one) => ({
    status: one.status,
    confidence: one.confidence,
    markdown: `${quoted(one.statement, 400)}${trailOf(one)}`,
    evidenceFor: one.evidenceFor,
    evidenceAgainst: one.evidenceAgainst,
  }));
}

/** ` (12 → 40 → 93 %)`, where weighing moved it. */
function trailOf({ trail = [] }: Hypothesis): string {
  const course = trail.map((one) => Math.round(one * 100)).filter((one, index, all) => index === 0 || one !== all[index - 1]);
  return course.length > 1 ? ` (${course.slice(-4).join(" → ")} %)` : "";
}

/** What each rival predicted, marked by what looking showed; empty when nothing was predicted. */
export function predictionText(hypotheses: readonly Hypothesis[]): string {
  return hypotheses
    .slice(0, 5)
    .flatMap(({ statement, predictions = [] }) =>
      predictions.length === 0
        ? []
        : [
            `- **${quoted(statement, 120)}**`,
            ...predictions.map(({ text, held, evidence }) => `- ${MARK[String(held)]} ${quoted(text, 200)}${cites(evidence)}`),
          ],
    )
    .join("\n");
}

const MARK: Readonly<Record<string, string>> = { true: "✓", false: "✗", null: "?" };

/** `investigationId` null: they have no page of their own, only that of what they look at. */
export function evidenceLines(evidence: readonly Evidence[], investigationId: string | null): EvidenceLine[] {
  return evidence.slice(0, 60).map((one) => ({
    id: one.id,
    title: plain(one.title, 200),
    summary: plain(one.summary, 1_500),
    source: plain(`${one.tool}(${Object.keys(one.args).length > 0 ? JSON.stringify(one.args) : ""})`, 400),
    link: safeLink(one.link),
    page: evidencePath(investigationId, one.id) ?? ownPath(one.link),
    suspicious: one.suspicious,
  }));
}

/** A look that Vigil's page shows, `/logs?service=api&from=…`; null for an address elsewhere. */
const ownPath = (link: string | null): string | null =>
  link && link.length <= 500 && /^\/(?:services|traces|documents|logs|changes)[/?][\w\-.~%=&+/?]*$/.test(link) ? link : null;

/** Only web addresses: never `javascript:` or `data:`, nor paths that no page serves. */
export function safeLink(link: string | null): string | null {
  if (!link || link.length > 2_000) return null;
  try {
    const url = new URL(link);
    return (url.protocol === "https:" || url.protocol === "http:") && !url.username && !url.password ? url.href : null;
  } catch {
    return null;
  }
}

/** What it has taken so far, while it runs. */
export function costLine(cost: Cost | undefined): string[] {
  if (!cost) return [];
  const tokens = cost.inputTokens + cost.outputTokens;
  const calls = cost.modelCalls ? `, ${cost.modelCalls} model call${cost.modelCalls === 1 ? "" : "s"}` : "";
  return [`${cost.toolCalls} tool call${cost.toolCalls === 1 ? "" : "s"}${calls} so far`, ...spent(tokens, cost.dollars)];
}

const spent = (tokens: number, dollars: number): string[] =>
  tokens > 0 ? [`${tokens} tokens, $${dollars.toFixed(dollars < 0.1 ? 4 : 2)}`] : ["$0"];

/** Who wrote it and what it took, for the small print. */
export function mindLine(mind: Mind, cost: Cost): string[] {
  const tokens = cost.inputTokens + cost.outputTokens;
  return [
    `by ${mind.kind === "offline" ? "the offline reasoner" : plain(mind.name, 60)}`,
    ...(mind.fallbackReason ? [`stood in: ${plain(mind.fallbackReason, 120)}`] : []),
    // Of what took nothing, nothing is said.
    ...(cost.toolCalls + tokens === 0
      ? []
      : [
          `${cost.toolCalls} tool call${cost.toolCalls === 1 ? "" : "s"} in ${span(cost.duration)}`,
          ...spent(tokens, cost.dollars),
        ]),
  ];
}
