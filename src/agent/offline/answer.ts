import type { InvestigationReport } from "../../domain/investigation.ts";
import type { ServiceName } from "../../domain/telemetry.ts";
import type { QuestionRequest } from "../types.ts";
import type { PlannedCall, Policy } from "./chat-model.ts";
import type { Question } from "./question.ts";
import { fromReport, worded } from "./wording.ts";

type About = QuestionRequest["investigation"];

/** How far back the deploy is looked for that brought the running version. */
const VERSIONS_BACK = "-30d";

/**
 * Answers one understood question with as few calls as it needs; the text is what the tools found, with their ids.
 * @param about the investigation that "it" and "this" mean: that of the thread, or the newest that is open
 */
export function answerPolicy(question: Question, about: About): Policy {
  return (turn) => {
    const report = about?.report ?? null;
    const said = report && fromReport(question, report);
    if (said) return { text: said };
    if (turn.round === 0) {
      const calls = callsFor(question, about, turn.tools);
      if (calls.length > 0) return { calls };
    }
    if (turn.findings.length === 0) {
      const [failure] = turn.failures;
      return { text: failure ? failure.text.replace(/^Error: /, "") : withoutTools(question) };
    }
    return { text: worded(question, report, turn.findings) };
  };
}

function callsFor(question: Question, about: About, tools: ReadonlySet<string>): readonly PlannedCall[] {
  const { service, intent, signal, slowerThan } = question;
  const window = { ...(question.from ? { from: question.from } : {}), ...(question.to ? { to: question.to } : {}) };
  const only = service ? { service } : {};
  const open = tools.has("list_incidents") ? [{ name: "list_incidents", args: {} }] : [];
  const anomalies = { name: "check_anomalies", args: service ? { services: [service] } : {} };
  switch (intent) {
    case "changes":
      return [{ name: "list_changes", args: { ...only, ...window } }];
    case "version":
      return [{ name: "list_changes", args: { ...only, from: VERSIONS_BACK } }];
    case "changed_before":
      return [{ name: "search_past_changes", args: { about: symptom(question, about) } }];
    case "seen_before":
      return [{ name: "search_past_incidents", args: { symptom: symptom(question, about) } }];
    case "owner":
      return [{ name: "who_is_on_call", args: only }];
    case "runbook":
      return [{ name: "get_runbook", args: { ...only, symptom: symptom(question, about) } }];
    case "next":
      return about?.report
        ? [...open, { name: "get_runbook", args: { ...leadOf(about.report), symptom: symptom(question, about) } }]
        : [...open, anomalies];
    case "safe_to_change":
      return [...open, anomalies, { name: "list_changes", args: { ...only, from: "-2h" } }];
    case "situation":
      return [...open, anomalies, ...(open.length > 0 ? [] : [{ name: "list_changes", args: { from: "-6h" } }])];
  }
  if (!service) return [];
  switch (intent) {
    case "blast_radius":
      return [{ name: "service_dependencies", args: { service } }];
    case "metric":
      return [{ name: "query_metrics", args: { service, ...(signal ? { signal } : {}), ...window } }];
    case "compare":
      return [{ name: "query_metrics", args: { service, ...(signal ? { signal } : {}), ...window, compareWith: "last_week" } }];
    case "logs":
      return [{ name: "fetch_logs", args: { service, ...window } }];
    case "traces":
      return [{ name: "fetch_traces", args: { service, ...window, ...(slowerThan ? { slowerThan } : {}) } }];
    case "check":
      return [
        { name: "query_metrics", args: { service, ...window } },
        { name: "fetch_logs", args: { service, ...window } },
        { name: "list_changes", args: { service } },
      ];
    default:
      return [];
  }
}

/** What "it" looks like, for a search by meaning. */
function symptom(question: Question, about: About): string {
  const seen = about?.report?.headline ?? "";
  return `${question.service ?? ""} ${question.text} ${seen}`.trim().slice(0, 380).padEnd(3, "?");
}

const leadOf = (report: InvestigationReport): { readonly service?: ServiceName } => {
  const service = report.hypotheses[0]?.service;
  return service ? { service } : {};
};

const EXAMPLES =
  "Ask for instance: *what is going on?*, *why is SERVICE slow?*, *what changed since 02:00?*, *show me p95 of SERVICE since 2am*, *error logs of SERVICE*, *have we seen this before?*, *who is on call?*, *is it safe to deploy?*. Or ask for an action: *turn off FLAG*, *set FLAG to 10 %*, *roll back SERVICE*; people approve it first.";

function withoutTools({ intent }: Question): string {
  switch (intent) {
    case "courtesy":
      return "At your service. Ask me anything about the systems I watch; `help` shows what.";
    case "help":
      return `I watch the services, look into what is off, and propose what would help. ${EXAMPLES}`;
    case "approval":
      return "I take no approval in words: press Approve on the proposal's card, or set the approval emoji there where your policy allows it. That binds it to exactly what will run.";
    case "why_so":
    case "why_not":
      return "Nothing is open that this could be about. Ask in the thread of an investigation, or name the service.";
    default:
      return `I did not understand which service or signal you mean. ${EXAMPLES}`;
  }
}

/** Services that a question may mean when none matched. */
export function unknownService(word: string, nearestNames: readonly ServiceName[]): string {
  return `I know no service "${word}". Nearest names: ${nearestNames.join(", ") || "none"}.`;
}
