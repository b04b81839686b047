import type { Focus } from "../../domain/investigation.ts";
import { MINUTE } from "../../domain/time.ts";
import { type Finding, findingsOf } from "../findings.ts";
import type { Held } from "../ledger.ts";
import { speaksFor } from "../objection.ts";
import { learnedReasons } from "./learned.ts";
import { predictionsOf } from "./predictions.ts";
import { gather, type Reason, type Suspect, suspect } from "./suspect.ts";
import { suspectChange } from "./suspect-change.ts";
import { suspectMovers, suspectNothing, suspectTraffic } from "./suspect-system.ts";

const MOST_CERTAIN = 0.97;
/** Series that go missing so close to each other went together. */
const TOGETHER = 5 * MINUTE;

/**
 * Rival explanations scored by adding log likelihood ratios of independent observations (naive Bayes, Good 1950), then normalised.
 * "Nothing is wrong" and "something not seen here" always compete.
 */
export function weigh(focus: Focus, findings: readonly Finding[]): Suspect[] {
  const facts = gather(focus, findings);
  const suspects = withStatements(findings, [
    ...bestOfEach(facts.changes.map((change) => suspectChange(change, focus, facts))),
    ...suspectMovers(focus, facts),
    suspectTraffic(focus, facts),
    suspectNothing(focus, facts),
    suspectUnseen(focus, findings),
  ]).map((one) => withLearned(one, findings));
  const highest = Math.max(...suspects.map(({ score }) => score));
  const total = suspects.reduce((sum, { score }) => sum + Math.exp(score - highest), 0);
  return suspects
    .map((one) => ({ ...one, probability: Math.min(MOST_CERTAIN, Math.exp(one.score - highest) / total) }))
    .sort((a, b) => b.score - a.score);
}

/** Several services that fall silent in the same minutes have more often lost who collects their metrics than each its own life. */
function suspectUnseen(focus: Focus, findings: readonly Finding[]): Suspect {
  const always: Reason = { words: "always possible", weight: 0.5, evidence: null };
  const together = findingsOf(findings, "anomalies").flatMap(({ evidence, details }) =>
    details.anomalies
      .filter(({ kind, startedAt }) => kind === "missing" && Math.abs(startedAt - focus.onset) <= TOGETHER)
      .map(({ service }) => ({ service, id: evidence.id })),
  );
  const silent = [...new Set(together.map(({ service }) => service))];
  if (!focus.silent || silent.length < 2)
    return suspect("Something that no connected source shows", "unknown", null, null, [always]);
  const evidence = together[0]?.id ?? null;
  return suspect("What collects or carries the metrics, rather than the services themselves", "unknown", null, null, [
    always,
    { words: `${silent.slice(0, 5).join(", ")} fell silent in the same minutes`, weight: 2.5, evidence },
  ]);
}

function withLearned(one: Suspect, findings: readonly Finding[]): Suspect {
  const learned = learnedReasons(one, findings);
  if (learned.length === 0) return one;
  const { statement, cause, service, change, reasons } = one;
  return suspect(statement, cause, service, change, [...reasons, ...learned]);
}

/** What a responder who knows the system says counts like one telling observation, and yields to two measurements. */
const WORD_OF_A_PERSON = 1.5;

function withStatements(findings: readonly Finding[], suspects: readonly Suspect[]): readonly Suspect[] {
  const said = findingsOf(findings, "statement");
  if (said.length === 0) return suspects;
  return suspects.map((one) => {
    const changeId = one.change?.id ?? null;
    const words = said.flatMap(({ evidence, details: { objection, held } }): Reason[] => {
      const side = speaksFor(objection, held, { ...one, changeId });
      if (side === 0) return [];
      const text = side > 0 ? `${objection.by} says that it was this` : `${objection.by} says that it was not this`;
      return [{ words: text, weight: side * WORD_OF_A_PERSON, evidence: evidence.id }];
    });
    return suspect(one.statement, one.cause, one.service, one.change, [...one.reasons, ...words]);
  });
}

/** A flag or a service that was changed several times is one suspect: through the change that explains most. */
function bestOfEach(suspects: readonly Suspect[]): Suspect[] {
  const best = new Map<string, Suspect>();
  for (const one of suspects) {
    const subject = `${one.change?.kind} ${one.change?.subject}`;
    if ((best.get(subject)?.score ?? Number.NEGATIVE_INFINITY) < one.score) best.set(subject, one);
  }
  return [...best.values()];
}

/** A suspect as a hypothesis that can be held; reasons become evidence for and against, and settle what it predicted. */
export function toHypothesis(one: Suspect, confidence: number): Held {
  const ids = (keep: (weight: number) => boolean) => [
    ...new Set(one.reasons.flatMap(({ evidence, weight }) => (evidence && keep(weight) ? [evidence] : []))),
  ];
  return {
    statement: one.statement.slice(0, 400),
    cause: one.cause,
    service: one.service,
    changeId: one.change?.id ?? null,
    confidence,
    status: confidence >= 0.5 && one.score > 0.5 ? "supported" : confidence < 0.05 || one.score <= -1.5 ? "refuted" : "open",
    evidenceFor: ids((weight) => weight > 0),
    evidenceAgainst: ids((weight) => weight < 0),
    predictions: predictionsOf(one.cause, one.reasons),
  };
}
