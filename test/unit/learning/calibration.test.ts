import { describe, expect, it } from "vitest";
import { calibrator, type HeardClaim } from "../../../src/learning/calibration.ts";

/** What two good voices say of as many claims. */
const claims = (count: number, confidence: number, rightShare: number, odds = 4): HeardClaim[] =>
  Array.from({ length: count }, (_, index) => ({
    confidence,
    odds: index < Math.round(count * rightShare) ? odds : -odds,
    weight: 1,
  }));

describe("calibrated confidence", () => {
  it("leaves confidence alone until somebody has judged", () => {
    expect(calibrator([])(0.8)).toBe(0.8);
  });

  it("comes down when Vigil was sure and mostly wrong, and ends near the truth", () => {
    const calibrate = calibrator(claims(60, 0.9, 0.3));
    expect(calibrate(0.9)).toBeGreaterThan(0.25);
    expect(calibrate(0.9)).toBeLessThan(0.42);
  });

  it("rises where a guess was mostly right, and leaves what it was not judged on where it was", () => {
    const calibrate = calibrator(claims(40, 0.35, 0.8));
    expect(calibrate(0.35)).toBeGreaterThan(0.65);
    expect(calibrate(0.95)).toBeGreaterThan(0.95);
  });

  it("is hardly turned by one odd vote", () => {
    expect(Math.abs(calibrator(claims(1, 0.9, 0, 2))(0.9) - 0.9)).toBeLessThan(0.12);
    expect(calibrator(claims(1, 0.9, 0, 2))(0.9)).toBeLessThan(0.9);
  });

  it("is not pulled to the middle by careless voices", () => {
    // Always right, and one voice in eight errs: heard as evidence, that is little against the many.
    const calibrate = calibrator(claims(80, 0.9, 0.875, Math.log(7)));
    expect(calibrate(0.9)).toBeGreaterThan(0.93);
  });

  it("never reverses the order of two claims", () => {
    const calibrate = calibrator([...claims(30, 0.9, 0), ...claims(30, 0.2, 1)]);
    const curve = [0.1, 0.3, 0.5, 0.7, 0.9].map((raw) => calibrate(raw));
    expect(curve).toEqual(curve.toSorted((a, b) => a - b));
  });

  it("tells kinds of claims apart that are right more and less often at the same confidence", () => {
    const of = (kinds: [string, string], rightShare: number) => claims(30, 0.7, rightShare).map((one) => ({ ...one, kinds }));
    const calibrate = calibrator([
      ...of(["a change", "deploy"], 0.4),
      ...of(["a change", "flag"], 0.6),
      ...of(["no change", "traffic"], 1),
    ]);
    const [deploy, flag, traffic] = [
      calibrate(0.7, ["a change", "deploy"]),
      calibrate(0.7, ["a change", "flag"]),
      calibrate(0.7, ["no change", "traffic"]),
    ];
    expect([deploy > 0.35 && deploy < 0.52, flag > 0.52 && flag < 0.65, traffic > 0.85]).toEqual([true, true, true]);
    // A kind that was never judged takes after the coarse one.
    expect(Math.abs(calibrate(0.7, ["a change", "config"]) - (deploy + flag) / 2)).toBeLessThan(0.1);
  });

  it("shifts a kind at one service by what was heard of it there, and leaves what it does not know to the kind", () => {
    const at = (service: string, rightShare: number) =>
      claims(10, 0.7, rightShare).map((one) => ({ ...one, kinds: ["a change", "deploy", `deploy at ${service}`] }));
    const calibrate = calibrator([...at("shelf", 0.1), ...at("till", 0.9)]);
    const [shelf, till, cellar, anywhere] = [
      calibrate(0.7, ["a change", "deploy", "deploy at shelf"]),
      calibrate(0.7, ["a change", "deploy", "deploy at till"]),
      calibrate(0.7, ["a change", "deploy", "deploy at cellar"]),
      calibrate(0.7, ["a change", "deploy"]),
    ];
    expect([shelf > 0.1 && shelf < 0.3, till > 0.7 && till < 0.9]).toEqual([true, true]);
    expect(cellar).toBe(anywhere);
    expect(Math.abs(anywhere - (shelf + till) / 2)).toBeLessThan(0.1);
  });

  it("calibrates by hundreds of kinds as exactly as by few, and in no time", () => {
    const few = claims(20, 0.7, 0.5).map((one) => ({ ...one, kinds: ["a change", "deploy", "deploy at shelf"] }));
    const others = Array.from({ length: 400 }, (_, index) => ({
      ...(claims(1, 0.7, 0.5)[0] as HeardClaim),
      kinds: ["a change", "deploy", `deploy at service-${index}`],
      weight: 0,
    }));
    const began = performance.now();
    const calibrate = calibrator([...few, ...others]);
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(calibrate(0.6, few[0]?.kinds)).toBeCloseTo(calibrator(few)(0.6, few[0]?.kinds), 6);
  });

  it("follows what Vigil is worth now: old verdicts weigh less", () => {
    const old = claims(40, 0.6, 0.2).map((one) => ({ ...one, weight: 0.1 }));
    expect(calibrator([...old, ...claims(20, 0.6, 0.9)])(0.6)).toBeGreaterThan(0.65);
  });
});
