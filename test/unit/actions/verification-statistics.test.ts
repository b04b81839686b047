import { describe, expect, it } from "vitest";
import { baselineOf } from "../../../src/actions/baseline.ts";
import { startVerification, Verifier } from "../../../src/actions/verification-statistics.ts";
import { gaussian, seededRandom } from "../../support/synthetic-metrics.ts";

const criterion = { direction: "down", minimumEffect: 0.05 } as const;

/** Latency around 0.2 s with autocorrelated noise of `noise`. */
function latency(seed: number, noise = 0.04): () => number {
  const random = seededRandom(seed);
  let residual = 0;
  return () => {
    residual = 0.3 * residual + Math.sqrt(0.91) * gaussian(random);
    return 0.2 * (1 + noise * residual);
  };
}

function watch(verifier: Verifier, next: (step: number) => number | null) {
  for (let step = 0; ; step++) {
    const reading = verifier.observe(next(step));
    if (reading.state !== "watching") return { ...reading, step: step + 1 };
  }
}

const take = (count: number, next: () => number) => Array.from({ length: count }, next);

describe("verifying an action", () => {
  it("succeeds when latency falls by 15 %, before the window is over", () => {
    const next = latency(1);
    const result = watch(startVerification(take(30, next), criterion, 15), () => next() * 0.85);
    expect(result).toMatchObject({ state: "success", missing: 0 });
    expect(result.step).toBeLessThan(15);
    expect(result.effect).toBeCloseTo(-0.15, 1);
    expect(result.interval?.[1]).toBeLessThan(0);
  });

  it("fails early when latency rises by 20 %", () => {
    const next = latency(2);
    const result = watch(startVerification(take(30, next), criterion, 15), () => next() * 1.2);
    expect(result).toMatchObject({ state: "failure" });
    expect(result.step).toBeLessThan(10);
  });

  it("finds no evidence of help when nothing changes", () => {
    const next = latency(3);
    const result = watch(startVerification(take(30, next), criterion, 15), next);
    expect(result).toMatchObject({ state: "inconclusive", step: 15, remaining: 0 });
    expect(result.reason).toContain("no evidence of help");
  });

  it("wants the direction that the criterion names", () => {
    const next = latency(4);
    const upwards = startVerification(take(30, next), { direction: "up", minimumEffect: 0.05 }, 15);
    expect(watch(upwards, () => next() * 1.3).state).toBe("success");
  });

  it("does not call a certain but small improvement a success", () => {
    const next = latency(5, 0.002);
    const result = watch(startVerification(take(30, next), criterion, 15), () => next() * 0.98);
    expect(result).toMatchObject({ state: "inconclusive" });
    expect(result.reason).toContain("less than the 5.0 % that counts");
  });

  it("never takes silence for success", () => {
    const next = latency(6);
    const silent = watch(startVerification(take(30, next), criterion, 10), () => null);
    expect(silent).toMatchObject({ state: "inconclusive", samples: 0, missing: 10, effect: null });
    const mostlySilent = watch(startVerification(take(30, next), criterion, 12), (step) =>
      step % 3 === 0 ? next() * 0.8 : null,
    );
    expect(mostlySilent.state).toBe("inconclusive");
    expect(mostlySilent.reason).toContain("missing");
    const zeroed = watch(startVerification(take(30, next), criterion, 10), () => Number.NaN);
    expect(zeroed.state).toBe("inconclusive");
  });

  it("is not fooled by one wild sample", () => {
    const next = latency(7);
    const result = watch(startVerification(take(30, next), criterion, 15), (step) => (step === 6 ? 9 : next() * 0.85));
    expect(result.state).toBe("success");
  });

  it("passes over the steps in which the action takes hold", () => {
    const next = latency(8);
    const verifier = startVerification(take(30, next), criterion, 15, { settle: 3 });
    const result = watch(verifier, (step) => next() * (step < 3 ? 1.6 : 0.85));
    expect(result.state).toBe("success");
  });

  it("goes on after a crash exactly as if there had been none", () => {
    const next = latency(9, 0.05);
    const unbroken = startVerification(take(30, next), criterion, 15);
    let restarted = Verifier.fromJSON(JSON.parse(JSON.stringify(unbroken)));
    for (let step = 0; step < 15; step++) {
      const value = step === 4 ? null : next() * 0.93;
      const expected = unbroken.observe(value);
      restarted = Verifier.fromJSON(JSON.parse(JSON.stringify(restarted)));
      expect(restarted.observe(value)).toEqual(expected);
    }
    expect(Verifier.fromJSON(JSON.parse(JSON.stringify(unbroken))).observe(1_000).state).toBe(unbroken.observe(0.2).state);
  });

  it("keeps its first decision", () => {
    const next = latency(10);
    const verifier = startVerification(take(30, next), criterion, 15);
    const decided = watch(verifier, () => next() * 0.7);
    expect(verifier.observe(100)).toMatchObject({ state: "success", effect: decided.effect });
  });

  it.each([0.03, 0.05])("decides wrongly in less than 5 % of cases at %f noise", (noise) => {
    const runs = 1_000;
    const share = (factor: number, wanted: string) => {
      let count = 0;
      for (let run = 0; run < runs; run++) {
        const next = latency(1_000 + run, noise);
        if (watch(startVerification(take(30, next), criterion, 15), () => next() * factor).state === wanted) count++;
      }
      return count / runs;
    };
    expect(share(1, "success")).toBeLessThan(0.05);
    expect(share(1, "failure")).toBeLessThan(0.05);
    expect(share(0.9, "success")).toBeGreaterThan(0.95);
  });

  it.each([5, 8, 12])("decides as rarely wrongly when the trouble is only %d steps old", (age) => {
    const runs = 1_000;
    const share = (factor: number, wanted: string) => {
      let count = 0;
      for (let run = 0; run < runs; run++) {
        const next = latency(2_000 + run, 0.03);
        const points = Array.from({ length: 45 }, (_, at) => ({ at, value: next() * (at >= 45 - age ? 1.12 : 1) }));
        const { values, levelSamples } = baselineOf(points, 45 - age);
        const verifier = startVerification(values, criterion, 15, { settle: 2, levelSamples });
        if (watch(verifier, () => next() * 1.12 * factor).state === wanted) count++;
      }
      return count / runs;
    };
    expect(share(1, "success")).toBeLessThan(0.05);
    expect(share(1, "failure")).toBeLessThan(0.05);
    expect(share(0.9, "success")).toBeGreaterThan(0.95);
  });

  it.each([
    ["a short baseline", () => startVerification([1, 2, 3], criterion, 10), "has 3 samples"],
    ["a baseline of zeros", () => startVerification(new Array(30).fill(0), criterion, 10), "mean is 0"],
    ["a gap in the baseline", () => startVerification([...new Array(30).fill(1), Number.NaN], criterion, 10), "not finite"],
    [
      "no minimum effect",
      () => startVerification(new Array(30).fill(1), { direction: "down", minimumEffect: 0 }, 10),
      "minimumEffect",
    ],
    ["a window too short", () => startVerification(new Array(30).fill(1), criterion, 2), "window is 2"],
  ])("refuses %s and says what to do", (_, start, message) => {
    expect(start).toThrow(message);
  });
});
