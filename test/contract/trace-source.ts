import { describe, expect, it } from "vitest";
import type { Span, TraceQuery, TraceSource } from "../../src/domain/telemetry.ts";
import { HOUR, MINUTE } from "../../src/domain/time.ts";

export const TRACES_FROM = Math.floor(Date.now() / HOUR) * HOUR - 3 * HOUR;
export const TRACES_RANGE = { from: TRACES_FROM, to: TRACES_FROM + HOUR };

const hex = (number: number, digits: number) => number.toString(16).padStart(digits, "0");

/** Ten requests: front calls shelf, shelf asks a store that sends nothing itself. The later, the slower; every fourth fails. */
export const RECORDED_SPANS: readonly Span[] = Array.from({ length: 10 }, (_, at) => {
  const traceId = hex(at + 1, 32);
  const start = TRACES_FROM + (at + 1) * MINUTE;
  const error = at % 4 === 3;
  const span = (id: number, parent: number | null, more: Partial<Span>): Span => ({
    traceId,
    spanId: hex(id, 16),
    parentId: parent === null ? null : hex(parent, 16),
    service: "front",
    operation: "GET /",
    kind: "server",
    start,
    duration: 100 + 10 * at,
    error,
    attributes: { "service.version": "2.0.1" },
    ...more,
  });
  return [
    span(1, null, {}),
    span(2, 1, { operation: "call", kind: "client", start: start + 5, duration: 80, error: false }),
    span(3, 2, {
      service: "shelf",
      operation: "GET /items",
      start: start + 6,
      duration: 70,
      attributes: { "feature_flag.key": "keys" },
    }),
    span(4, 3, {
      service: "shelf",
      operation: "SELECT",
      kind: "client",
      start: start + 7,
      duration: 40,
      error: false,
      attributes: { "server.address": "orders-db" },
    }),
  ];
}).flat();

/** What every source of traces must do, told of the same requests. */
export function traceSourceContract(open: () => TraceSource): void {
  const spans = (more: Partial<TraceQuery> = {}) => open().spans({ ...TRACES_RANGE, limit: 100, ...more });

  describe("as every source of traces", () => {
    it("gives whole spans", async () => {
      const traceId = hex(4, 32);
      const found = await spans({ traceId });
      const wanted = RECORDED_SPANS.filter((one) => one.traceId === traceId);
      expect(found.toSorted((a, b) => (a.spanId < b.spanId ? -1 : 1))).toMatchObject(wanted);
      expect(await spans({ traceId: hex(99, 32) })).toEqual([]);
    });

    it("narrows by service, duration, failure and time, slowest first", async () => {
      const front = await spans({ service: "front", minDuration: 150 });
      expect(front.map(({ duration }) => duration)).toEqual([190, 180, 170, 160, 150]);
      const failed = await spans({ service: "shelf", errorsOnly: true });
      expect(failed.map(({ operation }) => operation)).toEqual(["GET /items", "GET /items"]);
      expect(await spans({ service: "front", to: TRACES_FROM + 3 * MINUTE })).toHaveLength(4);
      expect(await spans({ service: "front", limit: 3 })).toHaveLength(3);
      expect(new Set((await spans()).map(({ service }) => service))).toEqual(new Set(["front", "shelf"]));
    });

    it("knows who calls whom", async () => {
      const edges = await open().dependencies(TRACES_RANGE);
      expect(edges.map(({ caller, callee }) => [caller, callee])).toContainEqual(["front", "shelf"]);
      expect(edges.every(({ calls }) => calls > 0)).toBe(true);
    });

    it("finds nothing by what would break out of a query", async () => {
      for (const text of ['" || true || "', "a}", "\\"]) expect(await spans({ service: text })).toEqual([]);
      expect(await spans({ traceId: "../../services" })).toEqual([]);
    });
  });
}
