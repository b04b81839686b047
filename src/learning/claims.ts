import type { Feedback } from "../domain/feedback.ts";
import type { Hypothesis } from "../domain/investigation.ts";
import type { HeardClaim } from "./calibration.ts";
import { hypothesisNamed, type Judgement } from "./judgement.ts";
import type { HeardIncident } from "./realness.ts";
import type { Trust } from "./trust.ts";

/*
 * A report makes two claims, and a verdict judges them apart: that something is wrong at all, which "noise" denies and every other verdict
 * grants, and that this is the cause if so, of which "noise" says nothing.
 */

/** Nobody is believed always. */
const MOST_BELIEVED = 0.94;

/*
 * A voice of this weight (see `trustOf`) is taken to know the truth with that probability, and to press any of the four buttons otherwise. Three of
 * them say that something is wrong, so that "noise" is said by a slip less often than anything else. These are logarithms of the odds.
 */
const believed = (weight: number): number => Math.min(MOST_BELIEVED, weight);
const oddsOfOne = (weight: number): number => Math.log(1 + (4 * believed(weight)) / (1 - believed(weight)));
const oddsOfThree = (weight: number): number => Math.log((3 + believed(weight)) / (3 * (1 - believed(weight))));

/** That something is wrong at all. */
export function heardIncident(
  { investigation, report, verdict, at }: Judgement,
  votes: readonly Feedback[],
  trust: Trust,
): HeardIncident {
  const odds = votes.reduce((sum, { user, verdict: said }) => {
    return sum + (said === "noise" ? -oddsOfOne(trust(user)) : oddsOfThree(trust(user)));
  }, 0);
  return { courses: investigation.anomalies, odds, noise: verdict === "noise", claimed: report.real ?? null, at };
}

/** What a hypothesis blames. */
export type Blame = Pick<Hypothesis, "cause" | "service" | "changeId">;

/**
 * The kinds by which claims about causes are calibrated: a change that came just before may be innocent, what was measured in the system seldom is,
 * and one service's deploys are blamed wrongly more often than another's.
 */
export const kindsOf = ({ cause, service, changeId }: Blame): NonNullable<HeardClaim["kinds"]> => [
  changeId === null ? "no change" : "a change",
  cause,
  ...(service === null ? [] : [`${cause} at ${service}`]),
];

/** That the leading hypothesis is the cause; null where nothing was said of that. Where Vigil did not dare to state it, it is a claim once the cause is known. */
export function heardCause(
  { report, verdict, cause }: Judgement,
  votes: readonly Feedback[],
  trust: Trust,
): Omit<HeardClaim, "weight"> | null {
  const confidence = report.rawConfidence ?? report.confidence;
  const [lead] = report.hypotheses;
  if (verdict === "noise" || report.outcome === "nothing_wrong" || !lead) return null;
  if (report.outcome === "unknown") {
    if (!cause) return null;
    const odds = votes.reduce((sum, { user, realCause }) => {
      const meant = realCause === null ? null : hypothesisNamed(realCause, report);
      return meant === null ? sum : sum + (meant.id === lead.id ? 1 : -1) * oddsOfOne(trust(user));
    }, 0);
    return { confidence, kinds: kindsOf(lead), odds };
  }
  const sign: Readonly<Record<Feedback["verdict"], number>> = { correct: 1, partly: 0, incorrect: -1, noise: 0 };
  const odds = votes.reduce((sum, vote) => sum + sign[vote.verdict] * oddsOfOne(trust(vote.user)), 0);
  return { confidence, kinds: kindsOf(lead), odds };
}
