import { describe, expect, it } from "vitest";
import type { MetricInfo, MetricQuery, Series } from "../../../src/domain/telemetry.ts";
import { DAY, HOUR, MINUTE } from "../../../src/domain/time.ts";
import { ExhaustionWatch } from "../../../src/flows/exhaustion.ts";
import type { KeptPicture } from "../../../src/flows/ports.ts";
import { normal, uniform } from "../detection/simulate.ts";

const START = Date.UTC(2026, 0, 5);
const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** A pool whose use follows `course`, of which 50 connections is the most. */
function world(course: (at: number) => number) {
  const memory = new Map<string, unknown>();
  const said: string[] = [];
  const shown: KeptPicture[] = [];
  const kept: string[] = [];
  const infos: MetricInfo[] = ["db.pool.connections.active", "db.pool.connections.max"].map((metric) => ({
    metric,
    kind: "gauge",
    unit: "{connection}",
    services: ["orders"],
    labelKeys: ["pool"],
  }));
  const query = async ({ metric, from, to, step }: MetricQuery): Promise<Series[]> => {
    const points = [];
    for (let at = Math.ceil(from / step) * step; at < to; at += step)
      points.push({ at, value: metric.endsWith("max") ? 50 : course(at) });
    return [{ metric, service: "orders", labels: { pool: "main" }, unit: "{connection}", points }];
  };
  const deps = {
    metrics: { services: async () => ["orders"], metrics: async () => infos, query },
    memory: {
      remember: async (key: string, value: unknown) => void memory.set(key, value),
      recall: async <T>(key: string) => (memory.get(key) ?? null) as T | null,
      forget: async (prefix: string) =>
        void [...memory.keys()].filter((key) => key.startsWith(prefix)).map((key) => memory.delete(key)),
    },
    channel: {
      tell: async (_: string | null, text: string, picture?: KeptPicture | null) => {
        said.push(text);
        if (picture) shown.push(picture);
      },
    },
    pictures: { saveAnswerPicture: async (key: string) => void kept.push(key) },
    log: silent,
    step: MINUTE,
  };
  return { deps, said, shown, kept };
}

describe("the watch over what runs full", () => {
  const began = START + 14 * DAY;
  const healed = began + 6 * HOUR;
  const course = (at: number) => (at >= began && at < healed ? 12 + ((at - began) / HOUR) * 6 : 12);

  it("tells a leak well before it is full, again when it is urgent, and when it is over; a restart repeats nothing", async () => {
    const { deps, said, shown, kept } = world(course);
    let watch = new ExhaustionWatch(deps);
    for (let at = began; at < healed + 3 * HOUR; at += 10 * MINUTE) {
      if (at === began + 5 * HOUR) watch = new ExhaustionWatch(deps);
      await watch.look(at, 0.02);
    }
    expect(said).toHaveLength(3);
    expect(said[0]).toMatch(
      /orders: db\.pool\.connections\.active \(pool=main\) is at \d+ % and will be full about \d\d:\d\d UTC, in \d/,
    );
    expect(said[0]).toMatch(/points an hour/);
    // Each has its picture, kept before it is told; that it is over is told in words.
    expect(shown.map(({ key }) => key)).toEqual(kept);
    expect(new Set(kept).size).toBe(2);
    const [first] = shown.map(({ picture }) => picture);
    expect(first?.limit).toEqual({ value: 1, label: "full" });
    expect(first?.anomalyFrom).toBeGreaterThan(began - HOUR);
    expect(first?.points.at(-1)?.value).toBeLessThan(0.9);
    expect(first?.band.at(-1)?.expected).toBeCloseTo(1, 1);
    expect(first?.alt).toMatch(/used since .* UTC and what to expect: full likeliest at .*, with 80 % between/);
    expect(said[1]).toMatch(/^⏳ Still filling, and soon full/);
    expect(said[2]).toMatch(/down to 24 % and no longer about to run full/);
  });

  it("does not take back and tell again what noise moves over the edge of certainty", async () => {
    const noise = normal(uniform(1));
    const noises = new Map<number, number>();
    const shaken = (at: number) => {
      const slot = Math.floor(at / MINUTE);
      if (!noises.has(slot)) noises.set(slot, 0.8 * noise());
      return noises.get(slot) ?? 0;
    };
    const { deps, said } = world((at) => 20 + (0.5 * Math.max(0, at - began)) / HOUR + shaken(at));
    const watch = new ExhaustionWatch(deps);
    for (let at = began + 20 * HOUR; at < began + 30 * HOUR; at += 10 * MINUTE) await watch.look(at, 0.02);
    expect(said).toHaveLength(1);
  });

  it("is silent over a pool that breathes with the day, and survives a source that fails", async () => {
    const { deps, said } = world((at) => 25 + 15 * Math.sin((2 * Math.PI * at) / DAY));
    const failing = { ...deps, metrics: { ...deps.metrics, query: () => Promise.reject(new Error("down")) } };
    const broken = new ExhaustionWatch(failing);
    await broken.look(began, 0.02);
    const watch = new ExhaustionWatch(deps);
    expect(await watch.discover(began)).toBe(1);
    for (let at = began; at < began + DAY; at += HOUR) await watch.look(at, 0.02);
    expect(said).toEqual([]);
  });

  it("tells in words what it cannot keep a picture of", async () => {
    const { deps, said, shown } = world(course);
    const watch = new ExhaustionWatch({ ...deps, pictures: { saveAnswerPicture: () => Promise.reject(new Error("disk full")) } });
    for (let at = began; at < began + 4 * HOUR; at += 10 * MINUTE) await watch.look(at, 0.02);
    expect(said.length).toBeGreaterThan(0);
    expect(shown).toEqual([]);
  });
});
