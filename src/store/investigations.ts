import type { Migration } from "kysely";

// biome-ignore lint/suspicious/noEmptyInterface: placeholder until the concept's tables land
export interface InvestigationsTables {}

export const investigationsMigrations: Readonly<Record<string, Migration>> = {};
