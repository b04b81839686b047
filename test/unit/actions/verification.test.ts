import { describe, expect, it } from "vitest";
import { referenceOf, sampleAt } from "../../../src/actions/baseline.ts";
import { countReference, exposureBehind } from "../../../src/actions/verification/counts.ts";
import type { Count, Sample } from "../../../src/actions/verification/evidence.ts";
import { levelReference } from "../../../src/actions/verification/levels.ts";
import type { Reference } from "../../../src/actions/verification/reference.ts";
import { startVerification, Verifier } from "../../../src/actions/verification/verifier.ts";
import { poisson } from "../../../src/demo/random.ts";
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

function watch(verifier: Verifier, next: (step: number) => Sample | null) {
  for (let step = 0; ; step++) {
    const reading = verifier.observe(next(step));
    if (reading.state !== "watching") return { ...reading, step: step + 1 };
  }
}

/** `count` samples since a trouble began, and nothing from before it. */
function take(count: number, next: () => number): Reference {
  const reference = levelReference(Array.from({ length: count }, next), []);
  if (!reference) throw new Error("too little to tell");
  return reference;
}
const steady = (level: number) => take(30, () => level);

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
    expect(result).toMatchObject({ state: "harm" });
    expect(result.step).toBeLessThan(10);
  });

  it("finds no evidence of help when nothing changes", () => {
    const next = latency(3);
    const result = watch(startVerification(take(30, next), criterion, 15), next);
    expect(result).toMatchObject({ state: "no_help", step: 15, remaining: 0 });
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
    expect(result).toMatchObject({ state: "no_help" });
    expect(result.reason).toContain("at most 2.");
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

  it("goes on with a record from before counts had a kind of their own", () => {
    const baseline = { mean: 0.2, deviation: 0.03, autocorrelation: 0.3, samples: 30, levelSamples: 30 };
    const old = { criterion, window: 15, settle: 2, baseline, values: [0.2, 0.2, 0.15, 0.15], decided: null };
    expect(watch(Verifier.fromJSON(old), () => 0.15).state).toBe("success");
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
    expect(share(1, "harm")).toBeLessThan(0.05);
    expect(share(0.9, "success")).toBeGreaterThan(0.95);
  });

  it.each([5, 8, 12])("undoes as rarely what helped when the trouble is only %d steps old, at 3 and at 5 % noise", (age) => {
    const runs = 400;
    for (const noise of [0.03, 0.05]) {
      const share = (factor: number, wanted: readonly string[]) => {
        let count = 0;
        for (let run = 0; run < runs; run++) {
          const next = latency(2_000 + run, noise);
          const points = Array.from({ length: 285 }, (_, at) => ({ at, value: next() * (at >= 285 - age ? 1.12 : 1) }));
          const reference = referenceOf("latency", { points, requests: new Map() }, 285 - age, 285, 1);
          if (!reference) throw new Error("too little to tell");
          const verifier = startVerification(reference, criterion, 15, { settle: 2, longest: 30 });
          if (wanted.includes(watch(verifier, () => next() * 1.12 * factor).state)) count++;
        }
        return count / runs;
      };
      expect(share(1, ["success"])).toBeLessThan(0.05);
      expect(share(1, ["harm"])).toBeLessThan(0.05);
      expect(share(0.9, ["harm", "no_help"])).toBeLessThan(0.05);
      if (noise === 0.03) expect(share(0.9, ["success"])).toBeGreaterThan(0.95);
      expect(share(0.8, ["success"])).toBeGreaterThan(0.95);
    }
  });

  it("is not certain that nothing helped when the noise would hide help: the window is extended, then people are asked", () => {
    const next = latency(12, 0.2);
    const verifier = startVerification(take(12, next), criterion, 15, { longest: 30 });
    expect(watch(verifier, next)).toMatchObject({ state: "inconclusive", step: 30, reason: expect.stringContaining("hides") });
  });

  it("says after an undoing that the signal is no worse, or that it is", () => {
    const next = latency(13, 0.03);
    const again = () => startVerification(take(20, next), criterion, 15, { question: "no worse" });
    expect(watch(again(), next).state).toBe("success");
    expect(watch(again(), () => next() * 0.7).state).toBe("success");
    expect(watch(again(), () => next() * 1.25).state).toBe("harm");
    expect(watch(again(), () => null).state).toBe("inconclusive");
  });

  it("has nothing to compare with when too little is known, or nothing is above zero", () => {
    expect(levelReference([1, 2, 3], [])).toBeNull();
    expect(levelReference(new Array(30).fill(0), [])).toBeNull();
    const points = Array.from({ length: 60 }, (_, at) => ({ at, value: 1 }));
    expect(referenceOf("latency", { points, requests: new Map() }, 58, 60, 1)).toBeNull();
  });

  it.each([
    ["no minimum effect", () => startVerification(steady(1), { direction: "down", minimumEffect: 0 }, 10), "minimumEffect"],
    ["a window too short", () => startVerification(steady(1), criterion, 2), "window is 2"],
    ["an extension that shortens", () => startVerification(steady(1), criterion, 10, { longest: 5 }), "cannot be extended"],
  ])("refuses %s and says what to do", (_, start, message) => {
    expect(start).toThrow(message);
  });
});

