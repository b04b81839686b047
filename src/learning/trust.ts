import type { Feedback, Verdict } from "../domain/feedback.ts";

/** Weight of a voice, 0 to 1, by the name it votes under. */
export type Trust = (user: string) => number;

/** Names under which Vigil itself notes what it inferred; no person can have one, since people are `surface:id`. */
export const INFERRED = { outcome: "vigil:outcome", elsewhere: "vigil:elsewhere" } as const;

export const isPerson = (user: string): boolean => !user.startsWith("vigil:");

/** A newcomer agreed with six others and contradicted one, so to speak. */
const PRIOR = { agreed: 6, contradicted: 1 };
/** What Vigil inferred counts for less than a person's word, until that person has been contradicted a few times. */
const INFERRED_WEIGHT = 0.6;
/** Rounds of reweighting, each a part of the way, so that two who contradict each other do not take turns in being believed. */
const ROUNDS = 30;
const STEP = 0.3;

const useful = (verdict: Verdict): 1 | -1 => (verdict === "correct" || verdict === "partly" ? 1 : -1);

/**
 * How far each person's votes are to be believed: how often they agree with what the others and the measured outcomes say of the same
 * investigation. One-coin model of Dawid and Skene (1979), in damped rounds of reweighting, each voter judged by the others only and the more, the
 * clearer they lean; the weight is twice the accuracy minus one, so that a voter who is right half the time counts for nothing, and a contrary one
 * never for less.
 */
export function trustOf(votes: readonly Feedback[]): Trust {
  const shared = [...byInvestigation(votes).values()].filter((together) => together.length > 1);
  const weights = new Map<string, number>();
  const trust = (user: string): number => (isPerson(user) ? (weights.get(user) ?? weightOf(0, 0)) : INFERRED_WEIGHT);
  for (let round = 0; round < ROUNDS; round++) {
    const counts = new Map<string, { agreed: number; contradicted: number }>();
    for (const together of shared) {
      const sum = together.reduce((total, { user, verdict }) => total + trust(user) * useful(verdict), 0);
      for (const { user, verdict } of together) {
        if (!isPerson(user)) continue;
        const others = sum - trust(user) * useful(verdict);
        const count = counts.get(user) ?? { agreed: 0, contradicted: 0 };
        if (Math.sign(others) === useful(verdict)) count.agreed += Math.min(1, Math.abs(others));
        else count.contradicted += Math.min(1, Math.abs(others));
        counts.set(user, count);
      }
    }
    for (const [user, { agreed, contradicted }] of counts)
      weights.set(user, (1 - STEP) * trust(user) + STEP * weightOf(agreed, contradicted));
  }
  return trust;
}

/** The votes of each investigation. */
export function byInvestigation(votes: readonly Feedback[]): Map<string, Feedback[]> {
  const grouped = new Map<string, Feedback[]>();
  for (const vote of votes) {
    const known = grouped.get(vote.investigationId);
    if (known) known.push(vote);
    else grouped.set(vote.investigationId, [vote]);
  }
  return grouped;
}

function weightOf(agreed: number, contradicted: number): number {
  const right = agreed + PRIOR.agreed;
  return Math.max(0, (2 * right) / (right + contradicted + PRIOR.contradicted) - 1);
}
