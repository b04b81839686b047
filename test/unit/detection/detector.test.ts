import { describe, expect, it } from "vitest";
import { createDetector, type DetectorOptions, type Observation, restoreDetector } from "../../../src/detection/index.ts";
import type { MetricPoint } from "../../../src/domain/telemetry.ts";
import { DAY, HOUR, MINUTE } from "../../../src/domain/time.ts";
import { START, simulate, uniform } from "./simulate.ts";

const latency: DetectorOptions = { step: MINUTE, kind: "latency", falseAlarmsPerWeek: 0.1 };

/** Two weeks of history, and the day after it. */
function trained(options: DetectorOptions, points: readonly MetricPoint[]) {
  const detector = createDetector(options);
  detector.train(points.filter(({ at }) => at < START + 14 * DAY));
  return { detector, next: points.filter(({ at }) => at >= START + 14 * DAY) };
}

const from = (hour: number, points: readonly MetricPoint[], change: (value: number) => number, hours = 24): MetricPoint[] =>
  points.map(({ at, value }) => {
    const since = at - START - 14 * DAY - hour * HOUR;
    return { at, value: since >= 0 && since < hours * HOUR ? change(value) : value };
  });

const observeAll = (detector: ReturnType<typeof createDetector>, points: readonly MetricPoint[]): Observation[] =>
  points.map((point) => detector.observe(point));

describe("a small shift that lasts", () => {
  it.each([
    { name: "latency up 12 %", kind: "latency", factor: 1.12, direction: "up" },
    { name: "traffic down 12 %", kind: "rate", factor: 0.88, direction: "down" },
  ] as const)("is found within 20 minutes: $name at 5 % noise", ({ kind, factor, direction }) => {
    const { detector, next } = trained({ ...latency, kind }, simulate({ seed: 3, days: 15, noise: 0.05 }));
    const seen = observeAll(
      detector,
      from(9, next, (value) => value * factor, 2),
    );
    const [found, ...more] = seen.filter(({ change }) => change !== null);
    const began = START + 14 * DAY + 9 * HOUR;
    expect(found?.change?.direction).toBe(direction);
    expect(found?.change?.detectedAt).toBeGreaterThanOrEqual(began);
    expect(found?.change?.detectedAt).toBeLessThan(began + 20 * MINUTE);
    expect(Math.abs((found?.change?.startedAt ?? 0) - began)).toBeLessThan(10 * MINUTE);
    expect(found?.change?.relativeChange).toBeCloseTo(factor - 1, 1);
    expect(more).toEqual([]);
    const ended = seen.find((observation) => observation.ended)?.ended;
    expect(ended?.reason).toBe("recovered");
    expect(ended?.endedAt).toBeGreaterThanOrEqual(began + 2 * HOUR);
    expect(ended?.endedAt).toBeLessThan(began + 2 * HOUR + 30 * MINUTE);
  });

  it("is held against the old baseline until it has lasted a day, and is normal from then on", () => {
    const { detector, next } = trained(latency, simulate({ seed: 4, days: 17, noise: 0.05 }));
    const seen = observeAll(
      detector,
      from(2, next, (value) => value * 1.3, 100),
    );
    const ends = seen.flatMap(({ ended }) => ended ?? []);
    expect(ends.map(({ reason }) => reason)).toEqual(["accepted"]);
    expect(ends[0]?.relativeChange).toBeCloseTo(0.3, 1);
    expect(seen.at(-1)?.state).toBe("normal");
  });
});

describe("normal days", () => {
  it("raise no more than the budget, over ten series and a week each", () => {
    let alarms = 0;
    for (let seed = 10; seed < 20; seed++) {
      const { detector, next } = trained({ ...latency, kind: "rate" }, simulate({ seed, days: 21, noise: 0.05 }));
      alarms += observeAll(detector, next).filter(({ change }) => change !== null).length;
    }
    // One is due at 0.1 a week; more than four would be due by chance in less than one of 250 such tests.
    expect(alarms).toBeLessThanOrEqual(4);
  });

  it("lie inside the band about 95 times of 100, which follows the hour of the day", () => {
    const { detector, next } = trained(latency, simulate({ seed: 5, days: 15, noise: 0.05 }));
    const bands = detector.band(START + 14 * DAY, START + 15 * DAY);
    expect(bands).toHaveLength(1_440);
    const inside = bands.filter(({ lower, upper }, index) => next[index]!.value >= lower && next[index]!.value <= upper).length;
    expect(inside / bands.length).toBeGreaterThan(0.92);
    expect(inside / bands.length).toBeLessThan(0.98);
    const expected = bands.map((band) => band.expected);
    expect(Math.max(...expected) / Math.min(...expected)).toBeGreaterThan(1.8);
  });

  it("forgive a deploy blip of three minutes", () => {
    const { detector, next } = trained(latency, simulate({ seed: 6, days: 15, noise: 0.05 }));
    const seen = observeAll(
      detector,
      from(11, next, (value) => value * 1.2, 3 / 60),
    );
    expect(seen.filter(({ change }) => change !== null)).toEqual([]);
  });
});

