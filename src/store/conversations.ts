import type { Migration } from "kysely";

// biome-ignore lint/suspicious/noEmptyInterface: placeholder until the concept's tables land
export interface ConversationsTables {}

export const conversationsMigrations: Readonly<Record<string, Migration>> = {};
