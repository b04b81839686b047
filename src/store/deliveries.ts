import type { Kysely, Migration } from "kysely";
import { DAY, type EpochMs } from "../domain/time.ts";

interface DeliveryTable {
  sender: string;
  id: string;
  at: number;
}

export interface DeliveriesTables {
  deliveries: DeliveryTable;
}

export const deliveriesMigrations: Readonly<Record<string, Migration>> = {
  "060-deliveries": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("deliveries")
        .addColumn("sender", "text", (column) => column.notNull())
        .addColumn("id", "text", (column) => column.notNull())
        .addColumn("at", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("deliveries_once", ["sender", "id"])
        .execute();
      await db.schema.createIndex("deliveries_by_time").on("deliveries").column("at").execute();
    },
  },
};

/** No sender repeats a delivery after that long. */
const REMEMBERED = 7 * DAY;

/** Which webhook deliveries were taken, each for a week. */
export class DeliveryRepository {
  readonly #db: Kysely<DeliveriesTables>;

  constructor(db: Kysely<DeliveriesTables>) {
    this.#db = db;
  }

  async seen(sender: string, id: string): Promise<boolean> {
    const row = await this.#db
      .selectFrom("deliveries")
      .select("at")
      .where("sender", "=", sender)
      .where("id", "=", id)
      .executeTakeFirst();
    return row !== undefined;
  }

  async mark(sender: string, id: string, at: EpochMs): Promise<void> {
    await this.#db
      .insertInto("deliveries")
      .values({ sender, id, at })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await this.#db
      .deleteFrom("deliveries")
      .where("at", "<", at - REMEMBERED)
      .execute();
  }
}
