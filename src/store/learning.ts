import type { Kysely, Migration } from "kysely";
import type { UndoStore } from "../flows/learn.ts";
import type { Undo } from "../learning/influence.ts";

export interface LearningTables {
  learning_undone: { target: string; scope: Undo["scope"]; undone_by: string; reason: string; at: number };
}

export const learningMigrations: Readonly<Record<string, Migration>> = {
  "151-learning-undone": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("learning_undone")
        .addColumn("target", "text", (column) => column.primaryKey())
        .addColumn("scope", "text", (column) => column.notNull())
        .addColumn("undone_by", "text", (column) => column.notNull())
        .addColumn("reason", "text", (column) => column.notNull())
        .addColumn("at", "bigint", (column) => column.notNull())
        .execute();
    },
  },
};

/** What people took back of what was learned. What was learned itself is not stored: it follows from votes and outcomes. */
export class LearningRepository implements UndoStore {
  readonly #db: Kysely<LearningTables>;

  constructor(db: Kysely<LearningTables>) {
    this.#db = db;
  }

  async all(): Promise<Undo[]> {
    const rows = await this.#db.selectFrom("learning_undone").selectAll().orderBy("at").execute();
    return rows.map(({ target, scope, undone_by, reason, at }) => ({ target, scope, by: undone_by, reason, at: Number(at) }));
  }

  async put({ target, scope, by, reason, at }: Undo): Promise<void> {
    const row = { target, scope, undone_by: by, reason, at };
    await this.#db
      .insertInto("learning_undone")
      .values(row)
      .onConflict((conflict) => conflict.column("target").doUpdateSet(row))
      .execute();
  }

  async lift(target: string): Promise<boolean> {
    const result = await this.#db.deleteFrom("learning_undone").where("target", "=", target).executeTakeFirst();
    return result.numDeletedRows > 0n;
  }
}
