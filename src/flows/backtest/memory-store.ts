import type { Incident } from "../../domain/incident.ts";
import type { Investigation } from "../../domain/investigation.ts";
import type { InvestigationStore, WatchMemory } from "../stores.ts";

/** What the watcher keeps while it replays: in memory, gone with the replay. */
export class ReplayStore implements InvestigationStore, WatchMemory {
  readonly #incidents = new Map<string, Incident>();
  readonly #investigations = new Map<string, Investigation>();
  readonly #memory = new Map<string, unknown>();
  #lastId = 0;

  nextId = async (prefix: string): Promise<string> => `${prefix}-${++this.#lastId}`;
  saveIncident = async (incident: Incident): Promise<void> => void this.#incidents.set(incident.id, incident);
  incident = async (id: string): Promise<Incident | null> => this.#incidents.get(id) ?? null;
  incidents = async (): Promise<Incident[]> => [...this.#incidents.values()];
  unresolvedIncidents = async (): Promise<Incident[]> =>
    [...this.#incidents.values()].filter(({ state }) => state !== "resolved");
  save = async (investigation: Investigation): Promise<void> => void this.#investigations.set(investigation.id, investigation);
  get = async (id: string): Promise<Investigation | null> => this.#investigations.get(id) ?? null;
  ofIncident = async (id: string): Promise<Investigation | null> =>
    [...this.#investigations.values()].find(({ incidentId }) => incidentId === id) ?? null;
  list = async (): Promise<Investigation[]> => [...this.#investigations.values()];
  savePicture = async (): Promise<void> => {};
  picture = async (): Promise<null> => null;

  remember = async (key: string, value: unknown): Promise<void> => void this.#memory.set(key, value);
  recall = async <T>(key: string): Promise<T | null> => (this.#memory.get(key) as T | undefined) ?? null;
  forget = async (prefix: string): Promise<void> => {
    for (const key of this.#memory.keys()) if (key.startsWith(prefix)) this.#memory.delete(key);
  };
}
