import { describe, expect, it } from "vitest";
import { deviation, percent } from "../../../src/agent/words.ts";

describe("a deviation in words", () => {
  const off = { service: "checkout", relativeChange: 0.12, observed: 0.053, expected: 0.047 };

  it("is a change of a level, and of a share of errors the share itself beside what is usual", () => {
    expect(deviation({ ...off, signal: "latency" })).toBe("checkout latency +12 %");
    expect(deviation({ ...off, signal: "latency_p95" })).toBe("checkout latency p95 +12 %");
    const errors = { service: "checkout", signal: "errors", relativeChange: 23.02, observed: 0.0487, expected: 0.00203 } as const;
    expect(deviation(errors)).toBe("checkout errors 4.87 % (usually 0.203 %)");
  });

  it("says no more than is known where comparisons are cut off", () => {
    expect(percent(10)).toBe("over +1000 %");
    expect(percent(23.02)).toBe("over +1000 %");
    expect(percent(4.45)).toBe("+445 %");
    expect(percent(-0.034)).toBe("-3.4 %");
  });
});
