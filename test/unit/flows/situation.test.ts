import { expect, it } from "vitest";
import type { Incident } from "../../../src/domain/incident.ts";
import type { Investigation } from "../../../src/domain/investigation.ts";
import type { Proposal } from "../../../src/domain/proposal.ts";
import { openCases, pastCases } from "../../../src/flows/situation.ts";

const investigation = (id: string, startedAt: number, more: Partial<Investigation> = {}) =>
  ({ id, startedAt, incidentId: null, anomalies: [], state: "done", ...more }) as unknown as Investigation;

const of: Readonly<Record<string, Investigation>> = {
  "IN-1": investigation("INV-1", 10),
  "IN-2": investigation("INV-2", 30, { audience: "slack:C9" }),
};
const deps = {
  unresolved: async () => ["IN-1", "IN-2", "IN-3"].map((id) => ({ id })) as unknown as Incident[],
  ofIncident: async (id: string) => of[id] ?? null,
  running: async () => [investigation("INV-1", 10), investigation("INV-4", 20)],
  proposals: async (investigationId: string) =>
    [
      { id: "PRO-1", investigationId: "INV-1", state: "pending" },
      { id: "PRO-2", investigationId: "INV-1", state: "denied" },
      { id: "PRO-3", investigationId: null, state: "pending" },
    ].filter((one) => one.investigationId === investigationId) as unknown as Proposal[],
};

it("lists what is open once, newest first, with the proposals that are not over", async () => {
  const cases = await openCases({ ...deps, sees: () => true });
  expect(cases.map((one) => [one.investigation.id, one.incident?.id ?? null])).toEqual([
    ["INV-2", "IN-2"],
    ["INV-4", null],
    ["INV-1", "IN-1"],
  ]);
  expect(cases[2]?.proposals.map(({ id }) => id)).toEqual(["PRO-1"]);
});

it("keeps what belongs to a private place from those who are elsewhere", async () => {
  const cases = await openCases({ ...deps, sees: (place) => place === null });
  expect(cases.map((one) => one.investigation.id)).toEqual(["INV-4", "INV-1"]);
});

it("lists what began since then and is over, newest first, and nothing private elsewhere", async () => {
  const ended = [
    investigation("INV-1", 10),
    investigation("INV-2", 30, { incidentId: "IN-2" }),
    investigation("INV-3", 40, { incidentId: "IN-3" }),
    investigation("INV-4", 50, { audience: "slack:C9" }),
    investigation("INV-5", 60, { anomalies: [{ startedAt: 5 }] as unknown as Investigation["anomalies"] }),
    investigation("INV-6", 70),
  ];
  const cases = await pastCases(
    {
      proposals: deps.proposals,
      sees: (place) => place === null,
      ended: async () => ended,
      incident: async (id) => ({ id, state: id === "IN-3" ? "open" : "resolved" }) as unknown as Incident,
    },
    20,
  );
  expect(cases.map((one) => [one.investigation.id, one.incident?.id ?? null])).toEqual([
    ["INV-6", null],
    ["INV-2", "IN-2"],
  ]);
});
