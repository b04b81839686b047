import type { Migration } from "kysely";

// biome-ignore lint/suspicious/noEmptyInterface: placeholder until the concept's tables land
export interface KnowledgeTables {}

export const knowledgeMigrations: Readonly<Record<string, Migration>> = {};
