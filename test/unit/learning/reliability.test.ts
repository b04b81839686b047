import { describe, expect, it } from "vitest";
import { chance } from "../../../src/flows/eval/random.ts";
import { type JudgedClaim, reliability } from "../../../src/learning/reliability.ts";

function claims(count: number, said: (truth: number) => number, seed = 7): JudgedClaim[] {
  const random = chance(seed);
  return Array.from({ length: count }, () => {
    const truth = 0.1 + 0.8 * random.uniform();
    return { confidence: said(truth), correctness: Number(random.uniform() < truth) };
  });
}
const honest = (truth: number) => truth;
const boasting = (truth: number) => Math.min(1, truth + 0.2);

describe("how well confidence matches the truth", () => {
  it("is known of nothing before anything was judged", () => {
    expect(reliability([])).toMatchObject({ claims: 0, bins: [], error: null, floor: null, debiased: null, brierScore: null });
  });

  it("is about nothing for honest confidence, and the exaggeration for an exaggerated one", () => {
    expect(reliability(claims(400, honest)).debiased).toBeLessThan(0.04);
    expect(reliability(claims(400, boasting)).debiased).toBeCloseTo(0.19, 1);
    expect(reliability(claims(400, boasting)).error).toBeCloseTo(0.19, 1);
  });

  it("says what chance alone makes of the plain error: the mean over many honest forecasters of fifty claims", () => {
    const runs = Array.from({ length: 300 }, (_, seed) => reliability(claims(50, honest, seed + 1)));
    const mean = (pick: (one: (typeof runs)[number]) => number | null) =>
      runs.reduce((sum, one) => sum + (pick(one) ?? 0), 0) / runs.length;
    expect(mean(({ floor }) => floor)).toBeGreaterThan(0.1);
    expect(mean(({ error }) => error)).toBeCloseTo(
      mean(({ floor }) => floor),
      1.7,
    );
  });

  it("puts equally many claims in every point of the diagram, lowest confidence first", () => {
    const { bins } = reliability(claims(100, honest));
    expect(bins).toHaveLength(10);
    expect(bins.every((bin) => bin.claims === 10)).toBe(true);
    expect(bins.map(({ meanConfidence }) => meanConfidence)).toEqual(
      bins.map((bin) => bin.meanConfidence).toSorted((a, b) => a - b),
    );
    expect(reliability(claims(12, honest)).bins).toHaveLength(2);
  });

  it("scores a perfect forecaster 0 and a coin 0.25", () => {
    const sure = [1, 0, 1, 0].map((truth) => ({ confidence: truth, correctness: truth }));
    expect(reliability(sure).brierScore).toBe(0);
    expect(reliability(sure.map((one) => ({ ...one, confidence: 0.5 }))).brierScore).toBe(0.25);
  });
});
