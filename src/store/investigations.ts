import type { Kysely, Migration, Selectable } from "kysely";
import type { Incident, IncidentState } from "../domain/incident.ts";
import type { Investigation, InvestigationState } from "../domain/investigation.ts";
import type { EpochMs } from "../domain/time.ts";
import type { AnomalyPicture, ThreadRef } from "../flows/ports.ts";
import type { ConversationLog, InvestigationStore, Turn, WatchMemory } from "../flows/stores.ts";

interface IncidentTable {
  id: string;
  state: IncidentState;
  opened_at: number;
  resolved_at: number | null;
  body: string;
}

interface InvestigationTable {
  id: string;
  incident_id: string | null;
  state: InvestigationState;
  started_at: number;
  finished_at: number | null;
  body: string;
  picture: string | null;
}

interface TurnTable {
  id: string;
  surface: string;
  channel: string;
  thread: string;
  at: number;
  speaker: "engineer" | "vigil";
  text: string;
  /** `surface:id`; null for Vigil and for turns older than this column. */
  author: string | null;
}

interface MemoryTable {
  key: string;
  value: string;
}

interface CounterTable {
  name: string;
  value: number;
}

export interface InvestigationsTables {
  incidents: IncidentTable;
  investigations: InvestigationTable;
  turns: TurnTable;
  memory: MemoryTable;
  counters: CounterTable;
}

export const investigationsMigrations: Readonly<Record<string, Migration>> = {
  "010-investigations": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("incidents")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("opened_at", "bigint", (column) => column.notNull())
        .addColumn("resolved_at", "bigint")
        .addColumn("body", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("investigations")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("incident_id", "text")
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("started_at", "bigint", (column) => column.notNull())
        .addColumn("finished_at", "bigint")
        .addColumn("body", "text", (column) => column.notNull())
        .addColumn("picture", "text")
        .execute();
      await db.schema.createIndex("investigations_by_start").on("investigations").column("started_at").execute();
      await db.schema
        .createTable("turns")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("surface", "text", (column) => column.notNull())
        .addColumn("channel", "text", (column) => column.notNull())
        .addColumn("thread", "text", (column) => column.notNull())
        .addColumn("at", "bigint", (column) => column.notNull())
        .addColumn("speaker", "text", (column) => column.notNull())
        .addColumn("text", "text", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("turns_by_thread").on("turns").columns(["surface", "channel", "thread", "at"]).execute();
      await db.schema
        .createTable("memory")
        .addColumn("key", "text", (column) => column.primaryKey())
        .addColumn("value", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("counters")
        .addColumn("name", "text", (column) => column.primaryKey())
        .addColumn("value", "integer", (column) => column.notNull())
        .execute();
    },
  },
  "152-turn-author": {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable("turns").addColumn("author", "text").execute();
    },
  },
};

/** Incidents, investigations with their pictures, thread turns, and what the watcher remembers. Bodies are JSON of the domain types. */
export class InvestigationRepository implements InvestigationStore, ConversationLog, WatchMemory {
  readonly #db: Kysely<InvestigationsTables>;

  constructor(db: Kysely<InvestigationsTables>) {
    this.#db = db;
  }

  async nextId(prefix: "INV" | "ANO" | "IN"): Promise<string> {
    const { value } = await this.#db
      .insertInto("counters")
      .values({ name: prefix, value: 1 })
      .onConflict((conflict) => conflict.column("name").doUpdateSet((eb) => ({ value: eb("counters.value", "+", 1) })))
      .returning("value")
      .executeTakeFirstOrThrow();
    return `${prefix}-${value}`;
  }

  async saveIncident(incident: Incident): Promise<void> {
    const row: IncidentTable = {
      id: incident.id,
      state: incident.state,
      opened_at: incident.openedAt,
      resolved_at: incident.resolvedAt,
      body: JSON.stringify(incident),
    };
    const { id: _, ...changed } = row;
    await this.#db
      .insertInto("incidents")
      .values(row)
      .onConflict((conflict) => conflict.column("id").doUpdateSet(changed))
      .execute();
  }

  async unresolvedIncidents(): Promise<Incident[]> {
    const rows = await this.#db
      .selectFrom("incidents")
      .select("body")
      .where("state", "!=", "resolved")
      .orderBy("opened_at")
      .execute();
    return rows.map((row) => JSON.parse(row.body) as Incident);
  }

