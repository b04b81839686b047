import { describe, expect, it } from "vitest";
import { chance } from "../../../src/flows/eval/random.ts";
import { calibrationError } from "../../bench/learning/measure.ts";

describe("the bench's calibration error", () => {
  const claims = (said: (truth: number) => number) => {
    const random = chance(7);
    return Array.from({ length: 400 }, () => {
      const truth = 0.1 + 0.8 * random.uniform();
      return { confidence: said(truth), right: random.uniform() < truth };
    });
  };

  it("is about nothing for honest confidence, and the exaggeration for an exaggerated one", () => {
    expect(calibrationError(claims((truth) => truth))).toBeLessThan(0.04);
    expect(calibrationError(claims((truth) => Math.min(1, truth + 0.2)))).toBeCloseTo(0.19, 1);
    expect(calibrationError(claims(() => 0.97))).toBeGreaterThan(0.4);
  });
});
