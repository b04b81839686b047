import type { Migration } from "kysely";

// biome-ignore lint/suspicious/noEmptyInterface: placeholder until the concept's tables land
export interface FeedbackTables {}

export const feedbackMigrations: Readonly<Record<string, Migration>> = {};
