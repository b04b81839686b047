import { DateTime } from "luxon";
import type { Risk, RiskTier } from "../domain/proposal.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import type { EpochMs } from "../domain/time.ts";
import { type Hours, higherTier, type Policy, type Rule } from "./policy.ts";

/** What a policy is asked about. */
export interface Subject {
  readonly action: string;
  readonly target: string;
  readonly environment: string;
  readonly services: readonly ServiceName[];
}

/** What a policy says about one action on one target. */
export interface Ruling {
  readonly tier: RiskTier;
  /** Null when it may run. */
  readonly refusal: string | null;
  readonly approvals: number;
  readonly requesterMayApprove: boolean;
  readonly emoji: boolean;
  readonly reasonNeeded: boolean;
  /** Why, a line for each rule that had a say. */
  readonly because: readonly string[];
}

/** Applies tiers, action rules and service rules; the strictest wins. Pure; freezes and limits are asked apart, because they pass. */
export function rule(policy: Policy, subject: Subject, risk: Risk): Ruling {
  const because = [`scored ${risk.score} points: ${risk.tier}`];
  const rules = rulesFor(policy, subject);
  let { tier } = risk;
  for (const [key, { minimumTier }] of rules) {
    if (minimumTier && higherTier(minimumTier, tier)) {
      because.push(`raised from ${tier} to ${minimumTier} by ${key}.minimumTier`);
      tier = minimumTier;
    }
  }
  const never = { tier, approvals: 0, requesterMayApprove: false, emoji: false, reasonNeeded: false };
  const refusal = refusalOf(policy, subject, rules, tier);
  if (refusal) return { ...never, refusal, because };
  if (tier === "T0") return { ...never, refusal: null, because: [...because, "reads only"] };
  const of = policy.tiers[tier as "T1" | "T2" | "T3"];
  let { approvals } = of;
  because.push(`${tier} needs ${approvals} (tiers.${tier}.approvals)`);
  for (const [key, { approvals: more }] of rules) {
    if (more === undefined || more <= approvals) continue;
    because.push(`raised to ${more} by ${key}.approvals`);
    approvals = more;
  }
  if (of.reason) because.push(`each says why (tiers.${tier}.reason)`);
  return {
    tier,
    refusal: null,
    approvals,
    requesterMayApprove: of.requesterMayApprove,
    emoji: of.emoji,
    reasonNeeded: of.reason,
    because,
  };
}

function refusalOf(policy: Policy, subject: Subject, rules: readonly (readonly [string, Rule])[], tier: RiskTier): string | null {
  const { action, target, environment } = subject;
  if (policy.neverTouch.includes(target)) return `Policy forbids to touch ${target} (neverTouch).`;
  for (const [key, { allowed, environments }] of rules) {
    if (!allowed) return `Policy forbids ${action} here (${key}.allowed).`;
    if (environments && !environments.includes(environment))
      return `Policy allows ${action} only in ${environments.join(", ") || "no environment"}, not in ${environment} (${key}.environments).`;
  }
  return tier === "T4" ? `${action} on ${target} is T4, which is never run from chat.` : null;
}

/** Every rule that has a say, with its key in the policy. */
function rulesFor(policy: Policy, { action, services }: Subject): [string, Rule][] {
  const found: [string, Rule][] = [];
  const forAction = own(policy.actions, action);
  if (forAction) found.push([`actions.${action}`, forAction]);
  for (const service of services) {
    const forService = own(policy.services, service);
    if (!forService) continue;
    found.push([`services.${service}`, forService]);
    const both = own(forService.actions, action);
    if (both) found.push([`services.${service}.actions.${action}`, both]);
  }
  return found;
}

const own = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined;

/** The freeze that `at` lies in for this subject, or null. */
export function frozen(policy: Policy, subject: Pick<Subject, "environment" | "services">, at: EpochMs): string | null {
  const concerns = ({ environments, services }: { environments: string[]; services: string[] }) =>
    (environments.length === 0 || environments.includes(subject.environment)) &&
    // What cannot be told to lie outside of a freeze is frozen.
    (services.length === 0 || subject.services.length === 0 || subject.services.some((one) => services.includes(one)));
  const window = policy.freeze.find((one) => concerns(one) && Date.parse(one.from) <= at && at < Date.parse(one.to));
  if (window) return `changes are frozen until ${window.to}: ${window.reason} (freeze)`;
  const weekly = policy.weeklyFreeze.find((one) => concerns(one) && within(one, at));
  return weekly ? `changes are frozen until ${weekly.to} ${weekly.timeZone}: ${weekly.reason} (weeklyFreeze)` : null;
}

/** Whether a time lies in weekly hours. Hours that end before they begin go past midnight and belong to the day on which they began. */
export function within(hours: Hours, at: EpochMs): boolean {
  const local = DateTime.fromMillis(at, { zone: hours.timeZone });
  const minute = local.hour * 60 + local.minute;
  const [from, to] = [minutes(hours.from), minutes(hours.to)];
  const on = (weekday: number) => hours.days.includes(WEEK_DAYS[(weekday + 6) % 7] ?? "mon");
  if (from < to) return on(local.weekday) && from <= minute && minute < to;
  return (on(local.weekday) && minute >= from) || (on(local.weekday - 1) && minute < to);
}

const WEEK_DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

const minutes = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
