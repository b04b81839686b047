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

const SELF =
  /\b(?:memory|cpu|disk|pool|connections?|threads?|queues?|limits?|leak\w*|exhaust\w*|saturat\w*|dependency|provider|partner|third[- ]party|timeouts?)\b/i;
const KIND_WORDS: Readonly<Partial<Record<CauseKind, RegExp>>> = {
  flag: /\b(?:flag|toggle|experiment|variant)s?\b/i,
  deploy: /\b(?:deploy|deployment|release|version|build)s?\b/i,
  config: /\b(?:config|configuration|setting|parameter)s?\b/i,
  traffic: /\b(?:traffic|load|crawler|surge|campaign)s?\b/i,
  resource: SELF,
  dependency: SELF,
};

const wordsOf = (text: string): Set<string> =>
  new Set(
    text
      .toLowerCase()
      .match(/[a-z0-9][a-z0-9._-]{2,}/g)
      ?.map((word) => word.replace(/[.]+$/, "")) ?? [],
  );

/**
 * What it is worth when a person's words name a hypothesis by its change, its service or its kind; less than the least is no naming. Traffic
 * is nobody's own: who speaks of it names no service.
 */
const NAMING = { change: 3, service: 2, kind: 1.5, traffic: 2, least: 2 };

/**
 * Which of the report's own hypotheses a person's words mean: the one whose change, service and kind they name best. Free text can thus
 * choose among what was measured, and never add a cause of its own. Null when it names none, or several alike.
 */
export function hypothesisNamed(text: string, report: InvestigationReport): Hypothesis | null {
  const said = wordsOf(text);
  const words = report.hypotheses.map(({ statement }) => wordsOf(statement));
  const scored = report.hypotheses
    .map((hypothesis, index) => {
      const { cause, service, changeId } = hypothesis;
      if (cause === "none" || cause === "unknown") return { hypothesis, score: 0 };
      // A made-up name (it holds a digit, a dash or a dot) that only this hypothesis has is that of its change.
      const own = [...(words[index] ?? [])].filter((word) => /[\d._-]/.test(word) && word !== service?.toLowerCase());
      const named =
        changeId !== null && own.some((word) => said.has(word) && words.filter((other) => other.has(word)).length === 1);
      const at = service !== null && said.has(service.toLowerCase());
      const kind = KIND_WORDS[cause]?.test(text) ? (cause === "traffic" ? NAMING.traffic : NAMING.kind) : 0;
      return { hypothesis, score: Number(named) * NAMING.change + Number(at) * NAMING.service + kind };
    })
    .sort((a, b) => b.score - a.score);
  const [best, next] = scored;
  return best && best.score >= NAMING.least && best.score > (next?.score ?? 0) ? best.hypothesis : null;
}
