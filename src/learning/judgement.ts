import type { Feedback, Verdict } from "../domain/feedback.ts";
import type { CauseKind, Hypothesis, Investigation, InvestigationReport } from "../domain/investigation.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import type { EpochMs } from "../domain/time.ts";
import { consensus } from "./consensus.ts";
import type { Trust } from "./trust.ts";

/** A cause in the terms in which priors are kept. */
export interface Cause {
  readonly kind: CauseKind;
  readonly service: ServiceName | null;
}

/** What is known about an investigation after people, and outcomes, have spoken. */
export interface Judgement {
  readonly investigation: Investigation;
  readonly report: InvestigationReport;
  readonly verdict: Verdict;
  /** Weight behind the verdict less the weight against it, 0 to 1: how far anything may be learned from it. */
  readonly weight: number;
  /** What turned out to be the cause; null when nobody knows. */
  readonly cause: Cause | null;
  /** What was blamed and was not it. */
  readonly notCause: Cause | null;
  readonly at: EpochMs;
}

/** Judges one investigation by its votes; null without a report, without votes, or when the voices cancel out. */
export function judge(investigation: Investigation, votes: readonly Feedback[], trust: Trust): Judgement | null {
  const { report } = investigation;
  const verdict = consensus(votes, trust);
  if (!report || !verdict) return null;
  const weightOf = (keep: (vote: Feedback) => boolean) => votes.filter(keep).reduce((sum, { user }) => sum + trust(user), 0);
  const behind = weightOf((vote) => vote.verdict === verdict);
  const against = weightOf((vote) => useful(vote.verdict) !== useful(verdict));
  const weight = Math.min(1, behind - against);
  if (weight <= 0) return null;
  const [lead] = report.hypotheses;
  const told = votes
    .filter((vote) => vote.realCause !== null && trust(vote.user) > 0.2)
    .sort((a, b) => trust(b.user) - trust(a.user))
    .flatMap((vote) => hypothesisNamed(vote.realCause ?? "", report) ?? []);
  // "Correct" of an "I do not know" confirms the not knowing.
  const right = verdict === "correct" && report.outcome === "cause_found" ? lead : told[0];
  const wrong = verdict === "incorrect" && lead?.id !== right?.id ? lead : undefined;
  return {
    investigation,
    report,
    verdict,
    weight,
    cause: right && right.cause !== "none" && right.cause !== "unknown" ? causeOf(right) : null,
    notCause: wrong && wrong.cause !== "none" && wrong.cause !== "unknown" ? causeOf(wrong) : null,
    at: Math.max(...votes.map((vote) => vote.at)),
  };
}

const useful = (verdict: Verdict): boolean => verdict === "correct" || verdict === "partly";

const causeOf = ({ cause, service }: Hypothesis): Cause => ({ kind: cause, service });

const KIND_WORDS: Readonly<Partial<Record<CauseKind, RegExp>>> = {
  flag: /\b(?:flag|toggle|experiment|variant)s?\b/i,
  deploy: /\b(?:deploy|deployment|release|version|rollout|build)s?\b/i,
  config: /\b(?:config|configuration|setting|parameter)s?\b/i,
  traffic: /\b(?:traffic|load|requests|crawler|surge|users)\b/i,
  resource: /\b(?:memory|cpu|disk|pool|limit|leak|exhaust\w*|saturat\w*)\b/i,
  dependency: /\b(?:dependency|upstream|downstream|database|provider|partner|third[- ]party)\b/i,
};

const wordsOf = (text: string): Set<string> =>
  new Set(
    text
      .toLowerCase()
      .match(/[a-z0-9][a-z0-9._-]{2,}/g)
      ?.map((word) => word.replace(/[.]+$/, "")) ?? [],
  );

/**
 * Which of the report's own hypotheses a person's words mean: the one whose change, service and kind they name best. Free text can thus
 * choose among what was measured, and never add a cause of its own. Null when it names none, or several alike.
 */
export function hypothesisNamed(text: string, report: InvestigationReport): Hypothesis | null {
  const said = wordsOf(text);
  const words = report.hypotheses.map(({ statement }) => wordsOf(statement));
  const scored = report.hypotheses
    .map((hypothesis, index) => {
      if (hypothesis.cause === "none" || hypothesis.cause === "unknown") return { hypothesis, score: 0 };
      const own = words[index] ?? new Set<string>();
      // A word that only this hypothesis has is a name: the flag, the version, the service.
      const names = [...own].filter((word) => said.has(word) && words.filter((other) => other.has(word)).length === 1).length;
      const service = hypothesis.service !== null && said.has(hypothesis.service.toLowerCase()) ? 1 : 0;
      const kind = KIND_WORDS[hypothesis.cause]?.test(text) ? 1.5 : 0;
      return { hypothesis, score: 2 * names + service + kind };
    })
    .sort((a, b) => b.score - a.score);
  const [best, next] = scored;
  return best && best.score >= 1.5 && best.score > (next?.score ?? 0) ? best.hypothesis : null;
}
