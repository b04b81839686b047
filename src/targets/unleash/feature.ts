import { z } from "zod";
import type { Cohort, FlagState } from "../../actions/ports.ts";
import { canonical, fingerprintOf } from "../flag-writer.ts";

const constraint = z.looseObject({
  contextName: z.string(),
  operator: z.string(),
  values: z.array(z.string()).nullish(),
  inverted: z.boolean().nullish(),
});

/** An activation strategy of a flag in one environment; unknown keys are kept as they are. */
const strategy = z.looseObject({
  id: z.string(),
  name: z.string(),
  disabled: z.boolean().nullish(),
  parameters: z.record(z.string(), z.unknown()).default({}),
  constraints: z.array(constraint).default([]),
  segments: z.array(z.number()).nullish(),
  variants: z.array(z.unknown()).nullish(),
  sortOrder: z.number().nullish(),
});

/** `GET /api/admin/projects/{project}/features/{feature}`, as far as it is used. */
export const featureSchema = z.object({
  name: z.string(),
  description: z.string().nullish(),
  archived: z.boolean().nullish(),
  environments: z.array(z.object({ name: z.string(), enabled: z.boolean(), strategies: z.array(strategy).default([]) })),
});

/** `GET /api/admin/projects/{project}/features`, as far as it is used. */
export const featureListSchema = z.object({
  features: z.array(
    z.object({
      name: z.string(),
      archived: z.boolean().nullish(),
      tags: z.array(z.object({ type: z.string(), value: z.string() })).nullish(),
    }),
  ),
});

export type Strategy = z.output<typeof strategy>;
export type Constraint = z.output<typeof constraint>;

/** A flag as it is in one environment. */
export interface Feature {
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
  /** In their order of evaluation. */
  readonly strategies: readonly Strategy[];
}

/** What of a strategy decides who gets the flag; its id and title do not. */
export interface Behaviour {
  readonly name: string;
  readonly disabled: boolean;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly constraints: readonly unknown[];
  readonly segments: readonly number[];
  readonly variants: readonly unknown[];
}

export interface Snapshot {
  readonly enabled: boolean;
  readonly strategies: readonly Behaviour[];
}

export function behaviourOf({ name, disabled, parameters, constraints, segments, variants }: Strategy): Behaviour {
  return {
    name,
    disabled: disabled ?? false,
    parameters,
    constraints,
    segments: [...(segments ?? [])].sort((a, b) => a - b),
    variants: variants ?? [],
  };
}

/** Equal snapshots are equal text. */
export function snapshotOf({ enabled, strategies }: Feature): string {
  return canonical({ enabled, strategies: strategies.map(behaviourOf) } satisfies Snapshot);
}

/** A gradual rollout: the strategy whose share can be changed. */
const GRADUAL = "flexibleRollout";

/** The only active strategy when that is a gradual rollout; null when the flag is built in another way. */
export function rolloutOf(feature: Feature): Strategy | null {
  const active = feature.strategies.filter(({ disabled }) => !disabled);
  const [only] = active;
  return only && active.length === 1 && only.name === GRADUAL && percentOf(only) !== null ? only : null;
}

export function percentOf({ parameters }: Strategy): number | null {
  const percent = Number(parameters.rollout ?? Number.NaN);
  return percent >= 0 && percent <= 100 ? percent : null;
}

/** The constraint that keeps a cohort out: the evaluation context's `cohort` is none of its values. */
export const pin = (cohort: Cohort): Constraint => ({
  contextName: "cohort",
  operator: "NOT_IN",
  values: [cohort],
  inverted: false,
});

export function pinnedBy({ contextName, operator, values, inverted }: Constraint): Cohort | null {
  if (contextName !== "cohort" || operator !== "NOT_IN" || inverted || values?.length !== 1) return null;
  return values[0] === "test" || values[0] === "live" ? values[0] : null;
}

/** @param services services known to read the flag, from its tags */
export function stateOf(feature: Feature, services: readonly string[]): FlagState {
  const rollout = rolloutOf(feature);
  const active = feature.strategies.some(({ disabled }) => !disabled);
  // Where every strategy is switched off nobody gets the flag; any other build counts as fully on, so that risk is never underrated.
  const otherwise = feature.strategies.length > 0 && !active ? 0 : 100;
  return {
    key: feature.name,
    description: feature.description,
    enabled: feature.enabled,
    percent: rollout ? (percentOf(rollout) ?? otherwise) : otherwise,
    pinnedOff: rollout ? rollout.constraints.map(pinnedBy).filter((cohort) => cohort !== null) : [],
    services,
    fingerprint: fingerprintOf(snapshotOf(feature)),
  };
}