describe("other kinds of change", () => {
  it("a single wild sample is a spike", () => {
    const { detector, next } = trained(latency, simulate({ seed: 7, days: 15, noise: 0.05 }));
    const found = observeAll(
      detector,
      from(6, next, (value) => value * 3, 1 / 60),
    ).flatMap(({ change }) => change ?? []);
    expect(found.map(({ kind, direction }) => ({ kind, direction }))).toEqual([{ kind: "spike", direction: "up" }]);
  });

  it("a slow climb is a trend", () => {
    const { detector, next } = trained({ ...latency, kind: "gauge" }, simulate({ seed: 8, days: 15, noise: 0.05 }));
    const climbing = next.map((point, index) => ({ ...point, value: point.value * (1 + Math.max(0, index - 120) * 0.001) }));
    const found = observeAll(detector, climbing).flatMap(({ change }) => change ?? []);
    expect(found[0]).toMatchObject({ direction: "up" });
    expect(["trend", "level"]).toContain(found[0]?.kind);
  });

  it("noise that grows fourfold without a shift is a change of variance", () => {
    const random = uniform(9);
    const { detector, next } = trained(latency, simulate({ seed: 9, days: 15, noise: 0.02, autocorrelation: 0 }));
    const wild = from(5, next, (value) => value * (1 + 0.13 * (random() < 0.5 ? -1 : 1) * (0.4 + 0.2 * random())), 3);
    const found = observeAll(detector, wild).flatMap(({ change }) => change ?? []);
    expect(found.map(({ kind }) => kind)).toContain("variance");
  });

  it("and is over within the hour after the series is calm again", () => {
    const random = uniform(9);
    const { detector, next } = trained(latency, simulate({ seed: 9, days: 15, noise: 0.02, autocorrelation: 0 }));
    const wildFor = 60;
    const wild = next.map((point, index) =>
      index >= 300 && index < 300 + wildFor
        ? { ...point, value: point.value * (1 + 0.13 * (random() < 0.5 ? -1 : 1) * (0.4 + 0.2 * random())) }
        : point,
    );
    const seen = observeAll(detector, wild);
    expect(seen.some(({ change }) => change?.kind === "variance")).toBe(true);
    expect(seen.slice(300 + wildFor + 60).every(({ state }) => state !== "alarm")).toBe(true);
  });

  it("a value that freezes is a flatline", () => {
    const { detector, next } = trained({ ...latency, kind: "gauge" }, simulate({ seed: 10, days: 15, noise: 0.3 }));
    const frozen = next[300]!.value;
    const found = observeAll(
      detector,
      from(5, next, () => frozen, 1),
    ).flatMap(({ change }) => change ?? []);
    expect(found.map(({ kind }) => kind)).toContain("flatline");
  });

  it("silence is missing data, and ends with the next sample", () => {
    const { detector, next } = trained(latency, simulate({ seed: 11, days: 15, noise: 0.05 }));
    observeAll(detector, next.slice(0, 100));
    const seen = next.slice(100, 115).map(({ at }) => detector.missing(at));
    const found = seen.flatMap(({ change }) => change ?? []);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ kind: "missing", startedAt: next[100]!.at });
    expect(detector.observe(next[115]!).ended).toMatchObject({ kind: "missing", reason: "recovered" });
  });
});

describe("few events", () => {
  it("three errors among ten requests do not alarm where one in fifty is usual, fifteen minutes of them do", () => {
    const random = uniform(12);
    const failures = (share: number, count: number) =>
      Array.from({ length: count }, () => random()).filter((dice) => dice < share).length;
    const options: DetectorOptions = { step: MINUTE, kind: "ratio", falseAlarmsPerWeek: 0.05, learnFor: DAY };
    const detector = createDetector(options);
    const feed = (index: number, share: number, count = 10) =>
      detector.observe({ at: START + index * MINUTE, value: failures(share, count) / count }, { count });
    for (let index = 0; index < 2_880; index++) feed(index, 0.02);
    expect(detector.observe({ at: START + 2_880 * MINUTE, value: 0.3 }, { count: 10 }).change).toBeNull();
    const later = Array.from({ length: 30 }, (_, index) => feed(2_881 + index, 0.3));
    expect(later.some(({ change }) => change?.direction === "up")).toBe(true);
  });
});

