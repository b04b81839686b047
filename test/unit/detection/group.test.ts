import { describe, expect, it } from "vitest";
import { groupAnomalies } from "../../../src/detection/index.ts";
import type { Anomaly } from "../../../src/domain/anomaly.ts";
import type { Incident } from "../../../src/domain/incident.ts";
import type { ServiceGraph } from "../../../src/domain/service.ts";
import { HOUR, MINUTE } from "../../../src/domain/time.ts";

const T0 = Date.UTC(2026, 2, 3, 2, 47);
const graph: ServiceGraph = {
  nodes: ["web", "api", "cart", "db", "mail"],
  edges: [
    { caller: "web", callee: "api", calls: 100 },
    { caller: "api", callee: "cart", calls: 50 },
    { caller: "cart", callee: "db", calls: 80 },
  ],
};

function anomaly(id: string, service: string, minutes: number, endedAfter: number | null = null): Anomaly {
  const startedAt = T0 + minutes * MINUTE;
  return {
    id,
    service,
    signal: "latency",
    labels: {},
    kind: "level",
    direction: "up",
    startedAt,
    detectedAt: startedAt + 8 * MINUTE,
    endedAt: endedAfter === null ? null : startedAt + endedAfter * MINUTE,
    observed: 0.112,
    expected: 0.1,
    relativeChange: 0.12,
    score: 1.1,
  };
}

const incident = (id: string, ...anomalies: Anomaly[]): Incident => ({
  id,
  state: "open",
  openedAt: anomalies[0]!.detectedAt,
  resolvedAt: null,
  services: [...new Set(anomalies.map(({ service }) => service))],
  anomalies,
  title: id,
});

describe("an anomaly and the incidents that are open", () => {
  it("opens a new incident when there is none", () => {
    expect(groupAnomalies([], anomaly("A1", "db", 0), graph)).toEqual({ kind: "new" });
  });

  it("joins the incident of a service that it reaches through others", () => {
    const grouping = groupAnomalies([incident("IN-1", anomaly("A1", "db", 0))], anomaly("A2", "web", 4), graph);
    expect(grouping).toMatchObject({ kind: "joined", incident: { id: "IN-1", services: ["db", "web"] } });
  });

  it("stays apart from a service that it neither calls nor is called by", () => {
    expect(groupAnomalies([incident("IN-1", anomaly("A1", "db", 0))], anomaly("A2", "mail", 1), graph)).toEqual({ kind: "new" });
  });

  it("stays apart from what was over long before", () => {
    const past = incident("IN-1", anomaly("A1", "db", -300, 20));
    expect(groupAnomalies([past], anomaly("A2", "cart", 0), graph)).toEqual({ kind: "new" });
  });

  it("joins what is still going on for two hours, not for a day", () => {
    const ongoing = incident("IN-1", anomaly("A1", "db", 0));
    expect(groupAnomalies([ongoing], anomaly("A2", "cart", 100), graph).kind).toBe("joined");
    expect(groupAnomalies([ongoing], { ...anomaly("A2", "cart", 0), startedAt: T0 + 24 * HOUR }, graph).kind).toBe("new");
  });

  it("chooses the incident nearest in time", () => {
    const open = [incident("IN-1", anomaly("A1", "db", 0)), incident("IN-2", anomaly("A2", "api", 25))];
    expect(groupAnomalies(open, anomaly("A3", "cart", 26), graph)).toMatchObject({ incident: { id: "IN-2" } });
  });

  it("is updated where it is known, and its end is nobody's when it is not", () => {
    const open = [incident("IN-1", anomaly("A1", "db", 0))];
    const ended = anomaly("A1", "db", 0, 40);
    expect(groupAnomalies(open, ended, graph)).toMatchObject({
      kind: "joined",
      incident: { anomalies: [{ endedAt: ended.endedAt }] },
    });
    expect(groupAnomalies([], ended, graph)).toEqual({ kind: "ignored" });
  });

  it("never joins a resolved incident", () => {
    const resolved: Incident = { ...incident("IN-1", anomaly("A1", "db", 0)), state: "resolved", resolvedAt: T0 + HOUR };
    expect(groupAnomalies([resolved], anomaly("A2", "db", 5), graph)).toEqual({ kind: "new" });
  });
});
