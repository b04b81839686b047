import type { Proposal, ProposalState, VerificationCriterion } from "../domain/proposal.ts";
import type { RedSignal, ServiceName } from "../domain/telemetry.ts";
import { type EpochMs, HOUR } from "../domain/time.ts";
import { type ActionContext, actionNamed, stopReason } from "./context.ts";
import { digestOf } from "./digest.ts";
import { approvalsFor, frozen } from "./policy.ts";
import { StateMovedError, TargetError } from "./ports.ts";
import { assessRisk } from "./risk.ts";

export interface FilingRequest {
  readonly action: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly reason: string;
  readonly expectedEffect: string;
  readonly watch: {
    readonly service: ServiceName;
    readonly signal: RedSignal;
    readonly direction: "down" | "up";
    /** Telemetry time since which the signal is off. */
    readonly since?: EpochMs | null;
  } | null;
  readonly confidence: number;
  readonly investigationId: string;
  readonly requester: string;
}

export type Filing = { readonly ok: true; readonly proposal: Proposal } | { readonly ok: false; readonly refusal: string };

/** Relative change that counts as help: below it, an action was not worth its risk. */
const MINIMUM_EFFECT = 0.04;
const LONGEST_TEXT = 500;

const BAD_ENDS: ReadonlySet<ProposalState> = new Set(["rolled_back", "rollback_failed", "unknown"]);

const refuse = (refusal: string): Filing => ({ ok: false, refusal });

/** Checks a wish against catalogue, inventory and policy, and files it as a pending proposal. Nothing is changed. The same wish filed twice is one proposal. */
export async function fileProposal(context: ActionContext, request: FilingRequest): Promise<Filing> {
  const { store, policy } = context;
  const action = actionNamed(context, request.action);
  if (!action)
    return refuse(
      `There is no action ${request.action.slice(0, 60)}; there are: ${context.catalogue.map(({ name }) => name).join(", ")}.`,
    );
  const args = action.schema.safeParse(request.args);
  if (!args.success) {
    return refuse(args.error.issues.map((issue) => `${issue.path.join(".") || action.name}: ${issue.message}`).join("; "));
  }
  const stopped = await stopReason(context);
  if (stopped) return refuse(`Nothing may run now: ${stopped}.`);

  let plan: Awaited<ReturnType<typeof action.plan>>;
  try {
    plan = await action.plan(args.data);
  } catch (error) {
    if (error instanceof TargetError || error instanceof StateMovedError) return refuse(error.message);
    throw error;
  }
  if (policy.neverTouch.includes(plan.target)) return refuse(`Policy forbids to touch ${plan.target} (neverTouch).`);
  const freeze = frozen(policy, context.now());
  if (freeze) return refuse(freeze);

  const active = await store.list({ states: ["pending", "approved", "executing", "verifying", "rolling_back"] });
  const same = active.find(
    (one) => one.target === plan.target && one.action === action.name && JSON.stringify(one.args) === JSON.stringify(args.data),
  );
  if (same) return { ok: true, proposal: same };
  const pending = active.filter(({ state }) => state === "pending");
  if (pending.length >= policy.limits.pendingAtOnce) {
    return refuse(`${pending.length} proposals await a decision already; decide those first (limits.pendingAtOnce).`);
  }
  const limit = await limitReached(context, plan.target);
  if (limit) return refuse(limit);

  const risk = assessRisk({
    plan,
    reversibility: action.reversibility,
    graph: await context.graph(),
    catalog: await context.catalog(),
    confidence: Number.isFinite(request.confidence) ? request.confidence : null,
    concurrent: active.length - pending.length,
    production: !policy.testEnvironments.includes(plan.environment),
    record: context.record?.(action.name, [...plan.services, ...(request.watch ? [request.watch.service] : [])]) ?? null,
  });
  const needed = approvalsFor(policy, risk.tier);
  if (needed === null) return refuse(`${action.name} on ${plan.target} is ${risk.tier}, which is never run from chat.`);

  const { watch } = request;
  const criterion: VerificationCriterion | null = watch && {
    service: watch.service,
    signal: watch.signal,
    direction: watch.direction,
    baselineFrom: watch.since ?? null,
    minimumEffect: MINIMUM_EFFECT,
    window: context.verificationWindow,
  };
  const createdAt = context.now();
  const expiresAt = createdAt + context.approvalTtl;
  const proposal: Proposal = {
    id: await store.nextProposalId(),
    rev: 1,
    state: "pending",
    action: action.name,
    args: args.data,
    target: plan.target,
    environment: plan.environment,
    risk,
    summary: `${plan.target.replace(":", " ")} in ${plan.environment}: ${plan.currentState} → ${plan.wantedState}`,
    currentState: plan.currentState,
    wantedState: plan.wantedState,
    undo: plan.undo,
    reason: request.reason.slice(0, LONGEST_TEXT),
    expectedEffect: request.expectedEffect.slice(0, LONGEST_TEXT),
    criterion,
    digest: digestOf({
      action: action.name,
      args: args.data,
      target: plan.target,
      environment: plan.environment,
      preState: plan.preState,
      snapshot: plan.snapshot,
      tier: risk.tier,
      criterion,
      expiresAt,
    }),
    requester: request.requester,
    investigationId: request.investigationId,
    neededApprovals: needed,
    approvals: [],
    createdAt,
    expiresAt,
    outcome: null,
  };
  await store.insert(
    { proposal, preState: plan.preState, snapshot: plan.snapshot },
    {
      actor: request.requester,
      kind: "proposed",
      subject: proposal.id,
      data: { digest: proposal.digest, summary: proposal.summary, tier: risk.tier },
    },
  );
  context.changed(proposal);
  return { ok: true, proposal };
}

/** The rule that forbids a further run on this target now, or null. Counted in telemetry time. */
export async function limitReached(context: ActionContext, target: string): Promise<string | null> {
  const { limits } = context.policy;
  const now = context.clock.now();
  const today = await context.store.ranSince(now - 24 * HOUR);
  if (today.length >= limits.perDay)
    return `${today.length} actions ran within a day, the limit is ${limits.perDay} (limits.perDay).`;
  const lately = today.filter((run) => run.target === target && run.at >= now - HOUR);
  if (lately.length >= limits.perTargetPerHour) {
    return `${lately.length} actions ran on ${target} within an hour, the limit is ${limits.perTargetPerHour} (limits.perTargetPerHour).`;
  }
  const undone = lately.findLast((run) => run.state === "rolled_back");
  // A run is rolled back at the latest when its verification window is over; the rest counts from there.
  const cooled = undone && undone.at + context.verificationWindow + limits.cooldownMinutesAfterRollback * 60_000;
  if (cooled && now < cooled)
    return `${target} was rolled back a moment ago; it rests until ${new Date(cooled).toISOString().slice(11, 16)} UTC.`;
  const failures = [...today].reverse().findIndex((run) => run.state === "verified");
  const inARow = today.slice(failures === -1 ? 0 : today.length - failures).filter((run) => BAD_ENDS.has(run.state));
  if (inARow.length >= limits.failedVerificationsUntilReadOnly) {
    return `${inARow.length} actions in a row ended badly; nothing more runs until people have looked (limits.failedVerificationsUntilReadOnly).`;
  }
  return null;
}