describe("the first week", () => {
  it("raises nothing on the weekend that it has not seen, nor when work begins again, and then finds a doubling", () => {
    const points = simulate({ seed: 22, days: 13, noise: 0.05 });
    const detector = createDetector({ ...latency, kind: "rate" });
    detector.train(points.filter(({ at }) => at < START + 4 * DAY));
    const double = START + 7 * DAY + 12 * HOUR;
    const seen = points
      .filter(({ at }) => at >= START + 4 * DAY && at < double + HOUR)
      .map(({ at, value }) => detector.observe({ at, value: at >= double ? 2 * value : value }));
    const found = seen.flatMap(({ change }) => change ?? []);
    expect(found.map(({ direction }) => direction)).toEqual(["up"]);
    expect(found[0]?.detectedAt).toBeGreaterThanOrEqual(double);
    const restored = restoreDetector(JSON.parse(JSON.stringify(detector.state())));
    expect(JSON.stringify(restored.state())).toBe(JSON.stringify(detector.state()));
  });
});

describe("a service with a request every few minutes", () => {
  const random = uniform(21);
  const poisson = (mean: number): number => {
    let count = -1;
    for (let product = 1; product > Math.exp(-mean); product *= random()) count++;
    return count;
  };
  const rate = (perMinute: number, from: number, minutes: number): MetricPoint[] =>
    Array.from({ length: minutes }, (_, index) => ({ at: START + (from + index) * MINUTE, value: poisson(perMinute) / 60 }));
  const options: DetectorOptions = { step: MINUTE, kind: "rate", falseAlarmsPerWeek: 0.05 };
  const detector = createDetector(options);
  detector.train(rate(0.3, 0, 14 * 1_440));

  it("is silent through three quiet days, though most minutes have none and some have three", () => {
    const seen = observeAll(detector, rate(0.3, 14 * 1_440, 3 * 1_440));
    expect(seen.filter(({ change }) => change !== null)).toEqual([]);
  });

  it("is seen to triple by its counts, in not much more than the half hour that is the least (Lorden)", () => {
    const seen = observeAll(detector, rate(0.9, 17 * 1_440, 90));
    const at = seen.findIndex(({ change }) => change !== null);
    expect(seen[at]?.change).toMatchObject({ direction: "up" });
    expect(at).toBeLessThan(75);
  });
});

describe("a failure ratio that has always been zero", () => {
  const options: DetectorOptions = { step: MINUTE, kind: "ratio", harmful: "up", falseAlarmsPerWeek: 0.02 };
  const zeros = Array.from({ length: 14 * 1_440 }, (_, index) => ({ at: START + index * MINUTE, value: 0 }));

  it("is no flatline, and one failure of twenty in every minute is found at once", () => {
    const detector = createDetector(options);
    detector.train(zeros);
    const quiet = zeros.slice(0, 600).map((_, index) => detector.observe({ at: START + 14 * DAY + index * MINUTE, value: 0 }));
    expect(quiet.filter(({ state }) => state !== "normal")).toEqual([]);
    const failing = quiet
      .slice(0, 10)
      .map((_, index) => detector.observe({ at: START + 15 * DAY + index * MINUTE, value: 0.05 }));
    expect(failing.findIndex(({ change }) => change?.direction === "up")).toBeLessThan(3);
    expect(failing.some(({ change }) => change !== null)).toBe(true);
  });
});

describe("a share of failures", () => {
  it("that stays at zero for long where one in five hundred is usual is what everybody hopes for", () => {
    const options: DetectorOptions = { step: MINUTE, kind: "ratio", harmful: "up", falseAlarmsPerWeek: 0.02 };
    const random = uniform(21);
    const share = () => [0, 0, 0, 1, 1, 2][Math.floor(random() * 6)]! / 180;
    const detector = createDetector(options);
    detector.train(Array.from({ length: 14 * 1_440 }, (_, index) => ({ at: START + index * MINUTE, value: share() })));
    const later = START + 14 * DAY;
    const seen = Array.from({ length: 240 }, (_, index) =>
      detector.observe({ at: later + index * MINUTE, value: 0 }, { count: 180 }),
    );
    expect(seen.flatMap(({ change }) => change ?? [])).toEqual([]);
  });
});

