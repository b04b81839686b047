import { describe, expect, it } from "vitest";
import { type DiagnosisInput, type MetricTable, rankRootCauses } from "../../../src/diagnosis/index.ts";

const MINUTE = 60;
const FAULT_AT = 10_000 * MINUTE;

/** Five samples before the fault and five after; `level(row)` gives the value, `row` counting from the fault. */
function table(rows: readonly number[], series: Record<string, (row: number) => number>): MetricTable {
  return {
    times: Float64Array.from(rows, (row) => FAULT_AT + row * MINUTE),
    columns: Object.entries(series).map(([name, level]) => {
      const [service = "", metric = "", statistic = null] = name.split("|");
      return { service, metric, statistic, values: Float64Array.from(rows, level) };
    }),
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
const noise = (row: number, share: number) => 1 + share * Math.sin(row * 12.9898);

function incident(series: Record<string, (row: number) => number>, rest: Partial<DiagnosisInput> = {}): DiagnosisInput {
  return {
    symptom: { service: null, metric: null, at: FAULT_AT },
    before: table(range(-300, -20), series),
    during: table(range(-3, 6), series),
    graph: null,
    ...rest,
  };
}

const step =
  (from: number, to: number, share = 0.03) =>
  (row: number) =>
    (row < 0 ? from : to) * noise(row, share);

describe("ranking root causes", () => {
  it("blames the slow callee, not the callers that wait for it", () => {
    const [first, ...others] = rankRootCauses(
      incident(
        {
          "web|latency|Average": step(0.1, 0.5),
          "web|requests|Sum": step(1000, 1000),
          "orders|latency|Average": step(0.05, 0.45),
          "orders|requests|Sum": step(1000, 1000),
          "store|latency|Average": step(0.01, 0.41),
          "store|requests|Sum": step(1000, 1000),
          "proxy|latency|Average": step(0.02, 1.2),
          "proxy|requests|Sum": step(40, 40),
        },
        {
          symptom: { service: "web", metric: "latency", at: FAULT_AT },
          graph: {
            edges: [
              ["web", "orders"],
              ["web", "proxy"],
              ["orders", "store"],
            ],
          },
        },
      ),
    );
    expect(first?.service).toBe("store");
    expect(first?.reasons[0]).toMatch(/latency went from 0\.0\d+ to 0\.\d+ .*100 % of it is its own/);
    expect(others.map(({ service }) => service)).toContain("proxy");
  });

  describe("with holes in what was recorded", () => {
    const chain = {
      "web|availability|Average": step(100, 90, 0),
      "web|requests|Sum": step(1000, 1000),
      "orders|availability|Average": step(100, 80, 0),
      "orders|requests|Sum": step(500, 500),
      "store|availability|Average": step(100, 80, 0),
      "store|requests|Sum": step(500, 500),
      "proxy|availability|Average": step(100, 70, 0),
      "proxy|requests|Sum": step(20, 20),
    };
    const calls = [
      ["web", "orders"],
      ["orders", "store"],
      ["web", "proxy"],
    ] as const;
    const without = (...names: string[]) =>
      Object.fromEntries(Object.entries(chain).filter(([name]) => !names.some((one) => name.startsWith(one))));
    const ranked = (series: Record<string, (row: number) => number>, edges: readonly (readonly [string, string])[] = calls) =>
      rankRootCauses(
        incident(series, { symptom: { service: "web", metric: "availability", at: FAULT_AT }, graph: { edges } }),
      ).map(({ service }) => service);

    it("looks through a service on the way that does not show the symptom's metric", () => {
      expect(ranked(without("orders|availability"))[0]).toBe("store");
    });

    it("puts a callee that does not show it right behind the caller whose share nothing else explains", () => {
      expect(ranked(without("store|availability")).slice(0, 2)).toEqual(["orders", "store"]);
    });

    it("supposes requests like its neighbours' where nobody counts them", () => {
      expect(ranked(without("store|requests"))[0]).toBe("store");
    });

    it("still finds a failing service to which no known call leads", () => {
      expect(
        ranked(chain, [
          ["web", "proxy"],
          ["orders", "store"],
        ]).slice(0, 3),
      ).toContain("store");
    });

    it("takes the mean's move from the percentiles where the mean itself is missing", () => {
      const latency = {
        "web|latency|Average": step(0.1, 0.3),
        "web|requests|Sum": step(100, 100),
        "broad|latency|p50": step(0.02, 0.2),
        "broad|latency|p99": step(0.05, 0.3),
        "broad|requests|Sum": step(100, 100),
        "tail|latency|p50": step(0.02, 0.02),
        "tail|latency|p99": step(0.05, 0.5),
        "tail|requests|Sum": step(100, 100),
      };
      const edges = [
        ["web", "broad"],
        ["web", "tail"],
      ] as const;
      const symptom = { service: "web", metric: "latency", at: FAULT_AT };
      expect(rankRootCauses(incident(latency, { symptom, graph: { edges } }))[0]?.service).toBe("broad");
    });

    it("compares with the interval in which the trouble began where nothing earlier was recorded nearby", () => {
      const input = incident({});
      const other = table(range(-5_000, -4_700), { "drifted|cpu": step(20, 20), "faulty|cpu": step(20, 20) });
      const during = table(range(0, 6), { "drifted|cpu": step(60, 60), "faulty|cpu": (row) => (row < 1 ? 60 : 90) });
      const [first] = rankRootCauses({ ...input, symptom: { ...input.symptom, at: FAULT_AT + 30 }, before: other, during });
      expect(first?.service).toBe("faulty");
    });
  });

  it("does not let a drift since the recorded normal time, or a noisy series, outweigh a fresh change", () => {
    const before = { "steady|cpu": step(20, 20), "drifted|memory": step(40, 40), "noisy|network": step(1e6, 1e6, 0.9) };
    const during = { "steady|cpu": step(20, 85), "drifted|memory": step(70, 70), "noisy|network": step(1e6, 2.2e6, 0.9) };
    const ranking = rankRootCauses({
      ...incident({}),
      before: table(range(-300, -20), before),
      during: table(range(-3, 6), during),
    });
    expect(ranking[0]?.service).toBe("steady");
    expect(ranking.find(({ service }) => service === "drifted")?.score).toBe(0);
  });

  it("suspects the callee whose share of the calls fits the percentiles that moved, though it sees nothing itself", () => {
    const [first] = rankRootCauses(
      incident(
        {
          "web|client latency p90": step(0.05, 0.05),
          "web|client latency p99": step(0.2, 2),
          "often|requests": step(95, 95),
          "often|server latency p90": step(0.02, 0.02),
          "seldom|requests": step(5, 5),
          "seldom|server latency p90": step(0.02, 0.02),
        },
        {
          graph: {
            edges: [
              ["web", "often"],
              ["web", "seldom"],
            ],
          },
        },
      ),
    );
    expect(first?.service).toBe("seldom");
    expect(first?.reasons.join()).toContain("all its callers (web) wait longer");
  });

  it("learns the calls from spans and blames the callee that logs the error, not the caller that repeats it", () => {
    const spans = (count: number, period: string) =>
      range(0, count).flatMap((n) => {
        const trace = `${period}${n}`;
        const span = { trace, start: FAULT_AT, duration: 0.1 };
        return [
          { ...span, id: `${trace}-a`, parent: null, service: "web", operation: "POST /buy" },
          { ...span, id: `${trace}-b`, parent: `${trace}-a`, service: "orders", operation: "place" },
        ];
      });
    const logs = (count: number, period: string, failing: boolean) =>
      range(0, count).flatMap((n) => {
        const line = { at: FAULT_AT, trace: `${period}${n}` };
        return failing
          ? [
              { ...line, service: "web", message: `ERROR call ${n} to orders failed` },
              { ...line, service: "orders", message: `ERROR order ${n} cannot be written` },
            ]
          : [{ ...line, service: "orders", message: `INFO order ${n} written` }];
      });
    const ranking = rankRootCauses(
      incident(
        { "web|cpu": step(20, 20), "orders|cpu": step(20, 20) },
        {
          spans: { before: spans(40, "b"), during: spans(40, "d") },
          logs: { before: logs(40, "b", false), during: logs(40, "d", true) },
        },
      ),
    );
    expect(ranking.map(({ service }) => service)).toEqual(["orders", "web"]);
    expect(ranking[0]?.reasons.join("\n")).toContain(
      'log "ERROR order <*> cannot be written" 40 times where 0 were to be expected',
    );
    expect(ranking[0]?.reasons.join("\n")).toContain('log "INFO order <*> written" 0 times where 40 were to be expected');
  });

  it("lists every service even where nothing moved and there is no normal time to compare with", () => {
    const ranking = rankRootCauses({ ...incident({ "a|cpu": step(20, 20), "b|cpu": step(20, 20) }), before: null });
    expect(ranking.map(({ score }) => score)).toEqual([0, 0]);
    expect(ranking[0]?.reasons).toEqual(["nothing of it left its normal behaviour"]);
  });
});
