import { type MetricKind, metricKind } from "../../diagnosis/metric-kind.ts";
import type { CauseKind, EvidenceId } from "../../domain/investigation.ts";
import type { ChangeEvent, ServiceName } from "../../domain/telemetry.ts";
import { HOUR, MINUTE } from "../../domain/time.ts";
import { movesTraffic } from "../action-selector.ts";
import { type Finding, findingsOf, type SeriesFinding } from "../findings.ts";
import type { Held } from "../ledger.ts";
import { speaksFor } from "../objection.ts";
import type { Focus } from "../session.ts";
import { flagContrast, isClearing, isTelling, versionContrast } from "../statistics/contrast.ts";
import { matters } from "../statistics/series.ts";
import { span } from "../time-words.ts";
import { describeChange } from "../tools/list-changes.ts";
import { percent } from "../words.ts";
import { learnedReasons } from "./learned.ts";
import { predictionsOf, type Tested } from "./predictions.ts";

/** One reason for or against, with the logarithm of its likelihood ratio. */
export interface Reason {
  readonly words: string;
  readonly weight: number;
  readonly evidence: EvidenceId | null;
  /** The prediction that it tests, see `predictions.ts`. */
  readonly tests?: Tested;
}

export interface Suspect {
  readonly statement: string;
  readonly cause: CauseKind;
  readonly service: ServiceName | null;
  readonly change: ChangeEvent | null;
  readonly reasons: readonly Reason[];
  readonly score: number;
  /** Posterior among the rivals, 0 to 1, never certain. */
  readonly probability: number;
}

/** Onsets are estimates: a change this much later than the estimate may still be the cause. */
const ONSET_SLACK = 12 * MINUTE;
const MOST_CERTAIN = 0.97;

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
    suspect("Something that no connected source shows", "unknown", null, null, [
      { words: "always possible", weight: 0.5, evidence: null },
    ]),
  ]).map((one) => withLearned(one, findings));
  const highest = Math.max(...suspects.map(({ score }) => score));
  const total = suspects.reduce((sum, { score }) => sum + Math.exp(score - highest), 0);
  return suspects
    .map((one) => ({ ...one, probability: Math.min(MOST_CERTAIN, Math.exp(one.score - highest) / total) }))
    .sort((a, b) => b.score - a.score);
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

interface Facts {
  readonly changes: readonly ChangeEvent[];
  readonly changesId: EvidenceId | null;
  readonly related: {
    readonly near: ReadonlySet<ServiceName>;
    readonly up: ReadonlySet<ServiceName>;
    readonly id: EvidenceId;
  } | null;
  readonly mover: { readonly service: ServiceName; readonly id: EvidenceId; readonly why: string } | null;
  readonly findings: readonly Finding[];
}

function gather(focus: Focus, findings: readonly Finding[]): Facts {
  const listed = findingsOf(findings, "changes");
  const seen = new Map(listed.flatMap(({ details }) => details.changes.map((change) => [change.id, change] as const)));
  const dependencies = findingsOf(findings, "dependencies").find(({ details }) => details.service === focus.service);
  const ranking = findingsOf(findings, "causes").find(({ details }) => details.service === focus.service);
  const first = ranking?.details.ranked[0];
  return {
    changes: [...seen.values()].filter(
      (change) => (change.kind === "flag" || change.kind === "deploy" || change.kind === "config") && movesTraffic(change),
    ),
    changesId: listed[0]?.evidence.id ?? null,
    related: dependencies
      ? {
          near: new Set([...(focus.service ? [focus.service] : []), ...dependencies.details.downstream]),
          up: new Set(dependencies.details.upstream),
          id: dependencies.evidence.id,
        }
      : null,
    mover: ranking && first?.anomalous ? { service: first.service, id: ranking.evidence.id, why: first.why } : null,
    findings,
  };
}

function suspect(
  statement: string,
  cause: CauseKind,
  service: ServiceName | null,
  change: ChangeEvent | null,
  reasons: readonly Reason[],
): Suspect {
  const score = reasons.reduce((sum, { weight }) => sum + weight, 0);
  return { statement, cause, service, change, reasons, score, probability: 0 };
}

