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
  /** Whether what is touched keeps data of its own; null when that cannot be told. */
  readonly stateful: boolean | null;
  /** Fingerprint of the target; must still hold when the action runs. */
  readonly preState: string;
  /** Opaque; puts the target back exactly. */
  readonly snapshot: string;
}

/** `instant` and `slow` can be put back; `itself` changes nothing that lasts, so there is nothing to put back; `none` cannot be undone. */
export type Reversibility = "instant" | "slow" | "itself" | "none";

/** Where a target is, by one look at it. */
export interface Standing {
  /** As the arguments want it; as the snapshot has it; on its way (accepted, not all there); or anything else. */
  readonly at: "wanted" | "before" | "settling" | "elsewhere";
  /** Of what is there now. Equal to an earlier one: nobody has changed it since. */
  readonly fingerprint: string;
}

/** Fractions of the way, 0 to 1, after which to stop and look: by whether the change adds risk or takes it away. */
export interface Canary {
  readonly towardsRisk: readonly number[];
  readonly towardsSafety: readonly number[];
}

export interface Step<Args> {
  readonly args: Args;
  /** The state it leaves the target in, in words. */
  readonly state: string;
}

/**
 * One entry of the catalogue: typed arguments, a target checked against the inventory, and a way back. To add an action, write one file
 * like `toggle-feature-flag.ts` and name it in `core.ts`.
 */
export interface Action<Schema extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  /** For people and models: what it does and when to use it. */
  readonly description: string;
  readonly schema: Schema;
  readonly reversibility: Reversibility;
  /** Reads the target and says what would happen. @throws TargetError in words for the asker when it cannot be done. */
  plan(args: z.output<Schema>): Promise<Plan>;
  /** Smaller steps on the way, without the whole; absent where it can only be done at once. */
  steps?(args: z.output<Schema>, canary: Canary): Promise<readonly Step<z.output<Schema>>[]>;
  execute(args: z.output<Schema>, write: WriteContext): Promise<void>;
  /** Reads the target back. */
  inspect(args: z.output<Schema>, snapshot: string): Promise<Standing>;
  /** Puts the snapshot back; null where there is nothing to put back. */
  readonly rollBack: ((args: z.output<Schema>, snapshot: string, write: WriteContext) => Promise<void>) | null;
}

/** A service's name as an argument. */
export const SERVICE_ARGUMENT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const SERVICE_RULE = "a service name: letters, digits, dot, dash and underscore, at most 63";
