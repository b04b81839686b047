import type { Kysely, Migration } from "kysely";
import type { Recording } from "../agent/recording.ts";
import type { EpochMs } from "../domain/time.ts";
import type { AnomalyPicture } from "../flows/ports.ts";
import type { RecordingStore } from "../flows/stores.ts";

interface RecordingTable {
  investigation_id: string;
  body: string;
}

interface AnswerPictureTable {
  key: string;
  body: string;
  /** Wall clock. */
  at: number;
}

export interface RecordingsTables {
  recordings: RecordingTable;
  answer_pictures: AnswerPictureTable;
}

export const recordingsMigrations: Readonly<Record<string, Migration>> = {
  "140-recordings": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("recordings")
        .addColumn("investigation_id", "text", (column) => column.primaryKey())
        .addColumn("body", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("answer_pictures")
        .addColumn("key", "text", (column) => column.primaryKey())
        .addColumn("body", "text", (column) => column.notNull())
        .execute();
    },
  },
  "160-answer-picture-time": {
    async up(db: Kysely<unknown>) {
      // Pictures of before count as of today.
      await db.schema
        .alterTable("answer_pictures")
        .addColumn("at", "bigint", (column) => column.notNull().defaultTo(Date.now()))
        .execute();
      await db.schema.createIndex("answer_pictures_by_time").on("answer_pictures").column("at").execute();
    },
  },
};

/** What each investigation saw, for replays and second looks, and the pictures of answers and forecasts. Bodies are JSON. */
export class RecordingRepository implements RecordingStore {
  readonly #db: Kysely<RecordingsTables>;
  readonly #wall: () => EpochMs;

  constructor(db: Kysely<RecordingsTables>, wall: () => EpochMs = Date.now) {
    this.#db = db;
    this.#wall = wall;
  }

  async saveRecording(investigationId: string, recording: Recording): Promise<void> {
    const body = JSON.stringify(recording);
    await this.#db
      .insertInto("recordings")
      .values({ investigation_id: investigationId, body })
      .onConflict((conflict) => conflict.column("investigation_id").doUpdateSet({ body }))
      .execute();
  }

  async recording(investigationId: string): Promise<Recording | null> {
    const row = await this.#db
      .selectFrom("recordings")
      .select("body")
      .where("investigation_id", "=", investigationId)
      .executeTakeFirst();
    return row ? (JSON.parse(row.body) as Recording) : null;
  }

  async saveAnswerPicture(key: string, picture: AnomalyPicture): Promise<void> {
    const [body, at] = [JSON.stringify(picture), this.#wall()];
    await this.#db
      .insertInto("answer_pictures")
      .values({ key, body, at })
      .onConflict((conflict) => conflict.column("key").doUpdateSet({ body, at }))
      .execute();
  }

  async answerPicture(key: string): Promise<AnomalyPicture | null> {
    const row = await this.#db.selectFrom("answer_pictures").select("body").where("key", "=", key).executeTakeFirst();
    return row ? (JSON.parse(row.body) as AnomalyPicture) : null;
  }
}
