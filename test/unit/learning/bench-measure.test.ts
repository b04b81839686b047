import { describe, expect, it } from "vitest";
import { chance } from "../../../src/flows/eval/random.ts";
import type { Lived } from "../../bench/learning/arm.ts";
import { measure } from "../../bench/learning/measure.ts";
import { planYear } from "../../bench/learning/world.ts";

describe("what the bench measures", () => {
  const [incident = null] = planYear(chance(1), 0, 60).incidents;
  const told: Lived = {
    at: 0,
    incident,
    toldAt: incident?.from ?? 0,
    standing: "right",
    leadRight: true,
    claim: { confidence: 0.5, right: true },
    real: 0.5,
    rank: 1,
    proposed: false,
    accepted: false,
    helped: false,
  };
  const alarm: Lived = { ...told, incident: null, standing: "noise", leadRight: false, claim: { confidence: 0.5, right: false } };

  it("asks of every report on a real incident whether its cause was, and of every report whether it was real", () => {
    const untold: Lived = { ...alarm, toldAt: null };
    const lived = Array.from({ length: 20 }, () => [told, alarm, untold]).flat();
    const { reports, cause, real } = measure(lived, 1, 1);
    expect(reports).toBe(40);
    expect(cause).toMatchObject({ claims: 20, error: 0.5 });
    expect(real.claims).toBe(40);
    expect(measure([...lived, { ...told, real: null }], 1, 1)).toMatchObject({ cause: { claims: 21 }, real: { claims: 40 } });
  });

  it("counts every incident once, by its first report, and those of another year apart", () => {
    const another = incident && { ...told, incident: { ...incident, from: incident.from + 1 }, toldAt: incident.from + 1 };
    expect(measure([told, { ...told, leadRight: false }, ...(another ? [another] : [])], 2, 1)).toMatchObject({
      detected: 1,
      accuracy: 1,
    });
  });

  it("does not take a guess under “I do not know” for a cause that was stated", () => {
    expect(measure([{ ...told, standing: "unknown" }], 1, 1)).toMatchObject({ accuracy: 1, named: 0 });
  });
});
