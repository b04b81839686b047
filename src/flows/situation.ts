import type { Incident, OpenCase } from "../domain/incident.ts";
import type { Investigation } from "../domain/investigation.ts";
import { FINAL_STATES, type Proposal } from "../domain/proposal.ts";
import type { EpochMs } from "../domain/time.ts";
import type { Audience } from "./ports.ts";

const MOST_PAST = 30;

export interface SituationDependencies {
  readonly unresolved: () => Promise<readonly Incident[]>;
  readonly ofIncident: (incidentId: string) => Promise<Investigation | null>;
  readonly running: () => Promise<readonly Investigation[]>;
  readonly proposals: (investigationId: string) => Promise<readonly Proposal[]>;
  /** Whether the one who asks may know what belongs to this place. */
  readonly sees: (place: Audience) => boolean;
}

/** What is going on, newest first: open incidents with their investigation, and investigations that somebody asked for and that still run. */
export async function openCases(deps: SituationDependencies): Promise<readonly OpenCase[]> {
  const [incidents, running] = await Promise.all([deps.unresolved(), deps.running()]);
  const known = await Promise.all(
    incidents.map(async (incident) => ({ incident, investigation: await deps.ofIncident(incident.id) })),
  );
  const asked = running
    .filter(({ id }) => !known.some(({ investigation }) => investigation?.id === id))
    .map((investigation) => ({ incident: null, investigation }));
  const seen = [...known, ...asked]
    .flatMap(({ incident, investigation }) => (investigation ? [{ incident, investigation }] : []))
    .filter(({ investigation }) => deps.sees(investigation.audience ?? null))
    .sort((a, b) => b.investigation.startedAt - a.investigation.startedAt);
  return Promise.all(
    seen.map(async (one) => {
      const proposals = await deps.proposals(one.investigation.id);
      return { ...one, proposals: proposals.filter(({ state }) => !FINAL_STATES.has(state)) };
    }),
  );
}

/** What began since then and is over, newest first. */
export async function pastCases(
  deps: Pick<SituationDependencies, "proposals" | "sees"> & {
    readonly ended: () => Promise<readonly Investigation[]>;
    readonly incident: (id: string) => Promise<Incident | null>;
  },
  since: EpochMs,
): Promise<readonly OpenCase[]> {
  const began = ({ anomalies, startedAt }: Investigation) => anomalies[0]?.startedAt ?? startedAt;
  const ended = (await deps.ended())
    .filter((one) => one.state === "done" && began(one) >= since && deps.sees(one.audience ?? null))
    .sort((a, b) => began(b) - began(a));
  const cases = await Promise.all(
    ended.slice(0, MOST_PAST).map(async (investigation) => ({
      investigation,
      incident: investigation.incidentId ? await deps.incident(investigation.incidentId) : null,
      proposals: await deps.proposals(investigation.id),
    })),
  );
  return cases.filter(({ incident }) => incident === null || incident.state === "resolved");
}
