import { expect, it } from "vitest";
import type { DiagnosisInput, LogLine, Span } from "../../../src/diagnosis/index.ts";
import { sinceSymptom } from "../../../src/diagnosis/since-symptom.ts";

const AT = 1000;
const span = (trace: string, start: number): Span => ({
  trace,
  id: `${trace}-${start}`,
  parent: null,
  service: "web",
  operation: "GET /",
  start,
  duration: 1,
});
const line = (at: number, trace?: string): LogLine => ({ at, service: "web", message: `at ${at}`, trace });

function recorded(spans: readonly Span[], logs: readonly LogLine[]): DiagnosisInput {
  return {
    symptom: { service: null, metric: null, at: AT },
    before: null,
    during: { times: new Float64Array(), columns: [] },
    graph: null,
    spans: { before: [span("normal", 10)], during: spans },
    logs: { before: [line(10)], during: logs },
  };
}

it("keeps requests that began with the symptom or after it, whole, and nothing of earlier ones", () => {
  const { spans, logs } = sinceSymptom(
    recorded(
      [span("early", AT - 5), span("early", AT + 1), span("late", AT)],
      [line(AT + 2, "early"), line(AT + 3, "late"), line(AT - 1), line(AT + 4)],
    ),
  );
  expect(spans?.during.map(({ id }) => id)).toEqual(["late-1000"]);
  expect(logs?.during.map(({ at }) => at)).toEqual([AT + 3, AT + 4]);
  expect([spans?.before.length, logs?.before.length]).toEqual([1, 1]);
});

it("keeps the whole recording where hardly any of it is after the symptom", () => {
  const all = Array.from({ length: 20 }, (_, n) => line(AT - 19 + n));
  expect(sinceSymptom(recorded([], all)).logs?.during).toEqual(all);
});
