import { describe, expect, it } from "vitest";
import type { Incident } from "../../../src/domain/incident.ts";
import { MINUTE } from "../../../src/domain/time.ts";
import { deservesAnotherLook, type Looks } from "../../../src/flows/another-look.ts";
import { anomaly, report } from "../../support/domain-samples.ts";

const OPENED = Date.UTC(2026, 10, 2, 2, 40);
const incident = (services: readonly string[], endedAt: number | null = null): Incident => ({
  id: "IN-1",
  state: "open",
  openedAt: OPENED,
  resolvedAt: null,
  services,
  anomalies: services.map((service) => ({ ...anomaly(), id: `ANO-${service}`, service, endedAt })),
  title: "",
});
const looked = (count: number, after: number, services = ["edge"]): Looks => ({ count, at: OPENED + after * MINUTE, services });
const unknown = report({ outcome: "unknown", proposals: [] });
const answered = report({ outcome: "cause_found", proposals: ["PRO-1"] });
const at = (minutes: number) => OPENED + minutes * MINUTE;
const deserves = (...[one, looks, told, minutes]: [Incident, Looks, typeof unknown, number]) =>
  deservesAnotherLook(one, looks, told, at(minutes), MINUTE);

describe("another look at an incident", () => {
  it("comes after six and after twenty steps while nothing was found that could be done", () => {
    expect(deserves(incident(["edge"]), looked(1, 0), unknown, 5)).toBe(false);
    expect(deserves(incident(["edge"]), looked(1, 0), unknown, 6)).toBe(true);
    expect(deserves(incident(["edge"]), looked(2, 6), unknown, 12)).toBe(false);
    expect(deserves(incident(["edge"]), looked(2, 6), unknown, 20)).toBe(true);
    expect(deserves(incident(["edge"]), looked(3, 20), unknown, 200)).toBe(false);
  });

  it("is not needed when there is a proposal, or when it is over", () => {
    expect(deserves(incident(["edge"]), looked(1, 0), answered, 30)).toBe(false);
    expect(deserves(incident(["edge"], at(4)), looked(1, 0), unknown, 30)).toBe(false);
  });

  it("comes when the trouble has reached a service that the last look did not know of, whatever was proposed", () => {
    expect(deserves(incident(["edge", "till"]), looked(1, 0), answered, 5)).toBe(false);
    expect(deserves(incident(["edge", "till"]), looked(1, 0), answered, 6)).toBe(true);
    expect(deserves(incident(["edge", "till"]), looked(2, 6, ["edge", "till"]), answered, 40)).toBe(false);
  });

  it("does not go on for ever", () => {
    expect(deserves(incident(["edge", "till"]), looked(8, 0), answered, 60)).toBe(false);
  });
});
