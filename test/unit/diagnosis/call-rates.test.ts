import { expect, it } from "vitest";
import { callsPerRequest } from "../../../src/diagnosis/call-rates.ts";
import { walkable } from "../../../src/diagnosis/graph.ts";
import type { MetricTable } from "../../../src/diagnosis/index.ts";

const MINUTES = 300;
const graph = walkable({
  edges: [
    ["web", "store"],
    ["batch", "store"],
  ],
});

/** `web` follows the day, `batch` its own rhythm; the store gets three calls from each request of the web and one from each of the batch. */
function traffic(minutes: number): MetricTable {
  const minute = Array.from({ length: minutes }, (_, n) => n);
  const web = minute.map((n) => 50 + 20 * Math.sin(n / 60));
  const batch = minute.map((n) => 5 + 4 * Math.cos(n / 7));
  const store = minute.map((n) => 3 * (web[n] ?? 0) + (batch[n] ?? 0) + Math.sin(n * 12.9898));
  const column = (service: string, values: number[]) => ({
    service,
    metric: "requests",
    statistic: null,
    values: Float64Array.from(values),
  });
  return { times: Float64Array.from(minute), columns: [column("web", web), column("batch", batch), column("store", store)] };
}

it("tells from normal traffic how many calls each caller's request makes", () => {
  const calls = callsPerRequest(traffic(MINUTES), graph);
  expect(calls("web", "store")).toBeCloseTo(3, 1);
  expect(calls("batch", "store")).toBeCloseTo(1, 0);
});

it("does not tell without a normal time, or from a handful of samples, or of services that do not call", () => {
  expect(callsPerRequest(null, graph)("web", "store")).toBeNull();
  expect(callsPerRequest(traffic(10), graph)("web", "store")).toBeNull();
  expect(callsPerRequest(traffic(MINUTES), graph)("store", "web")).toBeNull();
});
