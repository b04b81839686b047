import { type Kysely, type Migration, sql } from "kysely";
import type { KnowledgeStore, StoredDocument, StoredVector } from "../knowledge/store.ts";
import { onPostgres } from "./database.ts";

export interface KnowledgeTables {
  documents: { key: string; collection: string; hash: string; body: string };
  vectors: { hash: string; model: string; vector: Uint8Array };
}

export const knowledgeMigrations: Readonly<Record<string, Migration>> = {
  "030-knowledge": {
    async up(db: Kysely<unknown>) {
      await sql`CREATE TABLE documents (key TEXT PRIMARY KEY, collection TEXT NOT NULL, hash TEXT NOT NULL, body TEXT NOT NULL)`.execute(
        db,
      );
      await sql`CREATE TABLE vectors (hash TEXT NOT NULL, model TEXT NOT NULL, vector ${sql.raw(onPostgres(db) ? "BYTEA" : "BLOB")} NOT NULL, PRIMARY KEY (hash, model))`.execute(
        db,
      );
    },
  },
};

/** Documents and the vectors of their chunks by content hash: what does not change is never embedded again. */
export class KnowledgeRepository implements KnowledgeStore {
  readonly #db: Kysely<KnowledgeTables>;

  constructor(db: Kysely<KnowledgeTables>) {
    this.#db = db;
  }

  documents(): Promise<StoredDocument[]> {
    return this.#db.selectFrom("documents").selectAll().execute();
  }

  async put(document: StoredDocument): Promise<void> {
    const { key: _, ...changed } = document;
    await this.#db
      .insertInto("documents")
      .values(document)
      .onConflict((conflict) => conflict.column("key").doUpdateSet(changed))
      .execute();
  }

  async remove(key: string): Promise<void> {
    await this.#db.deleteFrom("documents").where("key", "=", key).execute();
  }

  async vectors(model: string, hashes: readonly string[]): Promise<Map<string, Float32Array>> {
    const found = new Map<string, Float32Array>();
    for (let from = 0; from < hashes.length; from += 500) {
      const rows = await this.#db
        .selectFrom("vectors")
        .select(["hash", "vector"])
        .where("model", "=", model)
        .where("hash", "in", hashes.slice(from, from + 500))
        .execute();
      for (const { hash, vector } of rows) found.set(hash, new Float32Array(Uint8Array.from(vector).buffer));
    }
    return found;
  }

  async saveVectors(model: string, vectors: readonly StoredVector[]): Promise<void> {
    if (vectors.length === 0) return;
    await this.#db
      .insertInto("vectors")
      .values(
        vectors.map(({ hash, vector }) => ({
          hash,
          model,
          vector: new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength),
        })),
      )
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  async removeVectors(hashes: readonly string[]): Promise<void> {
    for (let from = 0; from < hashes.length; from += 500) {
      await this.#db
        .deleteFrom("vectors")
        .where("hash", "in", hashes.slice(from, from + 500))
        .execute();
    }
  }
}
