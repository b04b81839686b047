import type { CauseKind } from "../domain/investigation.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import { DAY, type EpochMs } from "../domain/time.ts";
import type { Judgement } from "./judgement.ts";

export const CAUSES: readonly CauseKind[] = ["flag", "deploy", "dependency", "resource", "traffic", "config"];

/** Pseudo-counts: what the fleet says for one service, and what ignorance says for the fleet. */
const FLEET = 2;
const IGNORANCE = 6;
const HALF_LIFE = 180 * DAY;

/** In nats, as the reasons of the diagnosis: a contrast between cohorts weighs 4, an experiment 5 to 8. */
export const PRIOR_BOUNDS = { most: 1.5, alone: 0.5 };

interface Counts {
  readonly confirmed: ReadonlyMap<CauseKind, number>;
  readonly refuted: ReadonlyMap<CauseKind, number>;
  readonly total: number;
}

/**
 * How much likelier than by chance a kind of cause is in a service, as a logarithm: confirmed causes counted with a Dirichlet prior at the
 * fleet's shares, which have one at equal shares themselves (hierarchical smoothing: MacKay and Peto 1995), times how often blaming it was
 * right (rule of succession). 0 where nothing is known.
 */
export function priorOf(judgements: readonly Judgement[], kind: CauseKind, service: ServiceName | null, now: EpochMs): number {
  const known = judgements.filter(({ at }) => at <= now);
  const fleet = count(known, null, now);
  const chance = 1 / CAUSES.length;
  const ofFleet = ((fleet.confirmed.get(kind) ?? 0) + IGNORANCE * chance) / (fleet.total + IGNORANCE);
  if (service === null) return Math.log(ofFleet / chance);
  const own = count(known, service, now);
  const share = ((own.confirmed.get(kind) ?? 0) + FLEET * ofFleet) / (own.total + FLEET);
  const right = own.confirmed.get(kind) ?? 0;
  return Math.log(share / chance) + Math.log((right + 1) / (right + (own.refuted.get(kind) ?? 0) + 1));
}

function count(judgements: readonly Judgement[], service: ServiceName | null, now: EpochMs): Counts {
  const confirmed = new Map<CauseKind, number>();
  const refuted = new Map<CauseKind, number>();
  let total = 0;
  for (const { cause, notCause, weight, at } of judgements) {
    const amount = weight * 0.5 ** ((now - at) / HALF_LIFE);
    if (cause && (service === null || cause.service === service)) {
      confirmed.set(cause.kind, (confirmed.get(cause.kind) ?? 0) + amount);
      total += amount;
    }
    if (notCause && (service === null || notCause.service === service))
      refuted.set(notCause.kind, (refuted.get(notCause.kind) ?? 0) + amount);
  }
  return { confirmed, refuted, total };
}
