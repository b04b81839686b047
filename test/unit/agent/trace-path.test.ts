import { expect, it } from "vitest";
import { criticalPath } from "../../../src/agent/statistics/trace-path.ts";
import type { Span } from "../../../src/domain/telemetry.ts";

const span = (spanId: string, parentId: string | null, service: string, start: number, duration: number): Span => ({
  traceId: "t",
  spanId,
  parentId,
  service,
  operation: "do",
  kind: "server",
  start,
  duration,
  error: false,
  attributes: {},
});

it("follows the child that ends last, and takes overlapping children once out of a span's own time", () => {
  const spans = [
    span("a", null, "web", 0, 100),
    span("b", "a", "auth", 0, 20),
    span("c", "a", "orders", 10, 80),
    span("d", "c", "db", 15, 60),
    span("e", "c", "cache", 20, 10),
  ];
  const path = criticalPath(spans).map(({ span: one, depth, self }) => [one.service, depth, self]);
  expect(path).toEqual([
    ["web", 0, 10],
    ["orders", 1, 20],
    ["db", 2, 60],
  ]);
});

it("starts at the longest span whose parent is not there, and ends also when spans claim each other", () => {
  expect(criticalPath([span("b", "lost", "x", 0, 5), span("c", "lost", "y", 0, 9)]).map(({ span: one }) => one.service)).toEqual([
    "y",
  ]);
  expect(criticalPath([span("a", "b", "x", 0, 5), span("b", "a", "y", 0, 5)])).toEqual([]);
  expect(criticalPath([])).toEqual([]);
});
