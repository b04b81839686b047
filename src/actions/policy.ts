import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { z } from "zod";
import type { RiskTier } from "../domain/proposal.ts";

const name = z.string().min(1);
const clockTime = z.string().regex(/^([01]\d|2[0-4]):[0-5]\d$/, "must be a time like 09:00 or 24:00");
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
const timeZone = z.string().refine(isTimeZone, "must be a time zone like Europe/Berlin").default("UTC");
const tierName = z.enum(["T1", "T2", "T3", "T4"]);

const tier = z.strictObject({
  approvals: z.number().int().min(1).max(5),
  requesterMayApprove: z.boolean(),
  emoji: z.boolean().describe("whether the approval emoji counts, beside the button"),
  reason: z.boolean().default(false).describe("whether each approval must say why; an emoji says nothing"),
});

const hours = z.strictObject({ days: z.array(z.enum(DAYS)).min(1), from: clockTime, to: clockTime, timeZone });
const fractions = z.array(z.number().gt(0).lt(1)).max(5);
const scope = {
  environments: z.array(name).default([]).describe("empty: all"),
  services: z.array(name).default([]).describe("empty: all"),
};

/** What may be said of one action, everywhere or for one service. */
const rule = z.strictObject({
  allowed: z.boolean().default(true),
  minimumTier: tierName.optional().describe("the tier is raised to this; it is never lowered"),
  approvals: z.number().int().min(1).max(5).optional().describe("raises the number of approvals"),
  environments: z.array(name).optional().describe("the only environments in which it may run"),
});

const schema = z.strictObject({
  testEnvironments: z
    .array(name)
    .default(["test", "testing", "dev", "development", "staging"])
    .describe("every other environment counts as production"),
  tiers: z
    .strictObject({
      T1: tier.prefault({ approvals: 1, requesterMayApprove: true, emoji: true }),
      T2: tier.prefault({ approvals: 1, requesterMayApprove: false, emoji: true }),
      T3: tier
        .extend({
          approvals: z.number().int().min(2).max(5),
          reason: z.boolean().default(true).describe("whether each approval must say why; an emoji says nothing"),
        })
        .prefault({ approvals: 2, requesterMayApprove: false, emoji: false }),
    })
    .prefault({}),
  actions: z.record(name, rule).default({}).describe("by the action's name, for instance scale_service"),
  services: z
    .record(name, rule.extend({ actions: z.record(name, rule).default({}) }))
    .default({})
    .describe("by the service's name; adds to what holds for all"),
  people: z
    .record(name, z.array(z.string().regex(/^[a-z]+:.+$/, "must be like slack:U0123")).min(1))
    .default({})
    .describe("accounts of one person on several surfaces, who counts once"),
  limits: z
    .strictObject({
      perTargetPerHour: z.number().int().min(1).default(3),
      perServicePerHour: z.number().int().min(1).default(3),
      perDay: z.number().int().min(1).default(10),
      pendingAtOnce: z.number().int().min(1).default(8),
      proposalsPerHour: z.number().int().min(1).default(20).describe("more cards than this tire people into approving"),
      cooldownMinutesAfterRollback: z.number().min(0).default(10),
      failedVerificationsUntilReadOnly: z.number().int().min(1).default(2),
    })
    .prefault({}),
  canary: z
    .strictObject({
      towardsRisk: fractions.default([0.1, 0.5]).describe("when a flag is raised, or copies are taken away"),
      towardsSafety: fractions.default([]).describe("when a flag is lowered, or copies are added"),
      windowShare: z.number().gt(0).max(1).default(0.4).describe("of the verification window, for each step before the last"),
    })
    .prefault({}),
  settleMinutes: z.number().positive().max(240).default(10).describe("for copies to come up, or a sync to end"),
  onStop: z
    .enum(["finish", "rollBack"])
    .default("finish")
    .describe("what a stop means for what is being verified: watch it to its end, or undo it at once"),
  workingHours: hours.optional().describe("outside of them, or without them, an action counts as riskier"),
  freeze: z
    .array(z.strictObject({ from: z.iso.datetime(), to: z.iso.datetime(), reason: name, ...scope }))
    .default([])
    .describe("times in which nothing runs"),
  weeklyFreeze: z.array(hours.extend({ reason: name, ...scope })).default([]),
  neverTouch: z.array(name).default([]).describe("targets that are refused, for instance flag:kill-payments"),
  causalTests: z
    .strictObject({
      allowed: z.boolean().default(true),
      perFlagPerHour: z.number().int().min(1).default(4),
    })
    .prefault({}),
  resumeNeeds: z.number().int().min(1).max(5).default(2),
});

/** Who must approve what, and what is refused. Unknown keys are errors; absent keys have safe defaults. */
export type Policy = z.output<typeof schema>;
export type Hours = z.output<typeof hours>;
export type Rule = z.output<typeof rule>;

export const DEFAULT_POLICY: Policy = schema.parse({});

/** A policy that cannot be used. The message names each key and the remedy. */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
}

/** Reads a policy from a plain value. @throws with each wrong key and the remedy */
export function parsePolicy(value: unknown, source: string): Policy {
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => `  ${issue.path.join(".") || "(top level)"}: ${issue.message}`);
  throw new PolicyError(`The policy ${source} cannot be used; correct these keys:\n${lines.join("\n")}`);
}

/** @throws with the file, the key and the remedy when the policy cannot be used: then nothing may run. */
export function loadPolicy(file: string): Policy {
  const document = parseDocument(read(file));
  const [error] = document.errors;
  if (error) throw new PolicyError(`The policy ${file} is not valid YAML: ${error.message}`);
  return parsePolicy(document.toJS(), file);
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new PolicyError(
      `actions.policyFile names ${file}, which cannot be read (${(error as Error).message}). Correct the path, or remove the key for the defaults.`,
    );
  }
}

/** The policy's JSON Schema, for editors. */
export const policyJsonSchema = (): unknown => z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });

/** One name for all accounts of a person; an account that nobody listed stands for itself. */
export function personOf(policy: Policy, actor: string): string {
  const known = Object.entries(policy.people).find(([, accounts]) => accounts.includes(actor));
  return known ? `person:${known[0]}` : actor;
}

const RANK: Readonly<Record<RiskTier, number>> = { T0: 0, T1: 1, T2: 2, T3: 3, T4: 4 };

export const higherTier = (a: RiskTier, b: RiskTier): boolean => RANK[a] > RANK[b];

function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
