import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { z } from "zod";
import type { RiskTier } from "../domain/proposal.ts";
import type { EpochMs } from "../domain/time.ts";

const tier = z.strictObject({
  approvals: z.number().int().min(1).max(5),
  requesterMayApprove: z.boolean(),
  emoji: z.boolean().describe("whether the approval emoji counts, beside the button"),
});

const schema = z.strictObject({
  testEnvironments: z
    .array(z.string().min(1))
    .default(["test", "testing", "dev", "development", "staging"])
    .describe("every other environment counts as production"),
  tiers: z
    .strictObject({
      T1: tier.default({ approvals: 1, requesterMayApprove: true, emoji: true }),
      T2: tier.default({ approvals: 1, requesterMayApprove: false, emoji: true }),
      T3: tier
        .extend({ approvals: z.number().int().min(2).max(5) })
        .default({ approvals: 2, requesterMayApprove: false, emoji: false }),
    })
    .prefault({}),
  limits: z
    .strictObject({
      perTargetPerHour: z.number().int().min(1).default(3),
      perDay: z.number().int().min(1).default(10),
      pendingAtOnce: z.number().int().min(1).default(8),
      cooldownMinutesAfterRollback: z.number().min(0).default(10),
      failedVerificationsUntilReadOnly: z.number().int().min(1).default(2),
    })
    .prefault({}),
  freeze: z
    .array(z.strictObject({ from: z.iso.datetime(), to: z.iso.datetime(), reason: z.string().min(1) }))
    .default([])
    .describe("times in which nothing runs"),
  neverTouch: z.array(z.string().min(1)).default([]).describe("targets that are refused, for instance flag:kill-payments"),
  resumeNeeds: z.number().int().min(1).max(5).default(2),
});

/** Who must approve what, and what is refused. Unknown keys are errors; absent keys have safe defaults. */
export type Policy = z.output<typeof schema>;

export const DEFAULT_POLICY: Policy = schema.parse({});

/** @throws with the file, the key and the remedy when the policy cannot be used: then nothing may run. */
export function loadPolicy(file: string): Policy {
  const document = parseDocument(readFileSync(file, "utf8"));
  const [error] = document.errors;
  if (error) throw new Error(`The policy ${file} is not valid YAML: ${error.message}`);
  const parsed = schema.safeParse(document.toJS() ?? {});
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => `  ${issue.path.join(".") || "(top level)"}: ${issue.message}`);
  throw new Error(`The policy ${file} cannot be used; correct these keys:\n${lines.join("\n")}`);
}

/** How many distinct approvals a tier needs; null when it is refused in chat. */
export function approvalsFor(policy: Policy, risk: RiskTier): number | null {
  if (risk === "T4") return null;
  return risk === "T0" ? 0 : policy.tiers[risk].approvals;
}

/** The freeze window that `at` lies in, or null. */
export function frozen(policy: Policy, at: EpochMs): string | null {
  const window = policy.freeze.find(({ from, to }) => Date.parse(from) <= at && at < Date.parse(to));
  return window ? `changes are frozen until ${window.to}: ${window.reason}` : null;
}
