import type { Feedback, Verdict } from "../domain/feedback.ts";
import type { Incident } from "../domain/incident.ts";
import type { Investigation } from "../domain/investigation.ts";
import type { Proposal } from "../domain/proposal.ts";
import type { ChangeEvent, ChangeSource } from "../domain/telemetry.ts";
import { type EpochMs, HOUR, MINUTE, type Milliseconds } from "../domain/time.ts";
import { cleanUntrusted } from "../domain/untrusted.ts";
import { hypothesisNamed } from "../learning/judgement.ts";
import { INFERRED } from "../learning/trust.ts";
import { authorOf } from "./feedback.ts";
import type { Audience, ChatUser } from "./ports.ts";
import type { FeedbackStore, InvestigationStore } from "./stores.ts";

export interface InferenceDependencies {
  readonly investigations: Pick<InvestigationStore, "get" | "ofIncident">;
  readonly feedback: FeedbackStore;
  readonly proposals: () => Promise<readonly Proposal[]>;
  readonly changes: ChangeSource;
  readonly learning: { refresh(): Promise<void> };
  readonly now: () => EpochMs;
}

/** A cure that people applied shows within this time before the trouble ended. Telemetry time. */
const CURED_WITHIN: Milliseconds = 30 * MINUTE;

/**
 * Feedback where people say nothing. What is inferred is voted under Vigil's own names, weighs less than a person's word, is shown as inferred,
 * and never overrides a vote that a person gave.
 */
export class Inference {
  readonly #deps: InferenceDependencies;

  constructor(deps: InferenceDependencies) {
    this.#deps = deps;
  }

  /** An action came to its end: verified speaks for the hypothesis behind it, undone against it. */
  async actionEnded(proposal: Proposal): Promise<void> {
    const { state, investigationId } = proposal;
    if (!investigationId || (state !== "verified" && state !== "rolled_back")) return;
    const investigation = await this.#deps.investigations.get(investigationId);
    if (!investigation?.report) return;
    const helped = state === "verified";
    await this.#infer(investigation, INFERRED.outcome, {
      verdict: helped ? "correct" : "incorrect",
      // Says which of the hypotheses was right where the report itself did not dare to.
      realCause: helped ? cleanUntrusted(proposal.target.replace(":", " "), 200).text : null,
      actionEffective: helped,
    });
  }

  /**
   * An incident is over. When no action of Vigil's ended it, the last change that people made to its services just before the end is taken
   * for the cure: it bears out the hypothesis about what was changed back, and speaks against any other.
   */
  async incidentResolved(incident: Incident): Promise<void> {
    const investigation = await this.#deps.investigations.ofIncident(incident.id);
    const { resolvedAt } = incident;
    if (!investigation?.report || resolvedAt === null || investigation.report.outcome === "nothing_wrong") return;
    const own = (await this.#deps.proposals()).filter((one) => one.investigationId === investigation.id);
    if (own.some(({ state }) => state === "verified" || state === "rolled_back")) return;
    const cure = await this.#cureOf(incident, resolvedAt);
    if (!cure) return;
    const { report } = investigation;
    const words = `${cure.kind} ${cure.subject} was changed back (${cure.before} → ${cure.after})`;
    const meant = hypothesisNamed(words, report);
    const [lead] = report.hypotheses;
    const right = meant !== null && meant.id === lead?.id && report.outcome === "cause_found";
    await this.#infer(investigation, INFERRED.elsewhere, {
      verdict: right ? "correct" : "incorrect",
      realCause: right ? null : cleanUntrusted(words, 300).text,
      actionEffective: null,
    });
  }

  /**
   * A message in an investigation's thread that names the real cause ("it was the flag …, not the deploy") becomes the vote of who wrote it,
   * unless that person has voted. Null when it is no correction.
   */
  async saidInThread(
    investigation: Investigation,
    user: ChatUser,
    text: string,
    audience: Audience = null,
  ): Promise<Verdict | null> {
    const { report } = investigation;
    const said = correctionIn(text);
    if (!report || !said || investigation.state === "running") return null;
    const name = `${user.surface}:${user.id}`;
    const votes = await this.#deps.feedback.of(investigation.id);
    if (votes.some((vote) => vote.user === name && vote.via !== "inferred")) return null;
    const meant = hypothesisNamed(said, report);
    const right = meant !== null && meant.id === report.hypotheses[0]?.id && report.outcome === "cause_found";
    const verdict = right ? "correct" : "incorrect";
    await this.#infer(investigation, name, { verdict, realCause: said, actionEffective: null, audience });
    return verdict;
  }

  /** The newest change to the incident's services that ended shortly before it, and went back to where something had been before. */
  async #cureOf(incident: Incident, resolvedAt: EpochMs): Promise<ChangeEvent | null> {
    const from = Math.min(...incident.anomalies.map(({ startedAt }) => startedAt)) - 24 * HOUR;
    const changes = await this.#deps.changes.changes({ from, to: resolvedAt + MINUTE, limit: 200 });
    const since = Math.max(incident.openedAt, resolvedAt - CURED_WITHIN);
    const cures = changes.filter(
      (change) =>
        change.at >= since &&
        changes.some(
          (one) => one.subject === change.subject && one.kind === change.kind && one.at < change.at && undoes(change, one),
        ),
    );
    return cures.sort((a, b) => b.at - a.at)[0] ?? null;
  }

  async #infer(
    investigation: Investigation,
    user: string,
    found: Pick<Feedback, "verdict" | "realCause" | "actionEffective" | "audience">,
  ): Promise<void> {
    const { feedback, learning, now } = this.#deps;
    await feedback.put({
      investigationId: investigation.id,
      user,
      missed: null,
      via: "inferred",
      at: now(),
      author: authorOf(investigation),
      ...found,
    });
    await learning.refresh();
  }
}

