import type { Feedback, Verdict } from "../../src/domain/feedback.ts";
import type { CauseKind, Hypothesis, Investigation } from "../../src/domain/investigation.ts";
import { anomaly, report } from "./domain-samples.ts";

export const DAY = 86_400_000;
export const START = Date.UTC(2026, 0, 5);

export const vote = (investigationId: string, user: string, verdict: Verdict, more: Partial<Feedback> = {}): Feedback => ({
  investigationId,
  user,
  verdict,
  realCause: null,
  missed: null,
  actionEffective: null,
  via: user.startsWith("vigil:") ? "inferred" : "button",
  at: START,
  ...more,
});

export const hypothesis = (
  id: string,
  cause: CauseKind,
  service: string | null,
  statement: string,
  changeId: string | null = null,
): Hypothesis => ({
  id,
  statement,
  cause,
  service,
  changeId,
  confidence: id === "H1" ? 0.8 : 0.1,
  status: "open",
  evidenceFor: ["E1"],
  evidenceAgainst: [],
});

/** An investigation of `shelf` that blames a flag and has a deploy and a resource as rivals. */
export function investigation(
  id: string,
  more: { readonly service?: string; readonly quoted?: string; readonly confidence?: number } = {},
): Investigation {
  const { service = "shelf", quoted, confidence = 0.8 } = more;
  const told = report({
    confidence,
    rawConfidence: confidence,
    hypotheses: [
      hypothesis("H1", "flag", service, "flag new-layout: 0% → 25% slows shelf", "c1"),
      hypothesis("H2", "deploy", service, `deploy ${service}: 2.3.1 → 2.4.0 at 02:38 by ada`, "c2"),
      hypothesis("H3", "resource", service, `${service} runs into a limit (db.pool)`),
    ],
  });
  return {
    id,
    incidentId: null,
    trigger: "anomaly",
    question: null,
    anomalies: [anomaly({ service })],
    state: "done",
    startedAt: START,
    finishedAt: START,
    steps: [],
    report: quoted
      ? {
          ...told,
          seenBefore: { text: `Perhaps, in ${quoted} "cache went cold".`, evidence: ["E9"] },
          evidence: [
            ...told.evidence,
            {
              ...(told.evidence[0] as (typeof told.evidence)[number]),
              id: "E9",
              tool: "search_past_incidents",
              facts: { found: 1, [`${quoted}.title`]: "cache went cold", "INC-3.title": "another" },
            },
          ],
        }
      : told,
  };
}

/** What the leading hypothesis of those blames. */
export const BLAME = { cause: "flag", service: "shelf", changeId: "c1" } as const;
