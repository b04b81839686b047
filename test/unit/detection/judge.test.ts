import { describe, expect, it } from "vitest";
import { type DetectorOptions, judgeWindow, watchlist } from "../../../src/detection/index.ts";
import { DAY, HOUR, MINUTE } from "../../../src/domain/time.ts";
import { START, simulate } from "./simulate.ts";

const options: DetectorOptions = { step: MINUTE, kind: "latency", falseAlarmsPerWeek: 0.5 };
const now = START + 14 * DAY + 13 * HOUR;

function story(seed: number) {
  const points = simulate({ seed, days: 15, noise: 0.05, level: 0.2 });
  return {
    history: points.filter(({ at }) => at < now - HOUR),
    window: points.filter(({ at }) => at >= now - HOUR && at < now),
  };
}

describe("a one-shot judgement of the last hour", () => {
  it("sees twelve per cent in the last twenty minutes and says since when", () => {
    const { history, window } = story(1);
    const shifted = window.map(({ at, value }) => ({ at, value: at >= now - 20 * MINUTE ? value * 1.12 : value }));
    const judgement = judgeWindow(history, shifted, options);
    expect(judgement).toMatchObject({ anomalous: true, direction: "up" });
    expect(Math.abs((judgement?.startedAt ?? 0) - (now - 20 * MINUTE))).toBeLessThanOrEqual(5 * MINUTE);
    expect(judgement?.relativeChange).toBeCloseTo(0.12, 1);
    expect(judgement?.band).toHaveLength(60);
  });

  it("finds nothing in twenty normal hours", () => {
    const judged = Array.from({ length: 20 }, (_, seed) => {
      const { history, window } = story(100 + seed);
      return judgeWindow(history, window, options);
    });
    expect(judged.filter((judgement) => judgement?.anomalous)).toEqual([]);
  });

  it("takes a fall for harmless where only a rise hurts", () => {
    const { history, window } = story(2);
    const fallen = window.map(({ at, value }) => ({ at, value: value * 0.8 }));
    expect(judgeWindow(history, fallen, { ...options, harmful: "up" })).toMatchObject({ anomalous: false, direction: "down" });
    expect(judgeWindow(history, fallen, options)).toMatchObject({ anomalous: true, direction: "down" });
  });

  it("cannot tell without history or without a window", () => {
    const { history, window } = story(3);
    expect(judgeWindow(history.slice(0, 30), window, options)).toBeNull();
    expect(judgeWindow(history, [], options)).toBeNull();
  });
});

describe("the watch list", () => {
  it("divides the team's budget over all series, so that more services are not more noise", () => {
    const total = (services: number) =>
      watchlist(
        Array.from({ length: services }, (_, index) => `service-${index}`),
        { step: MINUTE, falseAlarmsPerWeek: 0.5 },
      ).reduce((sum, { detector }) => sum + detector.falseAlarmsPerWeek, 0);
    expect(total(3)).toBeCloseTo(0.5, 9);
    expect(total(70)).toBeCloseTo(0.5, 9);
  });

  it("watches traffic both ways, and latency and failures upwards", () => {
    const signals = watchlist(["api"], { step: MINUTE, falseAlarmsPerWeek: 0.5 }).map(({ signal, harmful }) => [signal, harmful]);
    expect(Object.fromEntries(signals)).toEqual({ latency: "up", errors: "up", rate: "both" });
  });
});
