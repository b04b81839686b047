import { describe, expect, it } from "vitest";
import { brierScore, calibrator, type JudgedClaim, reliability } from "../../../src/learning/calibration.ts";

const claims = (count: number, confidence: number, rightShare: number): JudgedClaim[] =>
  Array.from({ length: count }, (_, index) => ({ confidence, correctness: index < Math.round(count * rightShare) ? 1 : 0 }));

describe("calibrated confidence", () => {
  it("leaves confidence alone until somebody has judged", () => {
    expect(calibrator([])(0.8)).toBe(0.8);
  });

  it("comes down when Vigil was sure and mostly wrong, and ends near the truth", () => {
    const calibrate = calibrator(claims(60, 0.9, 0.3));
    expect(calibrate(0.9)).toBeGreaterThan(0.25);
    expect(calibrate(0.9)).toBeLessThan(0.42);
  });

  it("is hardly turned by one odd vote", () => {
    expect(Math.abs(calibrator(claims(1, 0.9, 0))(0.9) - 0.9)).toBeLessThan(0.12);
    expect(calibrator(claims(1, 0.9, 0))(0.9)).toBeLessThan(0.9);
  });

  it("never reverses the order of two claims", () => {
    const calibrate = calibrator([...claims(30, 0.9, 0), ...claims(30, 0.2, 1)]);
    const curve = [0.1, 0.3, 0.5, 0.7, 0.9].map(calibrate);
    expect(curve).toEqual(curve.toSorted((a, b) => a - b));
  });

  it("scores a perfect forecaster 0 and a coin 0.25", () => {
    expect(
      brierScore([
        { confidence: 1, correctness: 1 },
        { confidence: 0, correctness: 0 },
      ]),
    ).toBe(0);
    expect(brierScore(claims(10, 0.5, 0.5))).toBeCloseTo(0.25);
    expect(brierScore([])).toBeNull();
  });

  it("draws the reliability diagram from the bands that have claims", () => {
    expect(reliability([...claims(10, 0.85, 0.7), ...claims(5, 1, 1)])).toEqual([
      { from: 0.8, to: 0.9, claims: 10, meanConfidence: expect.closeTo(0.85), meanCorrectness: 0.7 },
      { from: 0.9, to: 1, claims: 5, meanConfidence: 1, meanCorrectness: 1 },
    ]);
  });
});
