import { type Kysely, type Migration, sql } from "kysely";
import type { Pool } from "pg";
import type { Milliseconds } from "../domain/time.ts";
import type { Leader, LeaderStore, Taken } from "../flows/leadership.ts";

export interface LeadershipTables {
  /** One row: who leads the replicas on this state, until when by the database's clock. */
  leaders: { name: string; holder: string; token: number; until: number };
}

export const leadershipMigrations: Readonly<Record<string, Migration>> = {
  "170-leaders": {
    async up(db: Kysely<unknown>) {
      await sql`CREATE TABLE leaders (name TEXT PRIMARY KEY, holder TEXT NOT NULL, token BIGINT NOT NULL, until BIGINT NOT NULL)`.execute(
        db,
      );
    },
  },
};

const NAME = "vigil";
/** Milliseconds since 1970 by the server's clock at this moment, not at the beginning of the transaction. */
const NOW = sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`;

/** The lease of the leader in PostgreSQL: each step is one statement, so that two who ask at once never both get it. */
export class LeaderRepository implements LeaderStore {
  readonly #db: Kysely<LeadershipTables>;

  constructor(db: Kysely<LeadershipTables>) {
    this.#db = db;
  }

  async take(holder: string, term: Milliseconds): Promise<Taken> {
    const until = sql<number>`${NOW} + ${Math.round(term)}::bigint`;
    const held = await this.#db
      .insertInto("leaders")
      .values({ name: NAME, holder, token: 1, until })
      .onConflict((conflict) =>
        conflict
          .column("name")
          .doUpdateSet({
            holder,
            until,
            token: sql<number>`leaders.token + case when leaders.holder = ${holder} then 0 else 1 end`,
          })
          .where((eb) => eb.or([eb("leaders.holder", "=", holder), eb("leaders.until", "<=", NOW)])),
      )
      .returning("token")
      .executeTakeFirst();
    if (held) return { leads: true, token: held.token };
    const leader = await this.leader();
    return leader ? { leads: false, ...leader } : this.take(holder, term);
  }

  async release(holder: string): Promise<void> {
    await this.#db.updateTable("leaders").set({ until: 0 }).where("name", "=", NAME).where("holder", "=", holder).execute();
  }

  async leader(): Promise<Leader | null> {
    const row = await this.#db
      .selectFrom("leaders")
      .select(["holder", "token", sql<number>`until - ${NOW}`.as("left")])
      .where("name", "=", NAME)
      .executeTakeFirst();
    return row ?? null;
  }
}

/** Who leads, asked of a PostgreSQL that may not have been used by Vigil yet; null then. Changes nothing. */
export async function readLeader(pool: Pool): Promise<Leader | null> {
  const { rows: there } = await pool.query("select to_regclass('leaders') is not null as there");
  if (!there[0]?.there) return null;
  const { rows } = await pool.query(
    "select holder, token, until - (extract(epoch from clock_timestamp()) * 1000)::bigint as left from leaders where name = $1",
    [NAME],
  );
  const [row] = rows as { holder: string; token: number; left: number }[];
  return row ?? null;
}
