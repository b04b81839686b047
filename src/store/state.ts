import type { Kysely } from "kysely";
import { type AlertsTables, alertsMigrations } from "./alerts.ts";
import { type ConversationsTables, conversationsMigrations } from "./conversations.ts";
import { openDatabase } from "./database.ts";
import { type DeliveriesTables, deliveriesMigrations } from "./deliveries.ts";
import { type EscalationsTables, escalationsMigrations } from "./escalations.ts";
import { type FeedbackTables, feedbackMigrations } from "./feedback.ts";
import type { Fence } from "./fence.ts";
import { type InvestigationsTables, investigationsMigrations } from "./investigations.ts";
import { type KnowledgeTables, knowledgeMigrations } from "./knowledge.ts";
import { type LeadershipTables, leadershipMigrations } from "./leadership.ts";
import { type LearningTables, learningMigrations } from "./learning.ts";
import { type ProposalsTables, proposalsMigrations } from "./proposals.ts";
import { type RecordingsTables, recordingsMigrations } from "./recordings.ts";
import { type TeamsTables, teamsMigrations } from "./teams.ts";

/** Everything Vigil must never lose, in one database; telemetry has its own. Each concept brings its tables and migrations. */
export interface StateTables
  extends AlertsTables,
    ConversationsTables,
    DeliveriesTables,
    EscalationsTables,
    FeedbackTables,
    InvestigationsTables,
    KnowledgeTables,
    LeadershipTables,
    LearningTables,
    ProposalsTables,
    RecordingsTables,
    TeamsTables {}

export type StateDatabase = Kysely<StateTables>;

/** Opens the state database: a SQLite file, a `postgres://` address, or `:memory:` for a throw-away one. Migration names sort by number: `010-investigations`, `020-proposals`, … */
export function openStateDatabase(place: string, fence?: Fence): Promise<StateDatabase> {
  return openDatabase<StateTables>(
    place,
    {
      ...investigationsMigrations,
      ...proposalsMigrations,
      ...knowledgeMigrations,
      ...feedbackMigrations,
      ...conversationsMigrations,
      ...deliveriesMigrations,
      ...alertsMigrations,
      ...escalationsMigrations,
      ...leadershipMigrations,
      ...learningMigrations,
      ...recordingsMigrations,
      ...teamsMigrations,
    },
    "full",
    fence,
  );
}
