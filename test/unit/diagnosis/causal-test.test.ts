import { describe, expect, it } from "vitest";
import { causalEffect, requiredSamples } from "../../../src/diagnosis/causal-test.ts";
import { studentQuantile, twoSidedP } from "../../../src/domain/student-t.ts";
import { gaussian, seededRandom } from "../../support/synthetic-metrics.ts";

/** Two cohorts of one service: shared load noise, own autocorrelated noise, a standing difference, and an effect on the test cohort during the test. */
function cohorts(seed: number, settings: { effect: number; steps: number; noise?: number; standing?: number; before?: number }) {
  const random = seededRandom(seed);
  const { effect, steps, noise = 0.04, standing = 0, before = steps } = settings;
  let shared = gaussian(random);
  let own = [gaussian(random), gaussian(random)];
  const ar = (last: number) => 0.3 * last + Math.sqrt(0.91) * gaussian(random);
  const period = (length: number, factor: number) => {
    const test: number[] = [];
    const control: number[] = [];
    for (let step = 0; step < length; step++) {
      shared = 0.8 * shared + 0.6 * gaussian(random);
      own = own.map(ar);
      const load = 0.2 * (1 + 0.1 * shared);
      test.push(load * (1 + standing) * factor * (1 + noise * (own[0] as number)));
      control.push(load * (1 + noise * (own[1] as number)));
    }
    return { test, control };
  };
  const first = period(before, 1);
  const second = period(steps, 1 + effect);
  return {
    test: { before: first.test, during: second.test },
    control: { before: first.control, during: second.control },
    expectedDirection: "down" as const,
  };
}

describe("a causal test on two cohorts", () => {
  it("finds a real 12 % drop, with an interval around it", () => {
    const result = causalEffect(cohorts(1, { effect: -0.12, steps: 40 }));
    expect(result).toMatchObject({ verdict: "causal", adjusted: true, neededSamples: null, samples: { test: 40, control: 40 } });
    expect(result.interval[0]).toBeLessThan(-0.12);
    expect(result.interval[1]).toBeGreaterThan(-0.12);
    expect(result.pValue).toBeLessThan(0.01);
  });

  it("clears a suspect whose removal changes nothing, given enough steps", () => {
    expect(causalEffect(cohorts(2, { effect: 0, steps: 120 }))).toMatchObject({ verdict: "not_causal" });
  });

  it("does not take a standing difference between the cohorts for an effect, once it has seen the time before", () => {
    const input = cohorts(3, { effect: 0, steps: 80, standing: -0.15 });
    expect(causalEffect(input).verdict).not.toBe("causal");
    const blind = causalEffect({ ...input, test: { ...input.test, before: [] }, control: { ...input.control, before: [] } });
    expect(blind).toMatchObject({ verdict: "causal", adjusted: false });
  });

  it("calls an effect in the wrong direction not causal", () => {
    expect(causalEffect(cohorts(4, { effect: 0.2, steps: 60 }))).toMatchObject({ verdict: "not_causal" });
  });

  it("asks for more steps rather than guess", () => {
    const few = causalEffect(cohorts(5, { effect: -0.12, steps: 5 }));
    expect(few).toMatchObject({ verdict: "inconclusive", neededSamples: 10, pValue: 1 });
    const noisy = causalEffect(cohorts(6, { effect: 0, steps: 15, noise: 0.3 }));
    expect(noisy.verdict).toBe("inconclusive");
    expect(noisy.neededSamples).toBeGreaterThan(15);
  });

  it("stays undecided when a cohort had no value above zero", () => {
    const input = cohorts(7, { effect: 0, steps: 20 });
    const result = causalEffect({ ...input, control: { ...input.control, during: input.control.during.map(() => 0) } });
    expect(result).toMatchObject({ verdict: "inconclusive", controlMean: 0 });
    expect(result.effect).not.toBeNaN();
  });

  it("accepts cohorts with gaps of their own, and single steps of zero", () => {
    const input = cohorts(8, { effect: -0.2, steps: 60 });
    const gappy = { ...input, test: { ...input.test, during: [0, ...input.test.during.slice(5)] } };
    expect(causalEffect(gappy)).toMatchObject({ verdict: "causal", samples: { test: 56, control: 60 } });
  });

  it("refuses values that are no measurements", () => {
    const input = cohorts(9, { effect: 0, steps: 20 });
    expect(() => causalEffect({ ...input, test: { ...input.test, during: [...input.test.during, Number.NaN] } })).toThrow(
      "test.during holds NaN",
    );
  });

  it("is right about its own doubt: 95 % intervals cover, and false causes stay rare, on autocorrelated series", () => {
    const runs = 1_500;
    for (const steps of [20, 60]) {
      let covered = 0;
      let falseCauses = 0;
      for (let run = 0; run < runs; run++) {
        const { interval } = causalEffect(cohorts(10_000 + run, { effect: -0.1, steps }));
        if (interval[0] <= -0.1 && interval[1] >= -0.1) covered++;
        if (causalEffect(cohorts(50_000 + run, { effect: 0, steps })).verdict === "causal") falseCauses++;
      }
      expect(covered / runs).toBeGreaterThan(0.925);
      expect(falseCauses / runs).toBeLessThan(0.04);
    }
  });
});

describe("the size of a causal test", () => {
  it("grows with noise and autocorrelation, and shrinks with the effect", () => {
    const usual = requiredSamples({ noise: 0.06, autocorrelation: 0.3, effect: 0.05 });
    expect(requiredSamples({ noise: 0.12, autocorrelation: 0.3, effect: 0.05 })).toBeGreaterThan(usual);
    expect(requiredSamples({ noise: 0.06, autocorrelation: 0.6, effect: 0.05 })).toBeGreaterThan(usual);
    expect(requiredSamples({ noise: 0.06, autocorrelation: 0.3, effect: 0.2 })).toBeLessThan(usual);
  });

  it("keeps its promise of power", () => {
    // The log ratio of two cohorts with 4 % noise each has 0.04 · √2; without a pre-period nothing else adds.
    const steps = requiredSamples({ noise: 0.04 * Math.SQRT2, autocorrelation: 0.3, effect: 0.06 });
    const runs = 600;
    let found = 0;
    for (let run = 0; run < runs; run++) {
      if (causalEffect(cohorts(90_000 + run, { effect: -0.06, steps, before: 0 })).verdict === "causal") found++;
    }
    expect(found / runs).toBeGreaterThan(0.75);
  });

  it("refuses an effect of nothing", () => {
    expect(() => requiredSamples({ noise: 0.05, effect: 0 })).toThrow(RangeError);
  });
});

describe("Student's t", () => {
  it.each([
    [0.975, 1, 12.7062],
    [0.975, 3, 3.1824],
    [0.975, 10, 2.2281],
    [0.8, 6, 0.9057],
    [0.975, 1000, 1.9623],
  ])("has its tabled quantile at %f with %i degrees of freedom", (p, degrees, expected) => {
    expect(studentQuantile(p, degrees)).toBeCloseTo(expected, 3);
  });

  it("has its tabled tails", () => {
    expect(twoSidedP(2.2281, 10)).toBeCloseTo(0.05, 4);
    expect(twoSidedP(0, 10)).toBeCloseTo(1, 9);
  });
});
