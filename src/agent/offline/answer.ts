import type { ServiceName } from "../../domain/telemetry.ts";
import type { Session } from "../session.ts";
import type { QuestionRequest } from "../types.ts";
import type { Policy } from "./chat-model.ts";
import type { Question } from "./question.ts";

/** Answers one understood question with as few calls as it needs; the text is what the tools found, with their ids. */
export function answerPolicy(question: Question, request: QuestionRequest, session: Session): Policy {
  return (turn) => {
    if (turn.round === 0) {
      const calls = callsFor(question, request);
      if (calls.length > 0) return { calls };
    }
    const said = fromReport(question, request);
    if (said !== null && turn.findings.length === 0) return { text: said };
    if (turn.findings.length === 0) {
      const [failure] = turn.failures;
      return { text: failure ? failure.text.replace(/^Error: /, "") : help(session) };
    }
    const lines = turn.findings.map(({ evidence }) => {
      const [first = "", ...rest] = evidence.summary.split("\n");
      const more = turn.findings.length <= 2 ? rest.slice(0, 5) : rest.slice(0, 1);
      return [`${first} [${evidence.id}]`, ...more.map((one) => `${one} [${evidence.id}]`)].join("\n");
    });
    return { text: lines.join("\n\n") };
  };
}

function callsFor(question: Question, request: QuestionRequest) {
  const { service, intent, signal } = question;
  const window = { ...(question.from ? { from: question.from } : {}), ...(question.to ? { to: question.to } : {}) };
  switch (intent) {
    case "changes":
      return [{ name: "list_changes", args: { ...(service ? { service } : {}), ...window } }];
    case "changed_before":
      return [{ name: "search_past_changes", args: { about: symptom(question, request) } }];
    case "seen_before":
      return [{ name: "search_past_incidents", args: { symptom: symptom(question, request) } }];
    case "owner":
      return [{ name: "who_is_on_call", args: service ? { service } : {} }];
    case "blast_radius":
      return service ? [{ name: "service_dependencies", args: { service } }] : [];
    case "metric":
      return service ? [{ name: "query_metrics", args: { service, ...(signal ? { signal } : {}), ...window } }] : [];
    case "compare":
      return service
        ? [{ name: "query_metrics", args: { service, ...(signal ? { signal } : {}), ...window, compareWith: "last_week" } }]
        : [];
    case "logs":
      return service ? [{ name: "fetch_logs", args: { service, ...window } }] : [];
    case "runbook":
      return [{ name: "get_runbook", args: { ...(service ? { service } : {}), symptom: symptom(question, request) } }];
    case "health":
      return [
        { name: "check_anomalies", args: service ? { services: [service] } : {} },
        { name: "list_changes", args: { from: "-6h" } },
      ];
    case "check":
      return service
        ? [
            { name: "query_metrics", args: { service, ...window } },
            { name: "fetch_logs", args: { service, ...window } },
            { name: "list_changes", args: { service } },
          ]
        : [];
    default:
      return [];
  }
}

function symptom(question: Question, request: QuestionRequest): string {
  const seen = request.investigation?.report?.headline ?? "";
  return `${question.service ?? ""} ${question.text} ${seen}`.trim().slice(0, 480).padEnd(3, "?");
}

/** "Why do you think so?" is answered from the stored report, without asking anything again. */
function fromReport(question: Question, request: QuestionRequest): string | null {
  const report = request.investigation?.report;
  if (question.intent !== "why_so" || !report) return null;
  const [lead, ...rivals] = report.hypotheses;
  if (!lead) return null;
  const why = lead.evidenceFor.flatMap((id) => {
    const evidence = report.evidence.find((one) => one.id === id);
    return evidence ? [`- ${evidence.summary.split("\n")[0]} [${id}]`] : [];
  });
  const against = rivals
    .filter(({ status }) => status === "refuted")
    .slice(0, 3)
    .map(
      ({ statement, evidenceAgainst }) =>
        `- ruled out: ${statement}${evidenceAgainst.length > 0 ? ` [${evidenceAgainst.join(", ")}]` : ""}`,
    );
  return [`${lead.statement}. What speaks for it:`, ...why, ...against].join("\n");
}

function help(session: Session): string {
  return `I did not understand which service or signal you mean${session.focus.service ? "" : ""}. Ask for instance: why is SERVICE slow? what changed since 02:00? show me p95 of SERVICE since 2am. is anything wrong?`;
}

/** Services that a question may mean when none matched. */
export function unknownService(word: string, nearestNames: readonly ServiceName[]): string {
  return `I know no service "${word}". Nearest names: ${nearestNames.join(", ") || "none"}.`;
}
