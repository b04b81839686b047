import { describe, expect, it } from "vitest";
import type { Feedback, Verdict } from "../../../src/domain/feedback.ts";
import { consensus } from "../../../src/learning/consensus.ts";

const vote = (user: string, verdict: Verdict): Feedback => ({
  investigationId: "INV-1",
  user,
  verdict,
  realCause: null,
  missed: null,
  actionEffective: null,
  via: "button",
  at: 0,
});

describe("what the responders together say", () => {
  it("is nothing without votes", () => expect(consensus([])).toBeNull());

  it("is the most frequent verdict", () => {
    expect(consensus([vote("a", "correct"), vote("b", "correct"), vote("c", "noise")])).toBe("correct");
  });

  it("leans to the more critical verdict in a tie", () => {
    expect(consensus([vote("a", "correct"), vote("b", "incorrect")])).toBe("incorrect");
  });

  it("counts a person once, however often they press", () => {
    const loud = Array.from({ length: 50 }, () => vote("mallory", "incorrect"));
    expect(consensus([...loud, vote("a", "correct"), vote("b", "correct")])).toBe("correct");
  });
});
