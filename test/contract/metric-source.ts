import { describe, expect, it } from "vitest";
import type { MetricBatch } from "../../src/demo/export.ts";
import { type MetricSource, type RedSignal, SourceError } from "../../src/domain/telemetry.ts";
import { HOUR, MINUTE, SECOND } from "../../src/domain/time.ts";

/** Half an hour of two services, of which one gets slower and fails from its twentieth minute on. A sample every fifteen seconds. */
export const T0 = Math.floor(Date.now() / HOUR) * HOUR - 2 * HOUR;
export const MINUTES = 30;
export const SAMPLE_EVERY = 15 * SECOND;
const TURN = 20;
export const RANGE = { from: T0, to: T0 + MINUTES * MINUTE };

const NAME = "http.server.request.duration";
const BOUNDS = [0.1, 0.5];
const QUARTERS = MINUTE / SAMPLE_EVERY;

/** What happened in the fifteen seconds before each sample; the first has nothing yet, as a process that has just started. */
export function recordedSamples(): { at: number; batches: MetricBatch[]; jobs: number }[] {
  return Array.from({ length: MINUTES * QUARTERS + 1 }, (_, index) => {
    const at = T0 + index * SAMPLE_EVERY;
    const minute = (index - 1) / QUARTERS;
    const late = minute >= TURN;
    const part = index === 0 ? 0 : 1 / QUARTERS;
    const requests = (service: string, labels: Record<string, string>, buckets: number[], sum: number): MetricBatch => ({
      service,
      name: NAME,
      unit: "s",
      bounds: BOUNDS,
      histogram: [
        {
          at,
          labels,
          count: buckets.reduce((total, one) => total + one, 0) * part,
          sum: sum * part,
          buckets: buckets.map((one) => one * part),
        },
      ],
    });
    const live = { "traffic.cohort": "live" };
    const ok = { "http.response.status_code": "200" };
    return {
      at,
      jobs: 8 * part,
      batches: [
        requests("shelf", { ...ok, ...live }, [32, 8, 0], late ? 8 : 4),
        requests("shelf", { "http.response.status_code": "500", ...live }, [0, late ? 12 : 0, 0], late ? 2.4 : 0),
        requests("shelf", { ...ok, "traffic.cohort": "test" }, [20, 0, 0], 1),
        requests("till", { ...ok, ...live }, [12, 0, 0], 0.6),
        {
          service: "shelf",
          name: "process.memory.usage",
          unit: "By",
          gauge: [{ at, labels: { pod: "a" }, value: 1_000 + Math.max(0, Math.floor(minute)) }],
        },
        { service: "shelf", name: "process.memory.usage", unit: "By", gauge: [{ at, labels: { pod: "b" }, value: 500 }] },
      ],
    };
  });
}

export interface MetricSourceUnderTest {
  readonly source: MetricSource;
  /** What the backend calls the three metrics, and how it writes attributes. */
  readonly names: { readonly duration: string; readonly memory: string; readonly jobs: string };
}

