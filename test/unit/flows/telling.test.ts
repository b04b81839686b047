import { describe, expect, it } from "vitest";
import { followsChange, isTelling } from "../../../src/flows/telling.ts";
import { NO_PATIENCE, type Patience } from "../../../src/learning/thresholds.ts";
import { anomaly } from "../../support/domain-samples.ts";

const MINUTE = 60_000;
const AT = Date.UTC(2026, 0, 5, 12);
const graph = {
  nodes: ["edge", "shelf", "store"],
  edges: [
    { caller: "edge", callee: "shelf", calls: 1 },
    { caller: "shelf", callee: "store", calls: 1 },
  ],
};
const off = (service: string, relativeChange = 0.3) =>
  anomaly({ id: service, service, signal: "latency", startedAt: AT - 6 * MINUTE, detectedAt: AT, endedAt: null, relativeChange });
const waits: Patience = { wait: 20 * MINUTE, unless: 0.6 };

describe("when an anomaly is told", () => {
  const told = (service: string, after: number, noisy: string, open = [off("edge"), off("store")]) =>
    isTelling(off(service), AT + after * MINUTE, {
      open,
      graph,
      patience: (course) => (course.service === noisy ? waits : NO_PATIENCE),
    });

  it("is at once, unless its like was noise; then when it lasts", () => {
    expect(told("edge", 0, "elsewhere")).toBe(true);
    expect(told("store", 19, "store")).toBe(false);
    expect(told("store", 20, "store")).toBe(true);
  });

  it("waits with a caller while a callee is off whose like was noise, however far down, and not with a callee for its caller", () => {
    expect(told("edge", 5, "store")).toBe(false);
    expect(told("edge", 5, "store", [off("edge")])).toBe(true);
    expect(told("store", 5, "edge")).toBe(true);
  });

  it("is at once where it is far larger than that noise was", () => {
    expect(isTelling(off("store", 0.7), AT, { open: [], graph, patience: () => waits })).toBe(true);
    expect(isTelling(off("store", -0.7), AT, { open: [], graph, patience: () => waits })).toBe(true);
  });
});

describe("what follows a change", () => {
  const changed = (service: string[], minutes: number) => [{ at: AT - 6 * MINUTE + minutes * MINUTE, services: service }];
  const follows = (changes: ReturnType<typeof changed>, open = [off("edge"), off("store")]) =>
    followsChange(off("edge"), open, graph, changes);

  it("began within half an hour of one in its service, or in a callee that is off as well", () => {
    expect(follows(changed(["edge"], -29))).toBe(true);
    expect(follows(changed(["edge"], -31))).toBe(false);
    expect(follows(changed(["edge"], 4))).toBe(true);
    expect(follows(changed(["edge"], 6))).toBe(false);
    expect(follows(changed(["store"], -5))).toBe(true);
    expect(follows(changed(["store"], -5), [off("edge")])).toBe(false);
    expect(follows(changed(["shelf"], -5))).toBe(false);
  });

  it("may be due to a change of which nobody knows what it touches", () => {
    expect(follows(changed([], -5))).toBe(true);
  });
});
