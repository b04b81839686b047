import type { Anomaly } from "../../domain/anomaly.ts";
import type { Objection } from "../../domain/feedback.ts";
import type { Focus } from "../../domain/investigation.ts";
import type { ChangeEvent } from "../../domain/telemetry.ts";
import { MINUTE } from "../../domain/time.ts";
import { flagState } from "../action-selector.ts";
import { type Finding, findingsOf } from "../findings.ts";
import type { Session } from "../session.ts";
import { SUBMIT_REPORT } from "../tools/submit-report.ts";
import type { PlannedCall, Policy, Turn } from "./chat-model.ts";
import { toHypothesis, weigh } from "./hypotheses.ts";
import { writeReport } from "./report.ts";
import type { OfflineSettings } from "./settings.ts";
import type { Suspect } from "./suspect.ts";
import { symptomWords } from "./symptom.ts";

const MOST_RIVALS = 10;
/** A second flag is tested only when the first was cleared. */
const MOST_TESTS = 2;

/**
 * Triage, drill-down, causal test, proposal, report: each round asks for the cheapest evidence that still tells the leading rivals apart.
 * `testable` holds the flags that a causal test can be run on.
 */
export function investigatePolicy(
  session: Session,
  anomalies: readonly Anomaly[],
  testable: ReadonlySet<string>,
  settings: OfflineSettings,
): Policy {
  const { focus } = session;
  return (conversation) => {
    // Also what an earlier mind or an earlier look has found.
    const turn = { ...conversation, findings: session.findings };
    if (turn.round === 0) return { calls: [...triage(focus, anomalies), ...asked(settings.objection ?? null, turn)] };
    const suspects = weigh(focus, turn.findings);
    session.hold(
      suspects.slice(0, MOST_RIVALS).map((one) => toHypothesis(one, one.probability)),
      { only: true },
    );
    const drill = turn.round === 1 ? drillDown(focus, turn, suspects) : [];
    if (drill.length > 0) return { calls: drill };
    // Once before a test that takes minutes, by all that was measured so far, and again when the test has changed the lead.
    const search = searchForLead(focus, turn, suspects);
    if (search.length > 0) return { calls: search };
    const test = causalTest(focus, turn, suspects, testable);
    if (test) return { calls: [test] };
    const proposal = settings.propose === false ? null : propose(session, turn, suspects, settings);
    if (proposal) return { calls: [proposal] };
    if (turn.called.has(SUBMIT_REPORT)) return { text: "The report is handed in." };
    return { calls: [{ name: SUBMIT_REPORT, args: { ...writeReport(focus, turn.findings, suspects, settings) } }] };
  };
}

/** What a person points to is looked at before anything else: the service they name, and the changes of the kind they blame, however old. */
function asked(objection: Objection | null, turn: Turn): PlannedCall[] {
  if (!objection) return [];
  const known = changesIn(turn);
  const blamed = known.filter(({ kind }) => kind === objection.blames);
  const services = [...new Set([...(objection.service ? [objection.service] : []), ...blamed.flatMap((one) => one.services)])];
  const isChange = objection.blames === "deploy" || objection.blames === "flag" || objection.blames === "config";
  return [
    ...(isChange && blamed.length === 0 ? [{ name: "list_changes", args: { from: "-7d" } }] : []),
    ...services.slice(0, 3).flatMap((service) => [
      { name: "query_metrics", args: { service } },
      { name: "fetch_traces", args: { service } },
      { name: "fetch_logs", args: { service } },
    ]),
  ];
}

function triage(focus: Focus, anomalies: readonly Anomaly[]): PlannedCall[] {
  const { service } = focus;
  if (service === null)
    return [
      { name: "check_anomalies", args: {} },
      { name: "list_changes", args: {} },
      { name: "rank_root_causes", args: {} },
    ];
  return [
    { name: "query_metrics", args: { service } },
    { name: "list_changes", args: {} },
    { name: "check_anomalies", args: {} },
    { name: "rank_root_causes", args: { service } },
    { name: "service_dependencies", args: { service } },
    { name: "fetch_traces", args: { service } },
    { name: "fetch_logs", args: { service } },
    searchIncidents(focus, anomalies, null),
  ];
}