describe("verifying by counts", () => {
  /** Failures among requests: `share` of `requests` a step, straying by `noise` beyond chance. */
  function failures(seed: number, requests: number, noise = 0.03) {
    const random = seededRandom(seed);
    return (share: number): Count => {
      const exposure = poisson(random, requests);
      const mean = exposure * share * Math.max(0, 1 + noise * gaussian(random));
      return { events: Math.min(exposure, poisson(random, mean)), exposure };
    };
  }
  const times = (count: number, next: () => Count) => Array.from({ length: count }, next);
  function young(next: (share: number) => Count, age: number): Reference {
    const history = times(200, () => next(0.002));
    const reference = countReference(
      times(age, () => next(0.062)),
      history,
      "share",
    );
    if (!reference) throw new Error("too little to tell");
    return reference;
  }

  it("sees within a few minutes that a bad deploy two minutes old was undone, and never says less than -100 %", () => {
    const next = failures(1, 360);
    const result = watch(startVerification(young(next, 2), criterion, 15, { settle: 2, longest: 30 }), () => next(0.002));
    expect(result.state).toBe("success");
    expect(result.step).toBeLessThanOrEqual(8);
    expect(result.effect).toBeLessThan(-0.9);
    expect(result.interval?.[0]).toBeGreaterThan(-1);
    expect(result.interval?.[1]).toBeLessThan(-0.7);
    const none = watch(startVerification(young(next, 5), criterion, 15, { settle: 2 }), () => ({ events: 0, exposure: 350 }));
    expect(none).toMatchObject({ state: "success", effect: -1 });
    expect(none.interval?.[0]).toBe(-1);
    expect(none.interval?.[1]).toBeLessThan(-0.8);
  });

  it("decides wrongly in less than 5 % of cases, and undoes what helped as rarely, however young the trouble", () => {
    const runs = 400;
    for (const [requests, age] of [
      [60, 5],
      [360, 5],
      [360, 14],
      [3_600, 9],
    ] as const) {
      const share = (factor: number, wanted: readonly string[]) => {
        let count = 0;
        for (let run = 0; run < runs; run++) {
          const next = failures(3_000 + run, requests);
          const verifier = startVerification(young(next, age), criterion, 15, { settle: 2, longest: 30 });
          if (wanted.includes(watch(verifier, () => next(0.062 * factor)).state)) count++;
        }
        return count / runs;
      };
      expect(share(1, ["success"])).toBeLessThan(0.05);
      expect(share(1, ["harm"])).toBeLessThan(0.05);
      expect(share(0.9, ["harm", "no_help"])).toBeLessThan(0.05);
      expect(share(0.03, ["success"])).toBeGreaterThan(0.99);
      expect(share(3, ["harm", "no_help"])).toBeGreaterThan(0.95);
    }
  });

  it("is as careful as the counts stray beyond chance", () => {
    const width = (noise: number) => {
      const next = failures(5, 3_600, noise);
      const { interval } = watch(startVerification(young(next, 20), criterion, 15), () => next(0.062));
      return (interval?.[1] ?? 0) - (interval?.[0] ?? 0);
    };
    expect(width(0.3)).toBeGreaterThan(2 * width(0.02));
  });

  it("guesses from the scatter of shares how many requests are behind them where nobody counts", () => {
    const next = failures(6, 500, 0);
    const shares = times(240, () => next(0.05)).map(({ events, exposure }) => events / exposure);
    expect(exposureBehind(shares)).toBeGreaterThan(300);
    expect(exposureBehind(shares)).toBeLessThan(800);
    expect(exposureBehind(new Array(50).fill(0))).toBeNull();
    const points = shares.map((value, at) => ({ at, value }));
    const reference = referenceOf("errors", { points, requests: new Map() }, 220, 240, 1);
    expect(reference).toMatchObject({ kind: "counts", assumedExposure: expect.any(Number) });
    if (!reference) return;
    const verifier = startVerification(reference, criterion, 15);
    const result = watch(verifier, (step) =>
      sampleAt(reference, { points: [{ at: step, value: 0.001 }], requests: new Map() }, step, 1),
    );
    expect(result.state).toBe("success");
  });

  it("takes a step whose requests nobody counted for missing", () => {
    const points = [{ at: 0, value: 0.01 }];
    const next = failures(7, 360);
    expect(sampleAt(young(next, 5), { points, requests: new Map() }, 0, 60_000)).toBeNull();
    expect(sampleAt(young(next, 5), { points, requests: new Map([[0, 200]]) }, 0, 60_000)).toEqual({ events: 2, exposure: 200 });
  });

  it("compares how many requests come", () => {
    const random = seededRandom(8);
    const calls = (mean: number) => (): Count => ({ events: poisson(random, mean), exposure: 60 });
    const reference = countReference(times(12, calls(20)), times(200, calls(60)), "rate");
    if (!reference) throw new Error("too little to tell");
    const up = { direction: "up", minimumEffect: 0.05 } as const;
    expect(watch(startVerification(reference, up, 15), calls(60)).state).toBe("success");
    expect(watch(startVerification(reference, up, 15), calls(12)).state).toBe("harm");
  });
});
