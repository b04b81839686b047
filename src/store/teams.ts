import type { Kysely, Migration } from "kysely";
import type { Conversation, ConversationBook } from "../chat/teams/conversations.ts";

export interface TeamsTables {
  teams_conversations: {
    id: string;
    kind: Conversation["kind"];
    service_url: string;
    tenant: string;
    team: string | null;
    seen_at: number;
  };
}

export const teamsMigrations: Readonly<Record<string, Migration>> = {
  "130-teams": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("teams_conversations")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("kind", "text", (column) => column.notNull())
        .addColumn("service_url", "text", (column) => column.notNull())
        .addColumn("tenant", "text", (column) => column.notNull())
        .addColumn("team", "text")
        .addColumn("seen_at", "bigint", (column) => column.notNull())
        .execute();
    },
  },
};

/** Conversations in Teams that Vigil was spoken to in, so that it can speak first. */
export class TeamsConversationRepository implements ConversationBook {
  readonly #db: Kysely<TeamsTables>;

  constructor(db: Kysely<TeamsTables>) {
    this.#db = db;
  }

  async save({ id, kind, serviceUrl, tenantId, teamId }: Conversation, at: number): Promise<void> {
    const known = { kind, service_url: serviceUrl, tenant: tenantId, team: teamId, seen_at: at };
    await this.#db
      .insertInto("teams_conversations")
      .values({ id, ...known })
      .onConflict((conflict) => conflict.column("id").doUpdateSet(known))
      .execute();
  }

  async find(id: string): Promise<Conversation | null> {
    const row = await this.#db.selectFrom("teams_conversations").selectAll().where("id", "=", id).executeTakeFirst();
    return row ? { id, kind: row.kind, serviceUrl: row.service_url, tenantId: row.tenant, teamId: row.team } : null;
  }
}