function searchIncidents(
  focus: Focus,
  anomalies: readonly Anomaly[],
  lead: Suspect | null,
  changes: readonly ChangeEvent[] = [],
): PlannedCall {
  const services = [...new Set([...(focus.service ? [focus.service] : []), ...anomalies.map(({ service }) => service)])];
  return {
    name: "search_past_incidents",
    args: { symptom: symptomWords(focus, anomalies, lead, changes), services: services.slice(0, 12) },
  };
}

const changesIn = (turn: Turn): ChangeEvent[] => findingsOf(turn.findings, "changes").flatMap(({ details }) => details.changes);

/** Past incidents and the runbook for the lead; nothing when that was asked before. */
function searchForLead(focus: Focus, turn: Turn, suspects: readonly Suspect[]): PlannedCall[] {
  const [lead] = suspects;
  if (!lead || lead.cause === "none" || lead.cause === "unknown" || !turn.tools.has("search_past_incidents")) return [];
  const anomalies = findingsOf(turn.findings, "anomalies").flatMap(({ details }) => details.anomalies);
  const changes = changesIn(turn);
  const search = searchIncidents(focus, anomalies, lead, changes);
  const done = findingsOf(turn.findings, "incidents").some(({ details }) => details.symptom === search.args.symptom);
  const failed = turn.failures.some(({ tool }) => tool === search.name);
  if (done || failed) return [];
  const symptom = symptomWords(focus, anomalies, lead, changes).slice(0, 400);
  return [search, { name: "get_runbook", args: { ...(lead.service ? { service: lead.service } : {}), symptom } }];
}

function drillDown(focus: Focus, turn: Turn, suspects: readonly Suspect[]): PlannedCall[] {
  const mover = findingsOf(turn.findings, "causes")[0]?.details.ranked.find(({ anomalous }) => anomalous)?.service ?? null;
  const leads = suspects.filter(({ change, score }) => change !== null && score > -1).slice(0, 3);
  const related = new Set(findingsOf(turn.findings, "dependencies")[0]?.details.downstream ?? []);
  const services = [
    ...new Set([
      ...(mover ? [mover] : []),
      ...leads.flatMap(({ change }) => change?.services ?? []).filter((one) => related.has(one) || one === mover),
    ]),
  ].filter((one) => one !== focus.service);
  const lead = suspects[0] ?? null;
  return [
    ...services.slice(0, 3).flatMap((service) => [
      { name: "fetch_traces", args: { service } },
      { name: "query_metrics", args: { service } },
      { name: "fetch_logs", args: { service } },
    ]),
    ...(lead?.service && lead.service !== focus.service
      ? [{ name: "service_dependencies", args: { service: lead.service } }]
      : []),
  ];
}

/** A flag less likely than this is not worth minutes of a test when something else leads. */
const WORTH_A_TEST = 0.2;
/** A flag that changed this close to the onset is always worth it: the test is cheap and settles it. */
const FRESH = 15 * MINUTE;

function causalTest(focus: Focus, turn: Turn, suspects: readonly Suspect[], testable: ReadonlySet<string>): PlannedCall | null {
  const tests = findingsOf(turn.findings, "causal");
  const failed = turn.failures.some(({ tool }) => tool === "run_causal_test");
  if (!turn.tools.has("run_causal_test") || focus.service === null || failed || tests.length >= MOST_TESTS) return null;
  if (focus.silent) return null;
  if (tests.some(({ details }) => details.result?.verdict !== "not_causal")) return null;
  const untested = suspects.slice(0, 3).filter(({ change }) => !tests.some(({ details }) => details.flag === change?.subject));
  if (suspects[0]?.cause === "none") return null;
  const best = untested.find(
    ({ cause, change, score, probability }, rank) =>
      cause === "flag" &&
      change &&
      testable.has(change.subject) &&
      (rank === 0 || probability >= WORTH_A_TEST || Math.abs(focus.onset - change.at) <= FRESH) &&
      (score > 0.5 || Math.abs(focus.onset - change.at) <= FRESH),
  );
  const flag = best?.change?.subject;
  if (!flag) return null;
  const signal = focus.signal === null || focus.signal === "rate" ? "latency" : focus.signal;
  return { name: "run_causal_test", args: { flag, service: feltAt(focus, best.change, turn.findings), signal } };
}

