import type { CountReference } from "./counts.ts";
import type { LevelReference } from "./levels.ts";

/** What a signal was like just before an action, and how much it moves by itself. Plain JSON. */
export type Reference = LevelReference | CountReference;
