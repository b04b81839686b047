import type { Feedback, Verdict } from "../domain/feedback.ts";

const order: readonly Verdict[] = ["incorrect", "noise", "partly", "correct"];

/**
 * What the responders together say of one investigation: the most frequent verdict, one vote a person; a tie goes to the more
 * critical verdict, so that doubt never counts as praise. Null without votes.
 */
export function consensus(votes: readonly Feedback[]): Verdict | null {
  const current = new Map(votes.map((vote) => [vote.user, vote.verdict]));
  let best: Verdict | null = null;
  let most = 0;
  for (const verdict of order) {
    const count = [...current.values()].filter((given) => given === verdict).length;
    if (count > most) {
      best = verdict;
      most = count;
    }
  }
  return best;
}

/** A verdict as the share of the hypothesis that was right, 0 to 1. */
export function correctness(verdict: Verdict): number {
  return { correct: 1, partly: 0.5, incorrect: 0, noise: 0 }[verdict];
}
