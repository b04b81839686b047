import type { EpochMs } from "../domain/time.ts";

export const SCENARIOS = ["flag", "bad-deploy", "cascade", "rollback-no-help", "quiet"] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** What is being played; survives a restart. */
export interface Play {
  readonly scenario: Scenario;
  readonly since: EpochMs;
}

export const isScenario = (name: string): name is Scenario => (SCENARIOS as readonly string[]).includes(name);