function suspectChange(change: ChangeEvent, focus: Focus, facts: Facts): Suspect {
  const service = blamedService(change, focus, facts);
  const cause = change.kind === "flag" ? "flag" : change.kind === "deploy" ? "deploy" : "config";
  const reasons = [timing(change, focus, facts), ...relation(change, focus, facts)];
  reasons.push(...(cause === "flag" ? flagSpans(change, facts) : cause === "deploy" ? versionSpans(change, facts) : []));
  reasons.push(...logs(change, facts), ...tested(change, facts));
  return suspect(
    `${describeChange(change)} slows or breaks ${service ?? focus.service ?? "it"}`,
    cause,
    service,
    change,
    reasons,
  );
}

function blamedService(change: ChangeEvent, focus: Focus, facts: Facts): ServiceName | null {
  if (facts.mover && change.services.includes(facts.mover.service)) return facts.mover.service;
  if (focus.service && change.services.includes(focus.service)) return focus.service;
  return change.services[0] ?? facts.mover?.service ?? focus.service;
}

function timing(change: ChangeEvent, focus: Focus, facts: Facts): Reason {
  const lead = focus.onset - change.at;
  const evidence = facts.changesId;
  if (lead < -ONSET_SLACK) return { words: `came ${span(lead)} after the trouble began`, weight: -4, evidence, tests: "timing" };
  const words = lead >= 0 ? `came ${span(lead)} before the trouble began` : "came with the beginning of the trouble";
  if (lead <= 20 * MINUTE) return { words, weight: 2, evidence, tests: "timing" };
  if (lead <= 2 * HOUR) return { words, weight: 0.8, evidence, tests: "timing" };
  // A new version shows at once what it does; a flag or a setting may wait for the requests that meet it.
  const patient = change.kind !== "deploy";
  if (lead <= 8 * HOUR) return { words, weight: patient ? 0.2 : -0.7, evidence, tests: "timing" };
  return { words, weight: patient ? -0.7 : -2.5, evidence, tests: "timing" };
}

function relation(change: ChangeEvent, focus: Focus, facts: Facts): Reason[] {
  if (change.services.length === 0) return [];
  const evidence = facts.related?.id ?? facts.changesId;
  const touches = (names: ReadonlySet<ServiceName>) => change.services.some((one) => names.has(one));
  const reasons: Reason[] = [];
  if (focus.service && change.services.includes(focus.service))
    reasons.push({ words: `touches ${focus.service}`, weight: 1, evidence });
  else if (facts.related && touches(facts.related.near))
    reasons.push({ words: `touches something ${focus.service} calls`, weight: 0.6, evidence });
  else if (facts.related && touches(facts.related.up))
    reasons.push({ words: `touches only callers of ${focus.service}`, weight: -1, evidence });
  else if (facts.related) reasons.push({ words: `touches nothing that ${focus.service} depends on`, weight: -3, evidence });
  if (facts.mover) {
    const hit = change.services.includes(facts.mover.service);
    reasons.push(
      hit
        ? { words: `touches the first mover, ${facts.mover.service}`, weight: 1.2, evidence: facts.mover.id }
        : { words: `the trouble starts elsewhere, in ${facts.mover.service}`, weight: -1.5, evidence: facts.mover.id },
    );
  }
  return reasons;
}

function flagSpans(change: ChangeEvent, facts: Facts): Reason[] {
  for (const { evidence, details } of findingsOf(facts.findings, "traces")) {
    const found = flagContrast(details.contrasts, change.subject);
    if (!found) continue;
    const strong = details.contrasts.filter(({ key, value }) => key === found.key && value !== found.value).concat(found);
    const worst = strong.find(isTelling);
    if (worst) {
      const effect = worst.failing >= 0.01 ? `fail ${percent(worst.failing)} points more` : `take ${percent(worst.slower)}`;
      // Flags that merely go along with the real one show a weaker contrast than it.
      const strongest = Math.max(...details.contrasts.filter(isTelling).map(({ z }) => z));
      const weight = worst.z >= strongest / 2 ? 4 : 0.5;
      return [
        {
          words: `requests at variant ${worst.value} ${effect} in the same minutes`,
          weight,
          evidence: evidence.id,
          tests: "requests",
        },
      ];
    }
    if (strong.every(isClearing))
      return [{ words: "requests with and without it are equally fast", weight: -3.5, evidence: evidence.id, tests: "requests" }];
  }
  return [];
}

