import type { Migration } from "kysely";

// biome-ignore lint/suspicious/noEmptyInterface: placeholder until the concept's tables land
export interface ProposalsTables {}

export const proposalsMigrations: Readonly<Record<string, Migration>> = {};
