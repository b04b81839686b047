import { z } from "zod";
import type { Cohort, FlagState } from "../../actions/ports.ts";
import { canonical, fingerprintOf } from "../flag-writer.ts";

const rollout = z.object({
  variations: z.array(z.object({ variation: z.number(), weight: z.number() })),
  contextKind: z.string().nullish(),
  bucketBy: z.string().nullish(),
});

/** A variation's index, or shares of several, in thousandths of a percent. */
const served = z.object({ variation: z.number().nullish(), rollout: rollout.nullish() });

const clause = z.object({
  contextKind: z.string().nullish(),
  attribute: z.string(),
  op: z.string(),
  values: z.array(z.unknown()),
  negate: z.boolean().default(false),
});

const rule = served.extend({
  _id: z.string(),
  clauses: z.array(clause).default([]),
  description: z.string().nullish(),
  trackEvents: z.boolean().nullish(),
});

const target = z.object({ contextKind: z.string().nullish(), variation: z.number(), values: z.array(z.string()).default([]) });

/** A flag in one environment. */
const targeting = z.object({
  on: z.boolean(),
  archived: z.boolean().nullish(),
  targets: z.array(target).default([]),
  contextTargets: z.array(target).default([]),
  rules: z.array(rule).default([]),
  fallthrough: served.default({}),
  offVariation: z.number().nullish(),
  prerequisites: z.array(z.object({ key: z.string(), variation: z.number() })).default([]),
});

/** The flag representation of the REST API v2, as far as it is used. */
export const flagSchema = z.object({
  key: z.string(),
  description: z.string().nullish(),
  archived: z.boolean().nullish(),
  tags: z.array(z.string()).default([]),
  variations: z.array(z.object({ _id: z.string(), value: z.unknown() })).min(2),
  environments: z.record(z.string(), targeting).default({}),
});

export const flagPageSchema = z.object({ items: z.array(flagSchema), totalCount: z.number().nullish() });

/** A flag of one environment. */
export interface Flag extends Omit<z.output<typeof flagSchema>, "environments"> {
  readonly targeting: z.output<typeof targeting>;
}

type Served = z.output<typeof served>;
type Rule = z.output<typeof rule>;

/** LaunchDarkly's shares are in thousandths of a percent. */
const WHOLE = 100_000;
const PER_PERCENT = 1_000;
/** Tags `service:checkout` say which services read a flag. */
const SERVICE_TAG = "service:";

/** The index of the old behaviour: `false`, or what is served while the flag is off. Null when the flag says neither. */
export function offIndex({ variations, targeting: { offVariation } }: Flag): number | null {
  const named = variations.findIndex(({ value }) => value === false);
  return named >= 0 ? named : (offVariation ?? null);
}

/** The cohort that a rule keeps on the old behaviour, when it is one of those that `pinRule` makes. */
export function pinnedBy(flag: Flag, { variation, clauses }: Rule): Cohort | null {
  const [only] = clauses;
  if (variation === null || variation === undefined || variation !== offIndex(flag) || !only || clauses.length !== 1) return null;
  const { attribute, op, negate, values } = only;
  if (attribute !== "cohort" || op !== "in" || negate || values.length !== 1) return null;
  return values[0] === "test" || values[0] === "live" ? values[0] : null;
}

/** The rule that keeps a cohort on the old behaviour, as `addRule` takes it. */
export const pinRule = (cohort: Cohort, offVariationId: string) => ({
  variationId: offVariationId,
  description: `Vigil keeps ${cohort} traffic out while it measures`,
  clauses: [{ contextKind: "user", attribute: "cohort", op: "in", negate: false, values: [cohort] }],
});

/** Why the share of a flag cannot be set; null when it can. */
export function obstacleOf(flag: Flag): string | null {
  if (flag.variations.length > 2) return `it has ${flag.variations.length} variations`;
  if (offIndex(flag) === null) return "nothing says which of its variations is the old behaviour";
  const foreign = flag.targeting.rules.filter((one) => pinnedBy(flag, one) === null).length;
  return foreign > 0 ? `it has ${foreign} targeting rule${foreign > 1 ? "s" : ""} of its own` : null;
}

/** Share of those whom no target and no rule meets, 0 to 100, that get another variation than the old one. */
function percentOf({ variation, rollout: shares }: Served, off: number): number {
  if (!shares) return variation === off ? 0 : 100;
  const old = shares.variations.reduce((sum, one) => sum + (one.variation === off ? one.weight : 0), 0);
  return (WHOLE - old) / PER_PERCENT;
}

