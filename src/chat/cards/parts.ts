import type { Cost, Evidence, EvidenceId, Hypothesis, Mind } from "../../domain/investigation.ts";
import type { EvidenceLine, HypothesisLine } from "../card.ts";
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
    markdown: quoted(one.statement, 400),
    evidenceFor: one.evidenceFor,
    evidenceAgainst: one.evidenceAgainst,
  }));
}

export function evidenceLines(evidence: readonly Evidence[]): EvidenceLine[] {
  return evidence.slice(0, 60).map((one) => ({
    id: one.id,
    title: plain(one.title, 200),
    summary: plain(one.summary, 1_500),
    source: plain(`${one.tool}(${Object.keys(one.args).length > 0 ? JSON.stringify(one.args) : ""})`, 400),
    link: safeLink(one.link),
    suspicious: one.suspicious,
  }));
}

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

/** Who wrote it and what it took, for the small print. */
export function mindLine(mind: Mind, cost: Cost): string[] {
  const tokens = cost.inputTokens + cost.outputTokens;
  return [
    `by ${mind.kind === "offline" ? "the offline reasoner" : plain(mind.name, 60)}`,
    ...(mind.fallbackReason ? [`stood in: ${plain(mind.fallbackReason, 120)}`] : []),
    `${cost.toolCalls} tool call${cost.toolCalls === 1 ? "" : "s"} in ${span(cost.duration)}`,
    ...(tokens > 0 ? [`${tokens} tokens, $${cost.dollars.toFixed(cost.dollars < 0.1 ? 4 : 2)}`] : ["$0"]),
  ];
}