/** What every source of metrics must do, told of the same half hour. */
export function metricSourceContract(open: () => MetricSourceUnderTest): void {
  const red = async (service: string, signal: RedSignal, labels?: Record<string, string>) =>
    (await open().source.red({ service, signal, step: MINUTE, ...RANGE, ...(labels ? { labels } : {}) })).points;
  const level = (points: readonly { value: number }[]) => [points[5]?.value, points[25]?.value];
  const close = (found: readonly (number | undefined)[], wanted: readonly number[]) => {
    expect(found).toHaveLength(wanted.length);
    found.forEach((value, at) => {
      expect(value).toBeCloseTo(wanted[at] ?? Number.NaN, 4);
    });
  };

  describe("as every source of metrics", () => {
    it("knows the services and what they report", async () => {
      const { source, names } = open();
      expect(await source.services()).toEqual(["shelf", "till"]);
      const infos = await source.metrics("shelf");
      expect(infos.map(({ metric, kind, unit }) => [metric, kind, unit])).toEqual(
        expect.arrayContaining([
          [names.duration, "histogram", "s"],
          [names.memory, "gauge", "By"],
          [names.jobs, "sum", expect.any(String)],
        ]),
      );
      expect(infos.find(({ metric }) => metric === names.memory)?.labelKeys).toContain("pod");
      expect((await source.metrics("till")).map(({ metric }) => metric)).toEqual([names.duration]);
      expect(await source.metrics("nobody")).toEqual([]);
    });

    it("gives one value a step, at the step's start", async () => {
      const points = await red("shelf", "rate");
      expect(points.map(({ at }) => (at - T0) / MINUTE)).toEqual(Array.from({ length: MINUTES }, (_, minute) => minute));
    });

    it("computes rate, failures, mean and 95th percentile of requests", async () => {
      close(level(await red("shelf", "rate")), [1, 1.2]);
      close(level(await red("shelf", "errors")), [0, 12 / 72]);
      close(level(await red("shelf", "latency")), [5 / 60, 11.4 / 72]);
      close(level(await red("shelf", "latency_p95")), [0.1 + (0.4 * 5) / 8, 0.1 + (0.4 * 16.4) / 20]);
      close(level(await red("till", "errors")), [0, 0]);
    });

    it("narrows to one cohort of the traffic", async () => {
      close(level(await red("shelf", "latency", { "traffic.cohort": "test" })), [0.05, 0.05]);
      close(level(await red("shelf", "errors", { "traffic.cohort": "live" })), [0, 12 / 52]);
    });

    it("reads other metrics by statistic, split by labels", async () => {
      const { source, names } = open();
      const ask = (metric: string, statistic: Parameters<MetricSource["query"]>[0]["statistic"], groupBy: string[] = []) =>
        source.query({ metric, service: "shelf", statistic, step: MINUTE, groupBy, ...RANGE });
      const [memory] = await ask(names.memory, "max");
      expect(memory).toMatchObject({ metric: names.memory, service: "shelf", labels: {}, unit: "By" });
      close(level(memory?.points ?? []), [1_005, 1_025]);
      const pods = await ask(names.memory, "avg", ["pod"]);
      expect(pods.map(({ labels }) => labels.pod).sort()).toEqual(["a", "b"]);
      close(level(pods.find(({ labels }) => labels.pod === "b")?.points ?? []), [500, 500]);
      close(level((await ask(names.jobs, "rate"))[0]?.points ?? []), [8 / 60, 8 / 60]);
      close(level((await ask(names.jobs, "sum"))[0]?.points ?? []), [8, 8]);
      const statuses = await ask(names.duration, "rate", ["http.response.status_code"]);
      const failed = statuses.find(({ labels }) => labels["http.response.status_code"] === "500");
      close(level(failed?.points ?? []), [0, 0.2]);
      close(level((await ask(names.duration, "avg"))[0]?.points ?? []), [5 / 60, 11.4 / 72]);
      close(level((await ask(names.duration, "p95"))[0]?.points ?? []), [0.35, 0.1 + (0.4 * 16.4) / 20]);
    });

    it("has nothing to say of what it does not know, however it is spelled", async () => {
      for (const service of ["nobody", 'shelf"} or up{x="', "shelf|till", ".*", "a\nb\\"]) {
        expect(await red(service, "rate")).toEqual([]);
        expect(await open().source.metrics(service)).toEqual([]);
      }
      expect(await red("shelf", "rate", { "traffic.cohort": 'live"} or on() vector(1) or x{y="' })).toEqual([]);
    });

    it("refuses what has no meaning, as a failure of the source", async () => {
      const { source, names } = open();
      const ask = (more: object) =>
        source.query({ metric: names.memory, service: "shelf", statistic: "avg", step: MINUTE, ...RANGE, ...more });
      await expect(ask({ statistic: "p95" })).rejects.toThrow(SourceError);
      await expect(ask({ statistic: "rate" })).rejects.toThrow(/gauge/);
      await expect(ask({ step: 1 })).rejects.toThrow(/step/);
      await expect(ask({ from: RANGE.to, to: RANGE.from })).rejects.toThrow(SourceError);
      await expect(ask({ from: RANGE.to - 365 * 24 * HOUR })).rejects.toThrow(/steps/);
    });
  });
}