/** What `updateFallthroughVariationOrRollout` takes for a share of a flag of two variations. */
export function rolloutFor(flag: Flag, percent: number): Readonly<Record<string, unknown>> {
  const off = offIndex(flag);
  const weight = Math.round(percent * PER_PERCENT);
  const weights = flag.variations.map(({ _id }, index) => [_id, index === off ? WHOLE - weight : weight] as const);
  const { bucketBy, contextKind } = flag.targeting.fallthrough.rollout ?? {};
  return {
    rolloutWeights: Object.fromEntries(weights),
    ...(bucketBy ? { rolloutBucketBy: bucketBy } : {}),
    ...(contextKind ? { rolloutContextKind: contextKind } : {}),
  };
}

/** Instructions of a semantic patch. */
export type Instructions = readonly (Readonly<Record<string, unknown>> & { readonly kind: string })[];

/** Who gets the flag, in LaunchDarkly's own indices; ids and descriptions of rules do not decide it. */
type Behaviour = ReturnType<typeof behaviourOf>;

function behaviourOf({ targeting: { on, fallthrough, offVariation, rules, targets, contextTargets, prerequisites } }: Flag) {
  return {
    on,
    fallthrough,
    offVariation: offVariation ?? null,
    rules: rules.map(({ _id, description, trackEvents, ...decides }) => decides),
    targets: [...targets, ...contextTargets].filter(({ values }) => values.length > 0),
    prerequisites,
  };
}

export const snapshotOf = (flag: Flag): string => canonical(behaviourOf(flag));

/** The instructions that turn a flag into a snapshot; none when it is so already. */
export function restoring(flag: Flag, snapshot: string): Instructions {
  const wanted = JSON.parse(snapshot) as Behaviour;
  const now = behaviourOf(flag);
  const differs = (part: keyof Behaviour) => canonical(wanted[part]) !== canonical(now[part]);
  const idOf = (index: number | null | undefined) => flag.variations[index ?? -1]?._id;
  const serving = ({ variation, rollout: shares }: Served) =>
    shares
      ? {
          rolloutWeights: Object.fromEntries(shares.variations.map((one) => [idOf(one.variation), one.weight])),
          ...(shares.bucketBy ? { rolloutBucketBy: shares.bucketBy } : {}),
          ...(shares.contextKind ? { rolloutContextKind: shares.contextKind } : {}),
        }
      : { variationId: idOf(variation) };
  return [
    ...(differs("on") ? [{ kind: wanted.on ? "turnFlagOn" : "turnFlagOff" }] : []),
    ...(differs("fallthrough") ? [{ kind: "updateFallthroughVariationOrRollout", ...serving(wanted.fallthrough) }] : []),
    ...(differs("offVariation") && wanted.offVariation !== null
      ? [{ kind: "updateOffVariation", variationId: idOf(wanted.offVariation) }]
      : []),
    ...(differs("rules")
      ? [
          {
            kind: "replaceRules",
            rules: wanted.rules.map(({ clauses, variation, rollout: shares }) => ({
              clauses,
              ...serving({ variation, rollout: shares }),
            })),
          },
        ]
      : []),
    ...(differs("targets")
      ? [
          {
            kind: "replaceTargets",
            targets: wanted.targets.map(({ contextKind, variation, values }) => ({
              contextKind: contextKind ?? "user",
              variationId: idOf(variation),
              values,
            })),
          },
        ]
      : []),
  ];
}

export function stateOf(flag: Flag): FlagState {
  const off = offIndex(flag);
  const foreign = flag.targeting.rules.some((one) => pinnedBy(flag, one) === null);
  return {
    key: flag.key,
    description: flag.description ?? "",
    enabled: flag.targeting.on,
    // Rules of its own may give the flag to anybody: it counts as fully on, so that risk is never underrated.
    percent: off === null || foreign ? 100 : percentOf(flag.targeting.fallthrough, off),
    pinnedOff: flag.targeting.rules.map((one) => pinnedBy(flag, one)).filter((cohort) => cohort !== null),
    services: flag.tags.filter((tag) => tag.startsWith(SERVICE_TAG)).map((tag) => tag.slice(SERVICE_TAG.length)),
    fingerprint: fingerprintOf(snapshotOf(flag)),
  };
}
