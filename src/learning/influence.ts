import type { EpochMs } from "../domain/time.ts";

export type InfluenceKind = "document" | "ranking" | "lesson" | "threshold" | "calibration" | "prior" | "track-record";

/** One thing that feedback has changed: what, how far, by which investigations. Lists and undo go by its id. */
export interface Influence {
  /** Stable, for instance `threshold/checkout/latency` or `ranking/INC-31`. */
  readonly id: string;
  readonly kind: InfluenceKind;
  /** In words with its size: what is different from a Vigil that has learned nothing. */
  readonly effect: string;
  /** Investigations or proposals that it was learned from. */
  readonly because: readonly string[];
}

/**
 * What people took back. `influence`: this influence starts again from nothing at `at`. `investigation` and `voter`: nothing is learned from
 * it until the entry is lifted.
 */
export interface Undo {
  readonly target: string;
  readonly scope: "influence" | "investigation" | "voter";
  readonly by: string;
  readonly reason: string;
  readonly at: EpochMs;
}