function versionSpans(change: ChangeEvent, facts: Facts): Reason[] {
  for (const { evidence, details } of findingsOf(facts.findings, "traces")) {
    if (!change.services.includes(details.service) && details.service !== change.subject) continue;
    const found = versionContrast(details.contrasts, change.after);
    if (!found) continue;
    if (isTelling(found)) {
      return [
        {
          words: `requests on the new version take ${percent(found.slower)} in the same minutes`,
          weight: 4,
          evidence: evidence.id,
          tests: "requests",
        },
      ];
    }
    if (isClearing(found))
      return [{ words: "the new version is as fast as the old one", weight: -3, evidence: evidence.id, tests: "requests" }];
  }
  return [];
}

function logs(change: ChangeEvent, facts: Facts): Reason[] {
  const all = findingsOf(facts.findings, "logs").filter(({ details }) => change.services.includes(details.service));
  const named = all.find(({ details }) =>
    details.fresh.some(
      (one) => !one.suspicious && one.template.toLowerCase().includes(change.subject.toLowerCase()) && change.kind === "flag",
    ),
  );
  if (named) return [{ words: "new log lines name it", weight: 1, evidence: named.evidence.id }];
  const grave = all.find(({ details }) =>
    details.fresh.some((one) => !one.suspicious && one.before === 0 && /WARN|ERROR|FATAL/.test(one.severity)),
  );
  return grave
    ? [{ words: "a service it touches logs new warnings or errors", weight: 0.5, evidence: grave.evidence.id, tests: "logs" }]
    : [];
}

/** An experiment outweighs whatever was merely observed. */
function tested(change: ChangeEvent, facts: Facts): Reason[] {
  const test = findingsOf(facts.findings, "causal").find(({ details }) => details.flag === change.subject && details.result);
  const result = test?.details.result;
  if (!test || !result) return [];
  if (result.verdict === "causal") {
    return [
      {
        words: `switching it off for test traffic changed ${result.signal} by ${percent(result.effect)}`,
        weight: 5,
        evidence: test.evidence.id,
        tests: "experiment",
      },
    ];
  }
  if (result.verdict === "not_causal")
    return [
      { words: "switching it off for test traffic changed nothing", weight: -8, evidence: test.evidence.id, tests: "experiment" },
    ];
  return [{ words: "the causal test could not tell", weight: -0.3, evidence: test.evidence.id }];
}

function suspectMovers(focus: Focus, facts: Facts): Suspect[] {
  const { mover } = facts;
  if (!mover) return [];
  const away = mover.service !== focus.service;
  const reasons: Reason[] = [
    { words: `${mover.service} moved first: ${mover.why}`, weight: away ? 2.5 : 0.5, evidence: mover.id, tests: "first" },
  ];
  const measured = findingsOf(facts.findings, "metrics").filter(({ details }) => details.service === mover.service);
  const load = measured.flatMap(({ evidence, details }) =>
    details.series.filter(({ signal }) => signal === "rate").map((rate) => ({ rate, id: evidence.id })),
  )[0];
  const loaded = load !== undefined && matters(load.rate, 0.15) && load.rate.change > 0 ? load.rate.change : 0;
  let gauge: SeriesFinding | null = null;
  for (const { evidence, details } of measured) {
    const moved = details.series
      .filter((one) => isResource(one) && matters(one, 0.15) && !followsLoad(one.change, loaded))
      .sort((a, b) => Math.abs(b.z) - Math.abs(a.z))[0];
    if (!moved) continue;
    gauge = moved;
    reasons.push({
      words: `its ${moved.name} went ${percent(moved.change)}`,
      weight: 2,
      evidence: evidence.id,
      tests: "resource",
    });
    break;
  }
  // Usage that rises with the requests is a consequence: whoever sends them is nearer to the cause (utilisation law, Denning and Buzen 1978).
  if (load && loaded > 0)
    reasons.push({ words: `its load rose, requests ${percent(loaded)}`, weight: -3, evidence: load.id, tests: "own" });
  const touching = facts.changes.filter(
    ({ services, at }) => services.includes(mover.service) && at <= focus.onset + ONSET_SLACK,
  );
  if (touching.length === 0)
    reasons.push({ words: "nobody changed it", weight: 1, evidence: facts.changesId, tests: "unchanged" });
  else
    reasons.push({
      words: "it was changed before the trouble began",
      weight: -1.5,
      evidence: facts.changesId,
      tests: "unchanged",
    });
  const grave = findingsOf(facts.findings, "logs").find(
    ({ details }) =>
      details.service === mover.service && details.fresh.some((one) => !one.suspicious && /WARN|ERROR|FATAL/.test(one.severity)),
  );
  if (grave) reasons.push({ words: "it logs new warnings or errors", weight: 0.7, evidence: grave.evidence.id });
  if (gauge === null && !away && touching.length === 0)
    reasons.push({ words: "no resource of it moved", weight: -1, evidence: null, tests: "resource" });
  const statement = gauge
    ? `${mover.service} runs into a limit (${gauge.name} ${percent(gauge.change)})${away ? ` and slows ${focus.service ?? "its callers"}` : ""}`
    : `${mover.service} itself became slow or failing${away ? `, and ${focus.service ? `${focus.service} waits` : "its callers wait"} for it` : ""}`;
  return [suspect(statement, gauge && !away ? "resource" : away ? "dependency" : "resource", mover.service, null, reasons)];
}

