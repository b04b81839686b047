import type { Anomaly } from "../../src/domain/anomaly.ts";
import type { Cost, InvestigationReport, Mind } from "../../src/domain/investigation.ts";

const T0 = Date.UTC(2026, 10, 24, 2, 41);

export const offline: Mind = { kind: "offline", name: "offline reasoner", fallbackReason: null };
export const noCost: Cost = { inputTokens: 0, outputTokens: 0, dollars: 0, toolCalls: 4, duration: 1_200 };

export function anomaly(changed: Partial<Anomaly> = {}): Anomaly {
  return {
    id: "ANO-1",
    service: "front",
    signal: "latency",
    labels: {},
    kind: "level",
    direction: "up",
    startedAt: T0,
    detectedAt: T0 + 6 * 60_000,
    endedAt: null,
    observed: 0.224,
    expected: 0.2,
    relativeChange: 0.12,
    score: 1.6,
    ...changed,
  };
}

export function report(changed: Partial<InvestigationReport> = {}): InvestigationReport {
  return {
    headline: "front is 12 % slower since 02:41: the flag new-layout, raised at 02:38, makes lookups miss",
    outcome: "cause_found",
    confidence: 0.86,
    hypotheses: [
      {
        id: "H1",
        statement: "The flag new-layout makes lookups miss in shelf",
        cause: "flag",
        service: "shelf",
        changeId: "flag:new-layout@1",
        confidence: 0.86,
        status: "supported",
        evidenceFor: ["E1"],
        evidenceAgainst: [],
      },
    ],
    evidence: [
      {
        id: "E1",
        tool: "list_changes",
        args: {},
        title: "Changes before the onset",
        summary: "new-layout 0% → 25% by Maya at 02:38",
        facts: { before: 0, after: 25 },
        services: ["shelf"],
        at: T0,
        link: null,
        suspicious: false,
      },
    ],
    contributingFactors: [],
    whatChanged: { text: "new-layout 0% → 25%", evidence: ["E1"] },
    whatElseIsAnomalous: { text: "shelf is slower too", evidence: ["E1"] },
    seenBefore: { text: "nothing alike", evidence: [] },
    blastRadiusOfActing: { text: "25 % of requests", evidence: ["E1"] },
    blastRadius: { upstream: [], downstream: ["shelf"], trafficShare: 0.25 },
    causalTest: null,
    proposals: [],
    nextChecks: [],
    struckClaims: 0,
    mind: offline,
    cost: noCost,
    prompts: [],
    ...changed,
  };
}