/**
 * Where switching a flag off for some requests can be told from the rest: in a service that reads the flag or calls one that does. What they
 * call serves both cohorts alike, a database for instance.
 */
function feltAt(focus: Focus, change: ChangeEvent | null, findings: readonly Finding[]): string | null {
  const readers = change?.services ?? [];
  if (focus.service === null || readers.length === 0 || readers.includes(focus.service)) return focus.service;
  const known = findingsOf(findings, "dependencies").find(({ details }) => details.service === focus.service);
  if (!known || readers.some((one) => known.details.downstream.includes(one))) return focus.service;
  return readers[0] ?? focus.service;
}

/** Only a supported change with measured backing is acted upon, and a flag goes back to where it was. */
function propose(session: Session, turn: Turn, suspects: readonly Suspect[], settings: OfflineSettings): PlannedCall | null {
  const { focus } = session;
  const [lead] = suspects;
  const change = lead?.change;
  if (!lead || !change || lead.probability < settings.minimumConfidence) return null;
  const action = lead.cause === "flag" ? "toggle_feature_flag" : lead.cause === "deploy" ? "roll_back_deploy" : null;
  const proposed = findingsOf(turn.findings, "proposal").some(
    ({ evidence, details }) => evidence.tool === action && details.proposal,
  );
  if (proposed) return null;
  const offered = session.deps.desk.actions.find(({ name }) => name === action);
  if (action === null || offered === undefined || turn.called.has(action)) return null;
  const measured = lead.reasons.filter(
    ({ weight, evidence }) => weight >= 1 && evidence !== null && isMeasured(evidence, turn.findings),
  );
  if (measured.length === 0) return null;
  const service = focus.service ?? lead.service;
  if (!service) return null;
  const signal = focus.signal ?? "latency";
  return {
    name: action,
    args: {
      ...actionArgs(lead, change, Object.keys(offered.schema.shape)),
      reason: `${lead.statement}: ${lead.reasons
        .filter(({ weight }) => weight > 0)
        .slice(0, 3)
        .map(({ words }) => words)
        .join("; ")}.`.slice(0, 480),
      expectedEffect: `${signal.replace("_", " ")} of ${service} goes ${focus.direction === "up" ? "down" : "up"} to where it was`,
      watchService: service,
      watchSignal: signal,
      watchDirection: focus.direction === "up" ? "down" : "up",
      confidence: lead.probability,
      evidence: [...new Set(lead.reasons.flatMap(({ evidence, weight }) => (evidence && weight > 0 ? [evidence] : [])))].slice(
        0,
        12,
      ),
    },
  };
}

/** The arguments that undo the change, limited to those that the catalogue's schema has. */
function actionArgs(lead: Suspect, change: ChangeEvent, keys: readonly string[]): Record<string, unknown> {
  const state = flagState(change.before) ?? { enabled: false, percent: 0 };
  const all: Record<string, unknown> =
    lead.cause === "deploy"
      ? { service: change.services.includes(change.subject) ? change.subject : (change.services[0] ?? change.subject) }
      : { flag: change.subject, key: change.subject, percent: state.percent, enabled: state.enabled };
  return Object.fromEntries(Object.entries(all).filter(([key]) => keys.includes(key)));
}

function isMeasured(id: string, findings: readonly Finding[]): boolean {
  const kind = findings.find(({ evidence }) => evidence.id === id)?.details.kind;
  return kind !== undefined && ["metrics", "traces", "causal", "causes", "anomalies"].includes(kind);
}
