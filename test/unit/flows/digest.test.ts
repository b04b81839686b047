import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { Digest, lastDue } from "../../../src/flows/digest.ts";
import { kpis } from "../../../src/learning/kpis.ts";
import { investigation, vote } from "../../support/judged.ts";

const berlin = { weekday: 1, hour: 9, zone: "Europe/Berlin" };
const figures = kpis(
  {
    investigations: [investigation("INV-1"), investigation("INV-2")],
    incidents: [],
    feedback: [vote("INV-1", "slack:U1", "correct")],
    proposals: [],
  },
  { minutesSavedPerAcceptedInvestigation: 30, dollarsPerEngineerHour: 100 },
);

describe("the weekly digest", () => {
  it("is due on the clock of its place, across daylight saving", () => {
    expect(new Date(lastDue(Date.parse("2026-03-25T12:00:00Z"), berlin)).toISOString()).toBe("2026-03-23T08:00:00.000Z");
    expect(new Date(lastDue(Date.parse("2026-03-30T12:00:00Z"), berlin)).toISOString()).toBe("2026-03-30T07:00:00.000Z");
    expect(new Date(lastDue(Date.parse("2026-03-30T06:59:00Z"), berlin)).toISOString()).toBe("2026-03-23T08:00:00.000Z");
  });

  it("is told once a week, also across restarts, and not when the week was quiet or the moment long past", async () => {
    const memory = new Map<string, unknown>();
    const told: string[] = [];
    let now = Date.parse("2026-03-25T12:00:00Z");
    let week = figures;
    const open = () =>
      new Digest({
        figures: async () => week,
        channel: { tell: async (_id, text) => void told.push(text) },
        memory: {
          remember: async (key, value) => void memory.set(key, value),
          recall: async <T>(key: string) => (memory.get(key) as T) ?? null,
        },
        schedule: berlin,
        page: "https://vigil.example.org/report",
        now: () => now,
        log: pino({ level: "silent" }),
      });
    expect(await open().check()).toBe(false);
    now = Date.parse("2026-03-30T07:01:00Z");
    expect(await open().check()).toBe(true);
    expect(await open().check()).toBe(false);
    expect(told).toEqual([expect.stringContaining("1 of 2 investigations have no verdict")]);
    expect(told[0]).toContain("https://vigil.example.org/report");
    now = Date.parse("2026-04-08T12:00:00Z");
    expect(await open().check()).toBe(false);
    week = { ...figures, investigations: 0 };
    now = Date.parse("2026-04-13T07:01:00Z");
    expect(await open().check()).toBe(false);
    expect(told).toHaveLength(1);
  });
});
