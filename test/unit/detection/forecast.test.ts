import { describe, expect, it } from "vitest";
import { forecastExhaustion } from "../../../src/detection/index.ts";
import type { MetricPoint } from "../../../src/domain/telemetry.ts";
import { DAY, HOUR, MINUTE } from "../../../src/domain/time.ts";
import { normal, START, uniform } from "./simulate.ts";

const NOW = START + 14 * DAY;
const options = { capacity: 1, falseAlarmsPerWeek: 0.02, step: MINUTE };

/** Two weeks as the watcher reads them: every quarter of an hour, and the last three hours by the minute. */
function record(value: (at: number) => number): MetricPoint[] {
  const points: MetricPoint[] = [];
  for (let at = START; at < NOW - 3 * HOUR; at += 15 * MINUTE) points.push({ at, value: value(at) });
  for (let at = NOW - 3 * HOUR; at < NOW; at += MINUTE) points.push({ at, value: value(at) });
  return points;
}

const noise = normal(uniform(5));
const wave = (at: number) => Math.sin((2 * Math.PI * (at - START)) / DAY);

describe("a resource that fills up", () => {
  it("is told with the time at which it will be full, and an interval around it", () => {
    const began = NOW - 8 * HOUR;
    const perHour = 0.03;
    const found = forecastExhaustion(
      record((at) => 0.4 + 0.005 * noise() + Math.max(0, at - began) * (perHour / HOUR)),
      options,
    );
    const full = began + (0.6 / perHour) * HOUR;
    expect(found?.perHour).toBeCloseTo(perHour, 2);
    expect(Math.abs((found?.likely ?? 0) - full)).toBeLessThan(1.5 * HOUR);
    expect(found?.earliest).toBeLessThan(found?.likely ?? 0);
    expect(found?.latest).toBeGreaterThan(found?.likely ?? 0);
    expect(found?.since).toBeGreaterThanOrEqual(began - HOUR);
  });

  it("is told for a disk in any unit, whose free space is not even near its end", () => {
    const began = NOW - 5 * DAY;
    const capacity = 500e9;
    const found = forecastExhaustion(
      record((at) => 100e9 + (Math.max(0, at - began) / DAY) * 40e9),
      { ...options, capacity },
    );
    const full = began + 10 * DAY;
    expect(Math.abs((found?.likely ?? 0) - full)).toBeLessThan(6 * HOUR);
  });

  it("counts from the last time that something was cleaned up", () => {
    const cleaned = NOW - 10 * HOUR;
    const found = forecastExhaustion(
      record((at) => (at < cleaned ? 0.5 : 0.1 + ((at - cleaned) / HOUR) * 0.06)),
      options,
    );
    expect(found?.perHour).toBeCloseTo(0.06, 2);
    expect(found?.since).toBeGreaterThanOrEqual(cleaned - HOUR);
  });
});

describe("nothing is told", () => {
  it.each([
    { name: "of a level that stays", value: (_: number) => 0.9 + 0.01 * noise() },
    { name: "of a morning that comes every day", value: (at: number) => 0.6 + 0.35 * wave(at) },
    { name: "of a file that was put there once", value: (at: number) => (at < NOW - 5 * HOUR ? 0.3 : 0.7) },
    {
      name: "of what has been as full before and came down by itself",
      value: (at: number) => 0.2 + 0.6 * (((at - START) / (9.3 * HOUR)) % 1),
    },
    { name: "of a level that falls", value: (at: number) => 0.9 - ((at - START) / DAY) * 0.03 },
    { name: "of what is full already", value: (_: number) => 1 },
  ])("$name", ({ value }) => {
    expect(forecastExhaustion(record(value), options)).toBeNull();
  });

  it("before the course of a day has been seen, or of nothing", () => {
    const climbing = record((at) => 0.1 + ((at - START) / DAY) * 0.06);
    expect(forecastExhaustion(climbing, options)).not.toBeNull();
    expect(forecastExhaustion(climbing.slice(-200), options)).toBeNull();
    expect(forecastExhaustion([], options)).toBeNull();
  });
});