describe("counters", () => {
  it("a reset is no drop: the rate goes on", () => {
    const detector = createDetector({ ...latency, kind: "counter" });
    const history = simulate({ seed: 13, days: 14, noise: 0.05 });
    let total = 0;
    const counted = history.map(({ at, value }) => {
      total += value * 60;
      return { at, value: total };
    });
    detector.train(counted);
    const reset = detector.observe({ at: START + 14 * DAY, value: 60 * 60 });
    expect(reset.value).toBeCloseTo(60, 5);
    expect(reset.change).toBeNull();
  });

  it("resets and gaps in history teach nothing wrong, and a real rise of the rate is found", () => {
    const points = simulate({ seed: 18, days: 15, noise: 0.05 });
    let total = 0;
    const counted = points.flatMap(({ at, value }, index) => {
      const rise = at >= START + 14 * DAY + 6 * HOUR ? 1.2 : 1;
      total = index % 4_000 === 3_999 ? value * 60 : total + value * 60 * rise;
      // Ten minutes in every thousand were not scraped; the counter went on.
      return index % 1_000 < 10 ? [] : [{ at, value: total }];
    });
    const { detector, next } = trained({ ...latency, kind: "counter" }, counted);
    const found = observeAll(detector, next).flatMap(({ change }) => change ?? []);
    expect(found[0]).toMatchObject({ kind: "level", direction: "up" });
    expect(found[0]?.detectedAt).toBeGreaterThanOrEqual(START + 14 * DAY + 6 * HOUR);
    expect(found[0]?.detectedAt).toBeLessThan(START + 14 * DAY + 6 * HOUR + 20 * MINUTE);
  });
});

describe("a restart", () => {
  it("changes nothing: the restored detector observes as the other would have", () => {
    const { detector, next } = trained(latency, simulate({ seed: 14, days: 16, noise: 0.05 }));
    observeAll(detector, next.slice(0, 700));
    const stored = JSON.stringify(detector.state());
    expect(stored.length).toBeLessThan(40_000);
    const restored = restoreDetector(JSON.parse(stored));
    const rest = from(20, next.slice(700), (value) => value * 1.2);
    expect(observeAll(restored, rest)).toEqual(observeAll(detector, rest));
  });

  it("refuses a state it does not know, and says what to do", () => {
    expect(() => restoreDetector({ version: 0 })).toThrow(/train the detector anew/);
  });
});

describe("a holiday", () => {
  it("shrinks the expectation halfway to the mean and widens the band", () => {
    const points = simulate({ seed: 17, days: 14, noise: 0.05 });
    const noon = START + 14 * DAY + 12 * HOUR;
    const bandWith = (holidays: string[]) => {
      const detector = createDetector({ ...latency, holidays });
      detector.train(points);
      return detector.band(noon, noon + MINUTE)[0]!;
    };
    const [usual, holiday] = [bandWith([]), bandWith(["2026-01-19"])];
    const mean = points.reduce((sum, { value }) => sum + value, 0) / points.length;
    expect(usual.expected).toBeGreaterThan(mean * 1.1);
    expect(holiday.expected).toBeGreaterThan(mean * 0.95);
    expect(holiday.expected).toBeLessThan(usual.expected * 0.95);
    expect(holiday.upper).toBeGreaterThan(usual.expected);
  });
});

describe("awkward input", () => {
  it("samples that are not newer are ignored, and NaN is a step without data", () => {
    const { detector, next } = trained(latency, simulate({ seed: 15, days: 15, noise: 0.05 }));
    detector.observe(next[0]!);
    const before = JSON.stringify(detector.state());
    detector.observe({ at: next[0]!.at, value: 9_999 });
    detector.observe({ at: next[0]!.at - HOUR, value: 9_999 });
    expect(JSON.stringify(detector.state())).toBe(before);
    expect(detector.observe({ at: next[1]!.at, value: Number.NaN })).toMatchObject({ value: null, state: "normal" });
  });

  it("says nothing while it is learning", () => {
    const detector = createDetector({ ...latency, kind: "gauge" });
    const seen = observeAll(
      detector,
      from(-14 * 24 + 24, simulate({ seed: 16, days: 2, noise: 0.05 }), (value) => value * 5, 3),
    );
    expect(new Set(seen.map(({ state }) => state))).toEqual(new Set(["learning"]));
  });

  it("a step or a budget that is not positive is refused by name", () => {
    expect(() => createDetector({ ...latency, step: 0 })).toThrow(/step is 0/);
    expect(() => createDetector({ ...latency, falseAlarmsPerWeek: -1 })).toThrow(/falseAlarmsPerWeek is -1/);
  });
});
