import type { Kysely, Migration } from "kysely";
import type { EpochMs } from "../domain/time.ts";
import type { Escalation, EscalationState, EscalationStore } from "../flows/escalation.ts";

interface EscalationTable {
  incident_id: string;
  pager: string;
  state: EscalationState;
  at: number;
  body: string;
}

export interface EscalationsTables {
  escalations: EscalationTable;
}

export const escalationsMigrations: Readonly<Record<string, Migration>> = {
  "062-escalations": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("escalations")
        .addColumn("incident_id", "text", (column) => column.notNull())
        .addColumn("pager", "text", (column) => column.notNull())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("at", "bigint", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("escalations_once", ["incident_id", "pager"])
        .execute();
    },
  },
};

/** Who was called, when, why and with what result. */
export class EscalationRepository implements EscalationStore {
  readonly #db: Kysely<EscalationsTables>;

  constructor(db: Kysely<EscalationsTables>) {
    this.#db = db;
  }

  async put(escalation: Escalation): Promise<void> {
    const { incidentId, pager, state, at } = escalation;
    const row = { incident_id: incidentId, pager, state, at, body: JSON.stringify(escalation) };
    await this.#db
      .insertInto("escalations")
      .values(row)
      .onConflict((conflict) => conflict.columns(["incident_id", "pager"]).doUpdateSet(row))
      .execute();
  }

  async of(incidentId: string): Promise<Escalation[]> {
    const rows = await this.#db.selectFrom("escalations").select("body").where("incident_id", "=", incidentId).execute();
    return rows.map(escalationFrom);
  }

  async since(at: EpochMs): Promise<Escalation[]> {
    const rows = await this.#db.selectFrom("escalations").select("body").where("at", ">=", at).orderBy("at").execute();
    return rows.map(escalationFrom);
  }

  async open(): Promise<Escalation[]> {
    const rows = await this.#db.selectFrom("escalations").select("body").where("state", "=", "sent").orderBy("at").execute();
    return rows.map(escalationFrom);
  }
}

const escalationFrom = ({ body }: { body: string }): Escalation => JSON.parse(body) as Escalation;
