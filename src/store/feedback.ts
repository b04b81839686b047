import type { Kysely, Migration } from "kysely";
import type { Feedback, Verdict } from "../domain/feedback.ts";
import type { EpochMs } from "../domain/time.ts";
import type { FeedbackStore } from "../flows/stores.ts";

interface FeedbackTable {
  investigation_id: string;
  user: string;
  verdict: Verdict;
  real_cause: string | null;
  missed: string | null;
  action_effective: number | null;
  via: Feedback["via"];
  at: number;
  mind: string | null;
  /** Names and versions, space between; null for votes older than this column. */
  prompts: string | null;
  audience: string | null;
}

interface FeedbackHistoryTable {
  investigation_id: string;
  user: string;
  at: number;
  /** JSON of the feedback, or null for a retraction. */
  body: string | null;
}

export interface FeedbackTables {
  feedback: FeedbackTable;
  feedback_history: FeedbackHistoryTable;
}

export const feedbackMigrations: Readonly<Record<string, Migration>> = {
  "040-feedback": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("feedback")
        .addColumn("investigation_id", "text", (column) => column.notNull())
        .addColumn("user", "text", (column) => column.notNull())
        .addColumn("verdict", "text", (column) => column.notNull())
        .addColumn("real_cause", "text")
        .addColumn("missed", "text")
        .addColumn("action_effective", "integer")
        .addColumn("via", "text", (column) => column.notNull())
        .addColumn("at", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("feedback_one_vote", ["investigation_id", "user"])
        .execute();
      await db.schema
        .createTable("feedback_history")
        .addColumn("investigation_id", "text", (column) => column.notNull())
        .addColumn("user", "text", (column) => column.notNull())
        .addColumn("at", "bigint", (column) => column.notNull())
        .addColumn("body", "text")
        .execute();
    },
  },
  "120-feedback-audience": {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable("feedback").addColumn("audience", "text").execute();
    },
  },
  "150-feedback-author": {
    async up(db: Kysely<unknown>) {
      await db.schema.alterTable("feedback").addColumn("mind", "text").execute();
      await db.schema.alterTable("feedback").addColumn("prompts", "text").execute();
    },
  },
};

export class FeedbackRepository implements FeedbackStore {
  readonly #db: Kysely<FeedbackTables>;

  constructor(db: Kysely<FeedbackTables>) {
    this.#db = db;
  }

  async put(feedback: Feedback): Promise<void> {
    const row: FeedbackTable = {
      investigation_id: feedback.investigationId,
      user: feedback.user,
      verdict: feedback.verdict,
      real_cause: feedback.realCause,
      missed: feedback.missed,
      action_effective: feedback.actionEffective === null ? null : Number(feedback.actionEffective),
      via: feedback.via,
      audience: feedback.audience ?? null,
      at: feedback.at,
      mind: feedback.author?.mind ?? null,
      prompts: feedback.author?.prompts.join(" ") ?? null,
    };
    await this.#db.transaction().execute(async (transaction) => {
      await transaction
        .insertInto("feedback_history")
        .values({ investigation_id: row.investigation_id, user: row.user, at: row.at, body: JSON.stringify(feedback) })
        .execute();
      await transaction
        .insertInto("feedback")
        .values(row)
        .onConflict((conflict) => conflict.columns(["investigation_id", "user"]).doUpdateSet(row))
        .execute();
    });
  }

  async retract(investigationId: string, user: string, at: EpochMs): Promise<void> {
    await this.#db.transaction().execute(async (transaction) => {
      await transaction
        .insertInto("feedback_history")
        .values({ investigation_id: investigationId, user, at, body: null })
        .execute();
      await transaction.deleteFrom("feedback").where("investigation_id", "=", investigationId).where("user", "=", user).execute();
    });
  }

  async of(investigationId: string): Promise<Feedback[]> {
    const rows = await this.#db
      .selectFrom("feedback")
      .selectAll()
      .where("investigation_id", "=", investigationId)
      .orderBy("at")
      .execute();
    return rows.map(feedbackFrom);
  }

  async history(investigationId: string): Promise<{ user: string; at: EpochMs; feedback: Feedback | null }[]> {
    const rows = await this.#db
      .selectFrom("feedback_history")
      .selectAll()
      .where("investigation_id", "=", investigationId)
      .orderBy("at")
      .execute();
    return rows.map(({ user, at, body }) => ({
      user,
      at: Number(at),
      feedback: body === null ? null : (JSON.parse(body) as Feedback),
    }));
  }

  async all(): Promise<Feedback[]> {
    return (await this.#db.selectFrom("feedback").selectAll().orderBy("at").execute()).map(feedbackFrom);
  }
}

function feedbackFrom(row: FeedbackTable): Feedback {
  return {
    investigationId: row.investigation_id,
    user: row.user,
    verdict: row.verdict,
    realCause: row.real_cause,
    missed: row.missed,
    actionEffective: row.action_effective === null ? null : row.action_effective === 1,
    via: row.via,
    audience: row.audience,
    at: Number(row.at),
    author: row.mind === null ? null : { mind: row.mind, prompts: row.prompts?.split(" ").filter(Boolean) ?? [] },
  };
}
