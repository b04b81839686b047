import type { OpenCase } from "../agent/types.ts";
import type { Incident } from "../domain/incident.ts";
import type { Investigation } from "../domain/investigation.ts";
import { FINAL_STATES, type Proposal } from "../domain/proposal.ts";
import type { Audience } from "./ports.ts";

export interface SituationDependencies {
  readonly unresolved: () => Promise<readonly Incident[]>;
  readonly ofIncident: (incidentId: string) => Promise<Investigation | null>;
  readonly running: () => Promise<readonly Investigation[]>;
  readonly proposals: () => Promise<readonly Proposal[]>;
  /** Whether the one who asks may know what belongs to this place. */
  readonly sees: (place: Audience) => boolean;
}

/** What is going on, newest first: open incidents with their investigation, and investigations that somebody asked for and that still run. */
export async function openCases(deps: SituationDependencies): Promise<readonly OpenCase[]> {
  const [incidents, running, proposals] = await Promise.all([deps.unresolved(), deps.running(), deps.proposals()]);
  const known = await Promise.all(
    incidents.map(async (incident) => ({ incident, investigation: await deps.ofIncident(incident.id) })),
  );
  const asked = running
    .filter(({ id }) => !known.some(({ investigation }) => investigation?.id === id))
    .map((investigation) => ({ incident: null, investigation }));
  return [...known, ...asked]
    .flatMap(({ incident, investigation }) => (investigation ? [{ incident, investigation }] : []))
    .filter(({ investigation }) => deps.sees(investigation.audience ?? null))
    .map((one) => ({
      ...one,
      proposals: proposals.filter(
        ({ investigationId, state }) => investigationId === one.investigation.id && !FINAL_STATES.has(state),
      ),
    }))
    .sort((a, b) => b.investigation.startedAt - a.investigation.startedAt);
}
