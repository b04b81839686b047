import { describe, expect, it } from "vitest";
import { chance } from "../../../src/flows/eval/random.ts";
import type { Lived } from "../../bench/learning/arm.ts";
import { calibrationError, measure } from "../../bench/learning/measure.ts";
import { planYear } from "../../bench/learning/world.ts";

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

describe("what the bench measures", () => {
  const [incident = null] = planYear(chance(1), 0, 60).incidents;
  const told: Lived = {
    at: 0,
    incident,
    toldAt: incident?.from ?? 0,
    standing: "right",
    leadRight: true,
    claim: { confidence: 0.5, right: true },
    rank: 1,
    proposed: false,
    accepted: false,
    helped: false,
  };
  const alarm: Lived = { ...told, incident: null, standing: "noise", leadRight: false, claim: { confidence: 0.5, right: false } };

  it("asks of every report that was told whether its confidence was deserved, false alarms and later ones of an incident too", () => {
    const untold: Lived = { ...alarm, toldAt: null };
    const lived = Array.from({ length: 20 }, () => [told, alarm, untold]).flat();
    expect(measure(lived, 1, 1)).toMatchObject({ reports: 40, calibration: 0, named: 1 });
    expect(measure([...lived, ...Array.from({ length: 160 }, () => alarm)], 1, 1).plainCalibration).toBeCloseTo(0.4);
  });

  it("does not take a guess under “I do not know” for a cause that was stated", () => {
    expect(measure([{ ...told, standing: "unknown" }], 1, 1)).toMatchObject({ accuracy: 1, named: 0 });
  });
});