  async incidents(): Promise<Incident[]> {
    const rows = await this.#db.selectFrom("incidents").select("body").orderBy("opened_at").execute();
    return rows.map((row) => JSON.parse(row.body) as Incident);
  }

  async incident(id: string): Promise<Incident | null> {
    const row = await this.#db.selectFrom("incidents").select("body").where("id", "=", id).executeTakeFirst();
    return row ? (JSON.parse(row.body) as Incident) : null;
  }

  async save(investigation: Investigation): Promise<void> {
    const row = {
      id: investigation.id,
      incident_id: investigation.incidentId,
      state: investigation.state,
      started_at: investigation.startedAt,
      finished_at: investigation.finishedAt,
      body: JSON.stringify(investigation),
    };
    const { id: _, ...changed } = row;
    await this.#db
      .insertInto("investigations")
      .values({ ...row, picture: null })
      .onConflict((conflict) => conflict.column("id").doUpdateSet(changed))
      .execute();
  }

  async savePicture(id: string, picture: AnomalyPicture): Promise<void> {
    await this.#db
      .updateTable("investigations")
      .set({ picture: JSON.stringify(picture) })
      .where("id", "=", id)
      .execute();
  }

  async picture(id: string): Promise<AnomalyPicture | null> {
    const row = await this.#db.selectFrom("investigations").select("picture").where("id", "=", id).executeTakeFirst();
    return row?.picture ? (JSON.parse(row.picture) as AnomalyPicture) : null;
  }

  async get(id: string): Promise<Investigation | null> {
    const row = await this.#db.selectFrom("investigations").select("body").where("id", "=", id).executeTakeFirst();
    return row ? investigationFrom(row) : null;
  }

  async ofIncident(incidentId: string): Promise<Investigation | null> {
    const row = await this.#db
      .selectFrom("investigations")
      .select("body")
      .where("incident_id", "=", incidentId)
      .orderBy("started_at", "desc")
      .executeTakeFirst();
    return row ? investigationFrom(row) : null;
  }

  async list(filter: { state?: InvestigationState; since?: EpochMs } = {}): Promise<Investigation[]> {
    let query = this.#db.selectFrom("investigations").select("body").orderBy("started_at");
    if (filter.state) query = query.where("state", "=", filter.state);
    if (filter.since !== undefined) query = query.where("started_at", ">=", filter.since);
    return (await query.execute()).map(investigationFrom);
  }

  async addTurn(at: ThreadRef, turn: Turn): Promise<boolean> {
    const result = await this.#db
      .insertInto("turns")
      .values({
        id: turn.id,
        surface: at.surface,
        channel: at.channel,
        thread: at.thread ?? "",
        at: turn.at,
        speaker: turn.from,
        text: turn.text,
        author: turn.author ?? null,
      })
      .onConflict((conflict) => conflict.column("id").doNothing())
      .executeTakeFirst();
    return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
  }

  async turns(at: ThreadRef, limit: number): Promise<Turn[]> {
    const rows = await this.#db
      .selectFrom("turns")
      .select(["id", "at", "speaker", "text"])
      .where("surface", "=", at.surface)
      .where("channel", "=", at.channel)
      .where("thread", "=", at.thread ?? "")
      .orderBy("at", "desc")
      .limit(limit)
      .execute();
    return rows.reverse().map((row) => ({ id: row.id, at: Number(row.at), from: row.speaker, text: row.text }));
  }

  async remember(key: string, value: unknown): Promise<void> {
    await this.#db
      .insertInto("memory")
      .values({ key, value: JSON.stringify(value) })
      .onConflict((conflict) => conflict.column("key").doUpdateSet({ value: JSON.stringify(value) }))
      .execute();
  }

  async recall<T>(key: string): Promise<T | null> {
    const row = await this.#db.selectFrom("memory").select("value").where("key", "=", key).executeTakeFirst();
    return row ? (JSON.parse(row.value) as T) : null;
  }

  async forget(prefix: string): Promise<void> {
    await this.#db.deleteFrom("memory").where("key", "like", `${prefix}%`).execute();
  }
}

function investigationFrom(row: Pick<Selectable<InvestigationTable>, "body">): Investigation {
  return JSON.parse(row.body) as Investigation;
}