/** A change that takes back an earlier one: back to its state, or for a flag all the way off. */
function undoes(later: ChangeEvent, earlier: ChangeEvent): boolean {
  return later.after === earlier.before || (later.kind === "flag" && /^(?:off|disabled|0\s*%)/i.test(later.after));
}

/** What is told in the thread when a message was taken for a verdict. */
export const correctionNoted = (verdict: Verdict, name: string): string =>
  verdict === "correct"
    ? `Noted: ${name.slice(0, 60)} confirms the cause. The buttons above change that.`
    : `Noted as the real cause, so my hypothesis was wrong. ${name.slice(0, 60)}: if you did not mean that, the buttons above change it.`;

const CAUSE_WORDS = [
  /\b(?:the\s+)?(?:real|actual|root|true)\s+(?:root\s+)?cause\s+(?:was|is|turned out to be)\s*:?\s*(.{4,400})/i,
  /\b(?:actually|in fact|turns? out|turned out)\s*,?\s+(?:that\s+)?(?:it\s+(?:was|is)\s+|to be\s+)?(?:caused by\s+)?(.{4,400})/i,
  /\b(?:it|this)\s+(?:was|is)\s+(?:caused by\s+|because of\s+|due to\s+)(.{4,400})/i,
  /\b(?:it|this)\s+was\s+(the\s+.{4,300}?(?:,\s*not\b|\binstead\b).{0,200})/i,
];

/** The cause that a message states, or null. Questions state nothing; what follows "not" is what it was not. */
export function correctionIn(text: string): string | null {
  const [first = ""] = text.trim().split(/\n/);
  if (first.includes("?") || first.length > 600) return null;
  for (const pattern of CAUSE_WORDS) {
    const said = pattern.exec(first)?.[1];
    if (!said) continue;
    const cause = said.replace(/[,;]?\s*\b(?:not|rather than|instead of)\b.*$/i, "").trim();
    const clean = cleanUntrusted(cause, 300);
    if (clean.text.length >= 4 && !clean.suspicious) return clean.text;
  }
  return null;
}
