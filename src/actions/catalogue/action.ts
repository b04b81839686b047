import type { z } from "zod";
import type { ServiceName } from "../../domain/telemetry.ts";
import type { WriteContext } from "../ports.ts";

/** What an action would do, worked out from the target as it is now. Nothing has been changed. */
export interface Plan {
  /** One execution in flight for each target, for instance `flag:new-layout`. */
  readonly target: string;
  readonly environment: string;
  /** Services whose behaviour the action changes. */
  readonly services: readonly ServiceName[];
  readonly currentState: string;
  readonly wantedState: string;
  /** How it is undone, in words. */
  readonly undo: string;
  /** Share of requests that will behave differently, 0 to 1; null when it cannot be told. */
  readonly trafficShare: number | null;
  /** Must still hold when the action runs. */
  readonly preState: string;
  /** Opaque; puts the target back exactly. */
  readonly snapshot: string;
}

export type Reversibility = "instant" | "slow" | "none";

/**
 * One entry of the catalogue: typed arguments, a target checked against the inventory, and a way back. To add an action, write one file
 * like `toggle-feature-flag.ts` and name it in `app.ts`.
 */
export interface Action<Schema extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  /** For people and models: what it does and when to use it. */
  readonly description: string;
  readonly schema: Schema;
  readonly reversibility: Reversibility;
  /** Reads the target and says what would happen. @throws TargetError in words for the asker when it cannot be done. */
  plan(args: z.output<Schema>): Promise<Plan>;
  execute(args: z.output<Schema>, write: WriteContext): Promise<void>;
  /** Whether the wanted state is there, by reading the target back. */
  reached(args: z.output<Schema>, snapshot: string): Promise<boolean>;
  rollBack(args: z.output<Schema>, snapshot: string, write: WriteContext): Promise<void>;
  /** Whether the snapshot's state is there again. */
  restored(args: z.output<Schema>, snapshot: string): Promise<boolean>;
}