const SYMPTOMS: ReadonlySet<MetricKind> = new Set(["latency", "outgoing-latency", "errors", "availability", "traffic"]);

/** A gauge of something that can run out; latencies and counts that a backend hands over as gauges are symptoms. */
const isResource = ({ kind, name }: SeriesFinding): boolean => kind === "gauge" && !SYMPTOMS.has(metricKind(name));

/** True when the requests explain the rise: a gauge in proportion to its load, give or take fifteen per cent. */
const followsLoad = (change: number, load: number): boolean => load > 0 && change > 0 && (1 + change) / (1 + load) < 1.15;

function suspectTraffic(focus: Focus, facts: Facts): Suspect {
  const own = findingsOf(facts.findings, "metrics").find(({ details }) => details.service === focus.service);
  const rate = own?.details.series.find(({ signal }) => signal === "rate");
  const statement = `More or different traffic on ${focus.service ?? "the service"}`;
  if (!own || !rate)
    return suspect(statement, "traffic", focus.service, null, [
      { words: "traffic was not measured", weight: -1, evidence: null },
    ]);
  const moved = matters(rate, 0.2) && rate.change > 0;
  if (!moved)
    return suspect(statement, "traffic", focus.service, null, [
      { words: `request rate is ordinary (${percent(rate.change)})`, weight: -2.5, evidence: own.evidence.id, tests: "load" },
    ]);
  // The focus is the service nearest to the users among those that are off, so what it gets more of comes from outside.
  const much = rate.change >= 0.5;
  return suspect(statement, "traffic", focus.service, null, [
    { words: `requests went ${percent(rate.change)}`, weight: much ? 3.5 : 2, evidence: own.evidence.id, tests: "load" },
  ]);
}

function suspectNothing(focus: Focus, facts: Facts): Suspect {
  const reasons: Reason[] = [];
  const scan = findingsOf(facts.findings, "anomalies")[0];
  const own = findingsOf(facts.findings, "metrics").find(({ details }) => details.service === focus.service);
  const blind = own !== undefined && !own.details.series.some(({ signal, during }) => signal !== null && during.count > 0);
  if (blind) reasons.push({ words: `${focus.service} sends nothing that could show it`, weight: -1, evidence: own.evidence.id });
  else if (scan) {
    reasons.push(
      scan.details.anomalies.length === 0
        ? { words: "every signal is within its seasonal baseline", weight: 3, evidence: scan.evidence.id, tests: "baseline" }
        : {
            words: `${scan.details.anomalies.length} signals are outside their baseline`,
            weight: -4,
            evidence: scan.evidence.id,
            tests: "baseline",
          },
    );
  }
  const moved = own?.details.series.find(({ signal, ...rest }) => signal !== null && signal !== "rate" && matters({ ...rest }));
  if (own && !blind) {
    reasons.push(
      moved
        ? { words: `${moved.name} moved ${percent(moved.change)}`, weight: -2, evidence: own.evidence.id, tests: "still" }
        : { words: "latency and errors did not move", weight: 2, evidence: own.evidence.id, tests: "still" },
    );
  }
  return suspect("Nothing is wrong: noise or an ordinary swing", "none", null, null, reasons);
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
