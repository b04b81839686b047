import type { EpochMs } from "../domain/time.ts";
import type { InvestigationStore } from "./stores.ts";

/** What a deletion took away, in rows by sort, and what stays. */
export interface Forgotten {
  readonly deleted: Readonly<Record<string, number>>;
  /** Approvals and denials of a person: the trail of who let what run stays. */
  readonly keptDecisions?: number;
  /** Proposals of an incident, kept for the same reason. */
  readonly keptProposals?: number;
}

export interface PrivacyStore {
  /** @param user `surface:id` */
  forgetUser(user: string): Promise<Forgotten>;
  forgetIncident(incidentId: string | null, investigationIds: readonly string[]): Promise<Forgotten>;
  /** Deletes what people said before a moment. @returns how much */
  forgetConversations(before: EpochMs): Promise<number>;
}

export interface ForgetDependencies {
  readonly privacy: PrivacyStore;
  readonly investigations: Pick<InvestigationStore, "get" | "incident" | "incidents" | "list">;
  /** What was learned follows from the records, so it goes with them. */
  readonly learning: { refresh(): Promise<void> };
  /** Post-mortems that were handed in as files; one that stayed would be read in again. Absent: there are none. */
  readonly files?: PostmortemFiles;
}

export interface PostmortemFiles {
  forget(investigationIds: readonly string[]): Promise<void>;
}

export type Forgetting = { readonly ok: true; readonly forgotten: Forgotten } | { readonly ok: false; readonly reason: string };

/** Forgets a person: votes with their history, messages, reactions, and all that was learned from them. */
export async function forgetUser({ privacy, learning }: ForgetDependencies, user: string): Promise<Forgetting> {
  if (!/^[a-z]+:.+$/.test(user) || user.startsWith("vigil:"))
    return {
      ok: false,
      reason: `${user.slice(0, 60)} is no person: write the surface and its id, for instance slack:U0123 or web:maya.`,
    };
  const forgotten = await privacy.forgetUser(user);
  await learning.refresh();
  return { ok: true, forgotten };
}

/** Forgets an incident with its investigations, or one investigation: reports, pictures, votes, threads, and all that was learned from them. */
export async function forgetIncident(deps: ForgetDependencies, id: string): Promise<Forgetting> {
  const { investigations } = deps;
  const incident = await investigations.incident(id);
  const own = incident
    ? (await investigations.list()).filter(({ incidentId }) => incidentId === id)
    : [await investigations.get(id)].filter((one) => one !== null);
  if (!incident && own.length === 0) return { ok: false, reason: `There is no incident or investigation ${id.slice(0, 40)}.` };
  if (incident && incident.state !== "resolved")
    return { ok: false, reason: `${id} is not over; it can be forgotten once it is resolved.` };
  if (own.some(({ state }) => state === "running")) return { ok: false, reason: `${id} is being investigated; stop that first.` };
  const ids = own.map((one) => one.id);
  const forgotten = await forgetTogether(deps, incident ? id : null, ids);
  await deps.learning.refresh();
  return { ok: true, forgotten };
}

/** The files first: one that stayed would be read in again. */
async function forgetTogether({ files, privacy }: ForgetDependencies, incident: string | null, ids: readonly string[]) {
  await files?.forget(ids);
  return privacy.forgetIncident(incident, ids);
}

/** Deletes what has been kept for as long as it may be. Incidents that are not over stay, whatever their age. */
export async function retain(
  deps: ForgetDependencies,
  before: { readonly incidents: EpochMs; readonly conversations: EpochMs },
): Promise<{ readonly incidents: number; readonly conversations: number }> {
  const { investigations, privacy } = deps;
  const over = (await investigations.incidents()).filter(
    ({ state, resolvedAt }) => state === "resolved" && (resolvedAt ?? 0) < before.incidents,
  );
  const gone = new Set(over.map(({ id }) => id));
  const all = await investigations.list();
  for (const { id } of over) {
    const own = all.filter(({ incidentId }) => incidentId === id);
    await forgetTogether(
      deps,
      id,
      own.map((one) => one.id),
    );
  }
  const alone = all.filter(
    ({ incidentId, state, finishedAt }) => incidentId === null && state !== "running" && (finishedAt ?? 0) < before.incidents,
  );
  if (alone.length > 0)
    await forgetTogether(
      deps,
      null,
      alone.map(({ id }) => id),
    );
  if (gone.size + alone.length > 0) await deps.learning.refresh();
  return { incidents: gone.size + alone.length, conversations: await privacy.forgetConversations(before.conversations) };
}
