import type { Feedback } from "../domain/feedback.ts";
import type { HeardClaim } from "./calibration.ts";
import type { Judgement } from "./judgement.ts";
import type { HeardIncident } from "./realness.ts";
import type { Trust } from "./trust.ts";

/*
 * A report makes two claims, and a verdict judges them apart: that something is wrong at all, which "noise" denies and every other verdict
 * grants, and that this is the cause if so, of which "noise" says nothing.
 */

/** Nobody is believed to be right always, nor is a voice heard that is right no more often than a coin. */
const MOST_BELIEVED = 0.94;

/** Logarithm of the odds that one voice of this weight gives; the weight is twice its accuracy less one (see `trustOf`). */
const oddsOf = (weight: number): number =>
  Math.log((1 + Math.min(MOST_BELIEVED, weight)) / (1 - Math.min(MOST_BELIEVED, weight)));

/** That something is wrong at all. */
export function heardIncident(
  { investigation, report, verdict, at }: Judgement,
  votes: readonly Feedback[],
  trust: Trust,
): HeardIncident {
  const odds = votes.reduce((sum, vote) => sum + (vote.verdict === "noise" ? -1 : 1) * oddsOf(trust(vote.user)), 0);
  return { courses: investigation.anomalies, odds, noise: verdict === "noise", claimed: report.real?.raw ?? null, at };
}

/** That the leading hypothesis is the cause; null where nothing was said of that. Where Vigil did not dare to state it, it is a claim once the cause is known. */
export function heardCause(
  { report, verdict, cause, weight }: Judgement,
  votes: readonly Feedback[],
  trust: Trust,
): Omit<HeardClaim, "weight"> | null {
  const confidence = report.rawConfidence ?? report.confidence;
  const [lead] = report.hypotheses;
  if (verdict === "noise" || report.outcome === "nothing_wrong" || !lead) return null;
  if (report.outcome === "unknown") {
    if (!cause) return null;
    const right = lead.cause === cause.kind && lead.service === cause.service;
    return { confidence, odds: (right ? 1 : -1) * oddsOf(weight) };
  }
  const sign: Readonly<Record<Feedback["verdict"], number>> = { correct: 1, partly: 0, incorrect: -1, noise: 0 };
  return { confidence, odds: votes.reduce((sum, vote) => sum + sign[vote.verdict] * oddsOf(trust(vote.user)), 0) };
}
