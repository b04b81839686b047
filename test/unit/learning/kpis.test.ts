import { describe, expect, it } from "vitest";
import type { Incident } from "../../../src/domain/incident.ts";
import type { Proposal } from "../../../src/domain/proposal.ts";
import { reportCsv, reportText } from "../../../src/flows/report.ts";
import { type AlertFact, kpis } from "../../../src/learning/kpis.ts";
import { anomaly } from "../../support/domain-samples.ts";
import { investigation, START, vote } from "../../support/judged.ts";

const MINUTE = 60_000;
const worth = { minutesSavedPerAcceptedInvestigation: 30, dollarsPerEngineerHour: 100 };

const incident = (id: string, minutes: number): Incident => ({
  id,
  state: "resolved",
  openedAt: START,
  resolvedAt: START + minutes * MINUTE,
  services: ["shelf"],
  anomalies: [anomaly({ id: `A-${id}`, startedAt: START - 4 * MINUTE, detectedAt: START })],
  title: "shelf slow",
});

const proposal = (id: string, investigationId: string, state: Proposal["state"], approved: boolean): Proposal =>
  ({
    id,
    investigationId,
    state,
    action: "toggle_feature_flag",
    approvals: approved ? [{ user: "slack:U1", at: START }] : [],
  }) as unknown as Proposal;

const records = {
  investigations: ["1", "2", "3", "4"].map((one) => ({ ...investigation(`INV-${one}`), incidentId: `IN-${one}` })),
  incidents: [incident("IN-1", 12), incident("IN-2", 40), incident("IN-3", 60), incident("IN-4", 20)],
  feedback: [
    vote("INV-1", "slack:U1", "correct", { actionEffective: true }),
    vote("INV-1", "vigil:outcome", "correct", { actionEffective: true }),
    vote("INV-2", "slack:U1", "partly", { missed: "the second region" }),
    vote("INV-3", "slack:U2", "noise"),
  ],
  proposals: [
    proposal("PRO-1", "INV-1", "verified", true),
    proposal("PRO-2", "INV-2", "denied", false),
    proposal("PRO-3", "INV-3", "pending", false),
  ],
  alerts: [
    { incidentId: "IN-2", anomalyId: null, severity: "critical", startsAt: START + 12 * MINUTE },
    { incidentId: "IN-4", anomalyId: null, severity: "warning", startsAt: START - 2 * MINUTE },
  ] satisfies AlertFact[],
};

describe("the figures", () => {
  const figures = kpis(records, worth);

  it("hold the four measures of feedback", () => {
    expect(figures).toMatchObject({
      accuracy: 0.5,
      completeness: 0.5,
      actionEffectiveness: 1,
      falsePositiveShare: 1 / 3,
      votes: { people: 3, inferred: 1 },
    });
  });

  it("judge confidence by two claims: noise says nothing of a cause, and a wrong cause nothing of noise", () => {
    const real = { chance: 0.5, raw: 0.5, like: 0, noise: 0 };
    const investigations = records.investigations.map((one) => ({ ...one, report: one.report && { ...one.report, real } }));
    const { reliability } = kpis({ ...records, investigations }, worth);
    expect(reliability.cause).toMatchObject({ claims: 2, bins: [{ meanConfidence: 0.8, meanCorrectness: 0.75 }] });
    expect(reliability.real).toMatchObject({ claims: 3, bins: [{ meanConfidence: 0.5, meanCorrectness: 2 / 3 }] });
    expect(figures.reliability.real).toMatchObject({ claims: 0, error: null });
    expect(reportText(figures)).toMatch(/it is the cause:\*\* calibration error 0\.050 over 2 judged \(by chance alone 0\.\d+/);
  });

  it("hold who noticed first, and how much sooner", () => {
    expect(figures).toMatchObject({
      minutesToDetect: 4,
      minutesToAlert: 9,
      noticed: { vigilFirst: 1, alertFirst: 1, vigilOnly: 2 },
    });
  });

  it("hold the time to resolution by severity, and what actions came to", () => {
    expect(figures.resolution).toEqual([
      { severity: "critical", incidents: 1, minutes: 40 },
      { severity: "warning", incidents: 1, minutes: 20 },
      { severity: "below every alert", incidents: 2, minutes: 36 },
    ]);
    expect(figures.actionOutcomes).toEqual([
      { action: "toggle_feature_flag", proposed: 3, accepted: 1, verified: 1, rolledBack: 0, otherwise: 0 },
    ]);
    expect(figures.acceptanceRate).toBe(0.5);
  });

  it("hold what it was worth, with the formula", () => {
    expect(figures).toMatchObject({
      hoursSaved: 1,
      dollarsSaved: 100,
      hoursSavedFormula: "(1 correct + 1 partly) × 30 min ÷ 60",
    });
  });

  it("stand beside the article's", () => {
    expect(figures.rivals.map(({ article, ours }) => [article, ours])).toEqual([
      [0.73, 1 - 4 / 9],
      [0.89, 0.5],
      [0.41, 1 - 12 / 40],
      [0, 0],
    ]);
    expect(reportText(figures)).toContain("89 % of proposals accepted; here 50 % (2 decided)");
  });

  it("are nothing, not zero, where nothing was measured", () => {
    const empty = kpis({ investigations: [], incidents: [], feedback: [], proposals: [] }, worth);
    expect(empty).toMatchObject({ accuracy: null, minutesToDetect: null, strikeRate: null });
    expect(empty.rivals.every(({ ours }) => ours === null)).toBe(true);
  });

  it("go into a CSV that no spreadsheet runs", () => {
    const csv = reportCsv({ ...figures, topCauses: [{ cause: '=cmd|"x", in shelf', count: 2 }] });
    expect(csv.split("\r\n")[0]).toBe("figure,value");
    expect(csv).toContain("\r\naccuracy,0.5\r\n");
    expect(csv).toContain(`"'=cmd|""x"", in shelf"`);
  });
});
