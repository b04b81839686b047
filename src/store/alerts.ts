import type { Kysely, Migration, Transaction } from "kysely";
import type { AlertSeverity } from "../domain/oncall.ts";
import type { EpochMs } from "../domain/time.ts";
import type { AlertRecord, AlertStore, IncomingAlert } from "../flows/alert.ts";

interface AlertTable {
  source: string;
  fingerprint: string;
  state: "firing" | "resolved";
  starts_at: number;
  ends_at: number | null;
  received_at: number;
  /** 1 while something is still to be done about it. */
  pending: 0 | 1;
  incident_id: string | null;
  investigation_id: string | null;
  anomaly_id: string | null;
  body: string;
}

export interface AlertsTables {
  alerts: AlertTable;
}

export const alertsMigrations: Readonly<Record<string, Migration>> = {
  "061-alerts": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("alerts")
        .addColumn("source", "text", (column) => column.notNull())
        .addColumn("fingerprint", "text", (column) => column.notNull())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("starts_at", "bigint", (column) => column.notNull())
        .addColumn("ends_at", "bigint")
        .addColumn("received_at", "bigint", (column) => column.notNull())
        .addColumn("pending", "integer", (column) => column.notNull())
        .addColumn("incident_id", "text")
        .addColumn("investigation_id", "text")
        .addColumn("anomaly_id", "text")
        .addColumn("body", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("alerts_once", ["source", "fingerprint"])
        .execute();
      await db.schema.createIndex("alerts_pending").on("alerts").columns(["pending", "received_at"]).execute();
      await db.schema.createIndex("alerts_by_incident").on("alerts").column("incident_id").execute();
    },
  },
};

/** The newest episode of each alert, with the incident and investigation it led to. */
export class AlertRepository implements AlertStore {
  readonly #db: Kysely<AlertsTables>;

  constructor(db: Kysely<AlertsTables>) {
    this.#db = db;
  }

  receive(alerts: readonly IncomingAlert[], at: EpochMs): Promise<number> {
    return this.#db.transaction().execute(async (transaction) => {
      let news = 0;
      for (const alert of alerts) if (await this.#receive(transaction, alert, at)) news++;
      return news;
    });
  }

  async pending(): Promise<AlertRecord[]> {
    const rows = await this.#db.selectFrom("alerts").selectAll().where("pending", "=", 1).orderBy("received_at").execute();
    return rows.map(recordFrom);
  }

  async settle(records: readonly AlertRecord[]): Promise<void> {
    await this.#db.transaction().execute(async (transaction) => {
      for (const record of records) {
        const { source, fingerprint, incidentId, investigationId, anomalyId } = record;
        const links = { incident_id: incidentId, investigation_id: investigationId, anomaly_id: anomalyId };
        const one = transaction.updateTable("alerts").where("source", "=", source).where("fingerprint", "=", fingerprint);
        await one.set(links).execute();
        // What came in the meantime is still to be dealt with.
        await one.set({ pending: 0 }).where("state", "=", record.state).where("starts_at", "=", record.startsAt).execute();
      }
    });
  }

  async firing(): Promise<AlertRecord[]> {
    const rows = await this.#db.selectFrom("alerts").selectAll().where("state", "=", "firing").orderBy("starts_at").execute();
    return rows.map(recordFrom);
  }

  async all(): Promise<AlertRecord[]> {
    return (await this.#db.selectFrom("alerts").selectAll().orderBy("starts_at").execute()).map(recordFrom);
  }

  /** The worst severity among an incident's alerts, or null when it has none. */
  async worst(incidentId: string): Promise<AlertSeverity | null> {
    const rows = await this.#db.selectFrom("alerts").selectAll().where("incident_id", "=", incidentId).execute();
    const severities = rows.map((row) => recordFrom(row).severity);
    return (["critical", "warning", "info"] as const).find((one) => severities.includes(one)) ?? null;
  }

  async retain(before: EpochMs): Promise<void> {
    await this.#db
      .deleteFrom("alerts")
      .where("state", "=", "resolved")
      .where("pending", "=", 0)
      .where("ends_at", "<", before)
      .execute();
  }

  /** True when the alert says something that was not known. */
  async #receive(db: Transaction<AlertsTables>, alert: IncomingAlert, at: EpochMs): Promise<boolean> {
    const { source, fingerprint, state } = alert;
    const known = await db
      .selectFrom("alerts")
      .select(["state", "starts_at"])
      .where("source", "=", source)
      .where("fingerprint", "=", fingerprint)
      .executeTakeFirst();
    const one = db.updateTable("alerts").where("source", "=", source).where("fingerprint", "=", fingerprint);
    if (!known) {
      // Nobody was told of its beginning, so nobody needs to hear of its end.
      if (state === "resolved") return false;
      await db.insertInto("alerts").values(rowOf(alert, at)).execute();
      return true;
    }
    if (state === "resolved") {
      // A late word about an earlier episode ends nothing.
      if (known.state === "resolved" || alert.startsAt < known.starts_at) return false;
      await one.set({ state, ends_at: alert.endsAt ?? at, pending: 1 }).execute();
      return true;
    }
    if (known.state === "firing" || alert.startsAt <= known.starts_at) return false;
    await one.set(rowOf(alert, at)).execute();
    return true;
  }
}

const rowOf = (alert: IncomingAlert, at: EpochMs) => ({
  source: alert.source,
  fingerprint: alert.fingerprint,
  state: alert.state,
  starts_at: alert.startsAt,
  ends_at: alert.endsAt,
  received_at: at,
  pending: 1 as const,
  body: JSON.stringify(alert),
});

function recordFrom(row: AlertTable): AlertRecord {
  return {
    ...(JSON.parse(row.body) as IncomingAlert),
    state: row.state,
    startsAt: Number(row.starts_at),
    endsAt: row.ends_at === null ? null : Number(row.ends_at),
    receivedAt: Number(row.received_at),
    incidentId: row.incident_id,
    investigationId: row.investigation_id,
    anomalyId: row.anomaly_id,
  };
}
