import type { Feedback, Verdict } from "../domain/feedback.ts";
import type { Trust } from "./trust.ts";

const order: readonly Verdict[] = ["incorrect", "noise", "partly", "correct"];

/**
 * What the responders together say of one investigation: the verdict with most weight, one vote a person; a tie goes to the more
 * critical verdict, so that doubt never counts as praise. Without `trust` every voice weighs the same. Null without votes.
 */
export function consensus(votes: readonly Feedback[], trust: Trust = () => 1): Verdict | null {
  const current = new Map(votes.map((vote) => [vote.user, vote.verdict]));
  let best: Verdict | null = null;
  let most = 0;
  for (const verdict of order) {
    const weight = [...current].reduce((sum, [user, given]) => sum + (given === verdict ? trust(user) : 0), 0);
    if (weight > most + 1e-9) {
      best = verdict;
      most = weight;
    }
  }
  return best;
}

/** A verdict as the share of the hypothesis that was right, 0 to 1. */
export function correctness(verdict: Verdict): number {
  return { correct: 1, partly: 0.5, incorrect: 0, noise: 0 }[verdict];
}
