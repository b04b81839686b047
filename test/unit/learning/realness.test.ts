import { describe, expect, it } from "vitest";
import { Learned } from "../../../src/learning/learned.ts";
import { REAL_BOUNDS } from "../../../src/learning/realness.ts";
import { BLAME, DAY, investigation, START, vote } from "../../support/judged.ts";

const NOW = START + DAY;
const VOTERS = ["chat:ada", "chat:ben", "chat:chen"];

/** Judged in turn by three people: what is off in `shelf` is noise, in `till` it is real. */
function learned(shelf: number, till: number, voters = VOTERS) {
  const some = [
    ...Array.from({ length: shelf }, (_, index) => investigation(`INV-${index}`)),
    ...Array.from({ length: till }, (_, index) => investigation(`INV-${100 + index}`, { service: "till" })),
  ];
  const feedback = some.map(({ id, anomalies }, index) =>
    vote(id, voters[index % voters.length] as string, anomalies[0]?.service === "till" ? "incorrect" : "noise", {
      at: START + index,
    }),
  );
  return new Learned({ investigations: some, feedback, proposals: [], undone: [] });
}
const off = (service: string) => investigation("INV-999", { service }).anomalies;

describe("whether anything is wrong at all", () => {
  it("is not said before enough was judged", () => {
    expect(learned(2, 2).realChance(off("shelf"), NOW)).toBeNull();
  });

  it("follows what came of the like of it, and says how many were noise; a wrong cause is no noise", () => {
    const known = learned(12, 12);
    const noise = known.realChance(off("shelf"), NOW);
    const real = known.realChance(off("till"), NOW);
    expect(noise?.chance).toBeLessThan(0.3);
    expect(noise).toMatchObject({ like: 8, noise: 8 });
    expect(real?.chance).toBeGreaterThan(0.7);
    expect(real).toMatchObject({ like: 8, noise: 0 });
    expect(known.realChance(off("cellar"), NOW)?.chance).toBeCloseTo(0.5, 1);
  });

  it("keeps what follows a change apart from what comes by itself", () => {
    const after = off("shelf").map((one) => ({ ...one, afterChange: true }));
    expect(learned(12, 12).realChance(after, NOW)?.chance).toBeCloseTo(0.5, 1);
  });

  it("is surer of what follows a change where such incidents were real, also in services never judged", () => {
    const claimed = { chance: 0.5, raw: 0.5, like: 0, noise: 0 };
    const alike = Array.from({ length: 24 }, (_, index) => {
      const one = investigation(`INV-${index}`, { service: `s${index}` });
      const kinds = [index % 2 ? "after a change" : "by itself", "one series"] as const;
      const anomalies = one.anomalies.map((anomaly) => ({ ...anomaly, afterChange: index % 2 === 1 }));
      return { ...one, anomalies, report: one.report && { ...one.report, real: { ...claimed, kinds } } };
    });
    const feedback = alike.map(({ id }, index) =>
      vote(id, VOTERS[index % 3] as string, index % 2 ? "correct" : "noise", { at: START + index }),
    );
    const known = new Learned({ investigations: alike, feedback, proposals: [], undone: [] });
    const after = off("cellar").map((one) => ({ ...one, afterChange: true }));
    expect(known.realChance(off("cellar"), NOW)?.chance).toBeLessThan(0.35);
    expect(known.realChance(after, NOW)).toMatchObject({ kinds: ["after a change", "one series"] });
    expect(known.realChance(after, NOW)?.chance).toBeGreaterThan(0.65);
  });

  it("says nothing of the cause: noise verdicts leave its confidence alone", () => {
    expect(learned(30, 0).calibrate(0.8, BLAME)).toBe(0.8);
  });

  it("is moved by one voter no further than one voice may", () => {
    expect(learned(30, 0, ["chat:mallory"]).realChance(off("shelf"), NOW)?.chance).toBeCloseTo(0.5 - REAL_BOUNDS.alone);
  });
});
