import type { InvestigationReport } from "../../domain/investigation.ts";
import type { ServiceName } from "../../domain/telemetry.ts";
import type { QuestionRequest } from "../types.ts";
import type { PlannedCall, Policy } from "./chat-model.ts";
import { fromReport } from "./from-report.ts";
import { measuring } from "./incident.ts";
import type { Intent } from "./intents.ts";
import type { Question } from "./question.ts";
import { NOT_IN_WORDS, worded } from "./wording.ts";

type About = QuestionRequest["investigation"];

/** Of the services that a question names, so many are looked at. */
const MOST_SERVICES = 3;
/** How far back the deploy is looked for that brought the running version. */
const VERSIONS_BACK = "-30d";

/**
 * Answers one understood question with as few calls as it needs; the text is what the tools found, with their ids.
 * @param services that are known, for asking back
 * @param about the investigation that "it" and "this" mean: that of the thread, or the newest that is open
 */
export function answerPolicy(question: Question, about: About, services: readonly ServiceName[]): Policy {
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
      return { text: failure ? failure.text.replace(/^Error: /, "") : withoutTools(question, about, services) };
    }
    return { text: worded(question, about, turn.findings) };
  };
}

function callsFor(question: Question, about: About, tools: ReadonlySet<string>): readonly PlannedCall[] {
  const { service, others, intent } = question;
  const window = { ...(question.from ? { from: question.from } : {}), ...(question.to ? { to: question.to } : {}) };
  const only = service ? { service } : {};
  const open = tools.has("list_incidents")
    ? [{ name: "list_incidents", args: intent === "situation" && question.from ? { since: question.from } : {} }]
    : [];
  const anomalies = { name: "check_anomalies", args: service ? { services: [service, ...others] } : {} };
  const everything = service ? anomalies : { name: "check_anomalies", args: { scope: "all" } };
  const actions = tools.has("list_actions") ? [{ name: "list_actions", args: {} }] : [];
  switch (intent) {
    case "changes":
      return [{ name: "list_changes", args: { ...only, ...window } }];
    case "flags":
    case "version":
      return [{ name: "list_changes", args: { ...only, from: VERSIONS_BACK } }];
    case "changed_before":
      return [{ name: "search_past_changes", args: { about: symptom(question, about) } }];
    case "seen_before":
      // "Have we seen this?" needs something that "this" is.
      if (!about && !service && /\b(?:this|that|it)\b/i.test(question.text)) return [];
      return [{ name: "search_past_incidents", args: { symptom: symptom(question, about) } }];
    case "owner":
      return [{ name: "who_is_on_call", args: only }];
    case "runbook":
      return [{ name: "get_runbook", args: { ...only, symptom: symptom(question, about) } }];
    case "next":
      return about?.report
        ? [
            anomalies,
            ...measuring(about),
            ...actions,
            { name: "get_runbook", args: { ...leadOf(about.report), symptom: symptom(question, about) } },
          ]
        : [...open, everything];
    case "safe_to_change":
      return [...open, everything, { name: "list_changes", args: { ...only, from: "-2h" } }];
    case "ongoing":
      return about ? [anomalies, ...measuring(about), ...actions] : [...open, everything];
    case "extent":
      return about ? [anomalies, ...measuring(about)] : [...open, everything];
    case "done":
    case "approval":
      return actions;
    case "who_changed":
      return [{ name: "list_changes", args: { ...only, ...window } }];
    case "why_not":
      return about?.report ? [] : [...open, { name: "list_changes", args: { ...only, ...window } }];
    case "situation":
      return [...open, everything, ...(open.length > 0 ? [] : [{ name: "list_changes", args: { from: "-6h" } }])];
  }
  if (!service) return [];
  return [service, ...others].slice(0, MOST_SERVICES).flatMap((one) => callsOf(one, question, window));
}

function callsOf(
  service: ServiceName,
  { intent, signal, slowerThan, yesterday }: Question,
  window: object,
): readonly PlannedCall[] {
  switch (intent) {
    case "blast_radius":
      return [{ name: "service_dependencies", args: { service } }];
    case "metric":
      return [{ name: "query_metrics", args: { service, ...(signal ? { signal } : {}), ...window } }];
    case "compare":
      return [
        {
          name: "query_metrics",
          args: { service, ...(signal ? { signal } : {}), ...window, compareWith: yesterday ? "yesterday" : "last_week" },
        },
      ];
    case "logs":
      return [{ name: "fetch_logs", args: { service, ...window } }];
    case "traces":
      return [{ name: "fetch_traces", args: { service, ...window, ...(slowerThan ? { slowerThan } : {}) } }];
    case "check":
      return [
        { name: "check_anomalies", args: { services: [service] } },
        { name: "query_metrics", args: { service, ...window } },
        { name: "fetch_logs", args: { service, ...window } },
        { name: "list_changes", args: { service } },
      ];
    default:
      return [];
  }
}

/** Questions that are about one service, named or meant. */
const OF_A_SERVICE: ReadonlySet<Intent> = new Set<Intent>([
  "why",
  "logs",
  "traces",
  "metric",
  "compare",
  "check",
  "blast_radius",
]);

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

function withoutTools({ intent, service }: Question, about: About, services: readonly ServiceName[]): string {
  switch (intent) {
    case "courtesy":
      return "At your service. `help` shows what you can ask.";
    case "help":
      return `I watch the services, look into what is off, and propose what would help. ${EXAMPLES} To stop everything: \`stop\`.`;
    case "stop":
      return "Nothing was stopped. Say `stop` and nothing else, or `/vigil stop REASON`: no further action runs then, and pending proposals are cancelled, until approvers type `/vigil resume`. To end one proposal, press **Deny**.";
    case "dismiss":
      return "Press **Noise** on the investigation's card, or react with its emoji: I then wait longer before I tell the like of it. A pending proposal expires by itself, or press **Deny**.";
    case "approval":
      return NOT_IN_WORDS;
    case "postmortem":
      return `\`vigil postmortem ${about?.id ?? "INV-…"}\`, on the machine where I run, drafts one in Markdown; edited, \`--publish FILE\` makes it a past incident that I find again.`;
    case "why_so":
    case "why_not":
    case "seen_before":
    case "done":
      return "Nothing is open that this could be about. Ask in the thread of an investigation, or name the service.";
    default:
      if (service === null && OF_A_SERVICE.has(intent))
        return `Of which service? I know ${services.slice(0, 20).join(", ") || "none yet: no telemetry has arrived"}${services.length > 20 ? ` and ${services.length - 20} more` : ""}.`;
      return "I did not understand that. Try *what is going on?*, *why is SERVICE slow?*, *errors of SERVICE since 2am*, *what changed since 02:00?*, *is it still going on?*, or `help`.";
  }
}

/** Services that a question may mean when none matched. */
export function unknownService(word: string, nearestNames: readonly ServiceName[]): string {
  return `I know no service "${word}". Nearest names: ${nearestNames.join(", ") || "none"}.`;
}
