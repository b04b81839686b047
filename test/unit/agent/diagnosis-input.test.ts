import { expect, it } from "vitest";
import { Session } from "../../../src/agent/session.ts";
import { diagnosisInput } from "../../../src/agent/tools/diagnosis-input.ts";
import type { AgentDependencies } from "../../../src/agent/types.ts";
import type { DiagnosisInput } from "../../../src/diagnosis/index.ts";
import { fromRecording, type Scenario } from "../../../src/flows/eval/index.ts";
import { openTelemetryStore } from "../../../src/store/telemetry/index.ts";

const STEP = 300;
const ONSET = 1_700_000_130;

it("hands the ranking what was recorded: a row for each sample of five minutes, and the trouble since the symptom", async () => {
  const rows = (from: number, count: number, level: number) => ({
    times: Float64Array.from({ length: count }, (_, row) => ONSET + from + row * STEP),
    columns: [{ service: "store", metric: "cpu", statistic: null, values: new Float64Array(count).fill(level) }],
  });
  const input: DiagnosisInput = {
    symptom: { service: null, metric: null, at: ONSET },
    before: rows(-40 * STEP - 60, 39, 20),
    during: rows(-60, 3, 80),
    graph: null,
  };
  const recorded = fromRecording({ id: "coarse", changes: [] } as unknown as Scenario, input);
  const store = await openTelemetryStore(":memory:");
  try {
    store.appendMetrics(recorded.metrics);
    const deps = { metrics: store, logs: store, traces: store, catalog: async () => [] } as unknown as AgentDependencies;
    const signal = new AbortController().signal;
    const session = new Session({
      deps,
      focus: { service: null, signal: null, direction: "up", onset: ONSET * 1_000, now: recorded.now },
      investigationId: "INV-1",
      requester: "test",
      signal,
      events: { onStep: () => {} },
      wall: () => 0,
    });
    const found = await diagnosisInput(["store"], { nodes: [], edges: [] }, session, signal);
    const { times } = found.during;
    const cpu = (table: DiagnosisInput["before"]) =>
      [...(table?.columns.find(({ metric }) => metric === "cpu")?.values ?? [])].filter(Number.isFinite);
    expect(times[1]).toBe((times[0] ?? 0) + STEP);
    expect(cpu(found.during)).toEqual([80, 80, 80]);
    const normal = cpu(found.before);
    expect(normal.length).toBeGreaterThanOrEqual(38);
    expect(new Set(normal)).toEqual(new Set([20]));
  } finally {
    store.close();
  }
});
