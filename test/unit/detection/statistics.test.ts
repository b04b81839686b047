import { describe, expect, it } from "vitest";
import { ShiftChart } from "../../../src/detection/charts.ts";
import { binomialScore, normalQuantile, poissonScore } from "../../../src/detection/normal.ts";
import { robustScale } from "../../../src/detection/robust.ts";
import { median } from "../../../src/domain/quantile.ts";
import { normal, uniform } from "./simulate.ts";

describe("distribution functions", () => {
  it("normal quantiles agree with the tables", () => {
    expect(normalQuantile(0.5)).toBeCloseTo(0, 9);
    expect(normalQuantile(0.975)).toBeCloseTo(1.959964, 5);
    expect(normalQuantile(1e-6)).toBeCloseTo(-4.753424, 5);
  });

  it("counts are scored by their tails: nothing where nothing is due is no news", () => {
    expect(poissonScore(0, 0.1)).toBeGreaterThan(-0.2);
    // P(X ≥ 5 | 0.5) is 1.7e-4, half of P(X = 5) taken off: about 3.7 standard deviations.
    expect(poissonScore(5, 0.5)).toBeCloseTo(3.74, 1);
    expect(poissonScore(60, 50.01)).toBeCloseTo(poissonScore(60, 50), 1);
    expect(binomialScore(1, 10, 0.02)).toBeLessThan(2);
    expect(binomialScore(3, 10, 0.02)).toBeGreaterThan(3);
    expect(binomialScore(7, 10, 0.98)).toBeCloseTo(-binomialScore(3, 10, 0.02), 9);
    expect(binomialScore(5, 0, 0.1)).toBe(0);
  });
});

describe("robust estimates", () => {
  it("a tenth of wild values does not carry the scale away", () => {
    const gaussian = normal(uniform(1));
    const values = Float64Array.from({ length: 5_000 }, (_, index) => (index % 10 === 0 ? 1_000 : gaussian()));
    expect(robustScale(values)).toBeGreaterThan(0.9);
    expect(robustScale(values)).toBeLessThan(1.7);
    expect(robustScale(new Float64Array())).toBe(0);
    expect(median([])).toBeNaN();
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });
});

describe("a cumulative sum on independent noise", () => {
  it.each([0.5, 1, 2])("passes its threshold about as often as theory says, at size %d", (size) => {
    const gaussian = normal(uniform(2));
    const chart = new ShiftChart(size, 1, 0);
    const height = Math.log((size * size) / 2 / (1 / 2_000)) - 1.166 * size;
    let passages = 0;
    const samples = 400_000;
    for (let index = 0; index < samples; index++) {
      chart.add(gaussian(), index, 0, 0, 1e9);
      if (chart.height > height) {
        passages++;
        chart.restart();
      }
    }
    expect(samples / passages).toBeGreaterThan(1_400);
    expect(samples / passages).toBeLessThan(2_800);
  });
});
