import { describe, expect, it } from "vitest";
import { movingMedian } from "../../../src/diagnosis/moving-median.ts";
import { median, sorted } from "../../../src/domain/quantile.ts";

describe("order statistics of series with gaps", () => {
  const values = Float64Array.of(4, Number.NaN, 9, -2, 7, 7, Number.NaN, Number.NaN, 1, 0, 3);

  it("sorts what there is and leaves gaps out", () => {
    expect([...sorted(values)]).toEqual([-2, 0, 1, 3, 4, 7, 7, 9]);
    expect(median([])).toBeNaN();
  });

  it("gives at each place the median of the few before it, as sorting them would", () => {
    const recent = movingMedian(values, 3);
    for (let place = 3; place < values.length; place++) expect(recent(place)).toBe(median(values.subarray(place - 3, place)));
    expect(movingMedian(Float64Array.of(Number.NaN, Number.NaN), 2)(2)).toBeNaN();
  });
});
