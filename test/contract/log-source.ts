import { describe, expect, it } from "vitest";
import type { LogQuery, LogRecord, LogSource } from "../../src/domain/telemetry.ts";
import { HOUR, MINUTE } from "../../src/domain/time.ts";

export const LOGS_FROM = Math.floor(Date.now() / HOUR) * HOUR - 3 * HOUR;
const RANGE = { from: LOGS_FROM, to: LOGS_FROM + HOUR };
const TRACE = "0af7651916cd43dd8448eb211c80319c";

const line = (minute: number, service: string, severity: LogRecord["severity"], body: string, traceId: string | null = null) =>
  ({ at: LOGS_FROM + minute * MINUTE, service, severity, body, attributes: { pod: `${service}-1` }, traceId }) as const;

/** What every backend under test holds. The last 2,500 share few moments, so that pages end within one. */
export const RECORDED_LINES: readonly LogRecord[] = [
  line(1, "shelf", "INFO", "served 40 requests"),
  line(2, "shelf", "WARN", "lookup missed for product 7", TRACE),
  line(3, "shelf", "ERROR", 'Timeout after 300 ms: "orders (a|b)"', TRACE),
  line(4, "till", "FATAL", "out of memory"),
  line(5, "till", "DEBUG", "cache warm"),
  ...Array.from({ length: 2_500 }, (_, at) => line(30 + Math.floor(at / 100), "bulk", "INFO", `row ${at} was read`)),
];

/** What every source of logs must do, told of the same lines. */
export function logSourceContract(open: () => LogSource): void {
  const bodies = async (more: Partial<LogQuery> = {}) =>
    (await open().logs({ ...RANGE, limit: 100, ...more })).map(({ body }) => body);

  describe("as every source of logs", () => {
    it("gives whole records, newest first", async () => {
      expect(await open().logs({ ...RANGE, service: "shelf", limit: 10 })).toMatchObject(
        RECORDED_LINES.filter(({ service }) => service === "shelf").toReversed(),
      );
    });

    it("narrows by service, severity, text, trace and time", async () => {
      expect(await bodies({ service: "till" })).toEqual(["cache warm", "out of memory"]);
      expect(await bodies({ minSeverity: "WARN" })).toEqual([
        "out of memory",
        'Timeout after 300 ms: "orders (a|b)"',
        "lookup missed for product 7",
      ]);
      expect(await bodies({ text: "LOOKUP missed" })).toEqual(["lookup missed for product 7"]);
      expect(await bodies({ text: "orders (a|b)" })).toHaveLength(1);
      expect(await bodies({ traceId: TRACE, service: "shelf" })).toHaveLength(2);
      expect(await bodies({ from: LOGS_FROM + 2 * MINUTE, to: LOGS_FROM + 4 * MINUTE })).toHaveLength(2);
    });

    it("stops at the limit, and goes through as many pages as that takes", async () => {
      expect(await bodies({ limit: 3 })).toEqual(
        ["row 2499 was read", "row 2498 was read", "row 2497 was read"].map(() => expect.stringMatching(/^row 24\d\d was read$/)),
      );
      const all = await bodies({ service: "bulk", limit: 2_400 });
      expect(new Set(all).size).toBe(2_400);
      expect(await bodies({ service: "bulk", limit: 5_000 })).toHaveLength(2_500);
    });

    it("finds nothing by what would break out of a query", async () => {
      for (const text of ['"} or {a=~".+', "`} | drop", '\\"', ".*"]) expect(await bodies({ service: text })).toEqual([]);
      expect(await bodies({ text: '.*" or "' })).toEqual([]);
      expect(await bodies({ traceId: '" or "a"="a' })).toEqual([]);
    });
  });
}
