import type { Proposal, ProposalRequest, VerificationCriterion } from "../domain/proposal.ts";
import { HOUR } from "../domain/time.ts";
import type { Action, Plan } from "./catalogue/action.ts";
import { type ActionContext, actionNamed, stopReason, stopWords } from "./context.ts";
import { withDeadline } from "./deadline.ts";
import { canonicalJson, digestOf, type Undigested } from "./digest.ts";
import type { HeldBack } from "./limits.ts";
import { COUNTED, limitReached } from "./limits.ts";
import { endTestOf } from "./pins.ts";
import { StateMovedError, TargetError } from "./ports.ts";
import { frozen } from "./ruling.ts";
import type { FilingFacts, Judged, StoredProposal } from "./store.ts";
import { weigh } from "./weigh.ts";
import { wrongArgument } from "./wrong-argument.ts";

export type Filing = { readonly ok: true; readonly proposal: Proposal } | { readonly ok: false; readonly refusal: string };

type Refusal = { readonly why: string; readonly heldBack?: HeldBack } | { readonly same: Proposal };

/** Relative change that counts as help: below it, an action was not worth its risk. */
const MINIMUM_EFFECT = 0.04;
const LONGEST_TEXT = 500;

const underTest = (target: string): string => `A causal test of ${target} is open; it ends within a minute. Ask again then.`;

const refuse = (refusal: string): { readonly ok: false; readonly refusal: string } => ({ ok: false, refusal });

/** Checks a wish against catalogue, inventory and policy, and files it as a pending proposal. Nothing is changed. The same wish filed twice is one proposal. */
export async function fileProposal(context: ActionContext, request: ProposalRequest): Promise<Filing> {
  const { store, policy } = context;
  const checked = checkArguments(context, request.action, request.args);
  if (!checked.ok) return checked;
  const { action, args } = checked;
  const stopped = await stopReason(context);
  if (stopped) return refuse(`Nothing may run now: ${stopped}.`);
  const first = await dryRun(context, action, args);
  if (!first.ok) return first;
  const { target } = first.plan;

  const freeze = frozen(policy, first.plan, context.now());
  if (freeze) return refuse(freeze);
  const limit = limitReached(
    policy,
    await store.ranSince(context.clock.now() - COUNTED),
    first.plan,
    context.clock.now(),
    context.verificationWindow,
  );
  if (limit) return refuse(limit);
  // A wish comes before a test, and people must be asked about what will stand when they answer.
  const test = await endTestOf(context, target);
  if (test === "open") return refuse(underTest(target));
  const planned = test === "ended" ? await dryRun(context, action, args) : first;
  if (!planned.ok) return planned;
  const { plan, stages } = planned;
  const confidence = request.confidence !== null && Number.isFinite(request.confidence) ? request.confidence : null;
  const { investigationId } = request;
  const weighed = await weigh(context, action, plan, { confidence, investigationId, watched: request.watch?.service ?? null });
  const id = await store.nextProposalId();

  const summary = `${plan.target.replace(":", " ")} in ${plan.environment}: ${plan.currentState} → ${[...(stages?.slice(0, -1) ?? []).map(({ state }) => state), plan.wantedState].join(" → ")}`;
  const tiring = (limit: HeldBack["limit"], why: string): { readonly ok: false; readonly refusal: Refusal } => ({
    ok: false,
    refusal: { why: `${why} (limits.${limit}).`, heldBack: { target: plan.target, summary, limit } },
  });

  const judge = ({ stopped: stop, active, filedSince, tested }: FilingFacts): Judged<StoredProposal, Refusal> => {
    const stopNow = stopWords(context.stoppedOutside(), stop);
    if (stopNow) return { ok: false, refusal: { why: `Nothing may run now: ${stopNow}.` } };
    const same = active.find(
      (one) => one.target === plan.target && one.action === action.name && canonicalJson(one.args) === canonicalJson(args),
    );
    if (same) return { ok: false, refusal: { same } };
    if (tested.includes(plan.target)) return { ok: false, refusal: { why: underTest(plan.target) } };
    const pending = active.filter(({ state }) => state === "pending").length;
    if (pending >= policy.limits.pendingAtOnce)
      return tiring("pendingAtOnce", `${pending} proposals await a decision already; decide those first`);
    if (filedSince >= policy.limits.proposalsPerHour)
      return tiring("proposalsPerHour", `${filedSince} proposals were filed within an hour; people need a rest from cards`);
    const { risk, ruling } = weighed(active.length - pending);
    if (ruling.refusal) return { ok: false, refusal: { why: ruling.refusal } };
    const createdAt = context.now();
    const undigested: Undigested = {
      id,
      rev: 1,
      action: action.name,
      args,
      target: plan.target,
      environment: plan.environment,
      services: plan.services,
      ...(stages ? { stages } : {}),
      confidence,
      risk: { ...risk, tier: ruling.tier },
      summary,
      currentState: plan.currentState,
      wantedState: plan.wantedState,
      undo: plan.undo,
      reason: request.reason.slice(0, LONGEST_TEXT),
      expectedEffect: request.expectedEffect.slice(0, LONGEST_TEXT),
      criterion: criterionOf(context, request),
      requester: request.requester,
      investigationId: request.investigationId,
      neededApprovals: ruling.approvals,
      ...(ruling.reasonNeeded ? { reasonNeeded: true } : {}),
      createdAt,
      expiresAt: createdAt + context.approvalTtl,
    };
    const proposal: Proposal = {
      ...undigested,
      digest: digestOf(undigested, plan),
      state: "pending",
      approvals: [],
      outcome: null,
    };
    return { ok: true, value: { proposal, preState: plan.preState, snapshot: plan.snapshot } };
  };

  const filed = await store.file(context.now() - HOUR, judge, ({ proposal }) => ({
    actor: request.requester,
    kind: "proposed",
    subject: proposal.id,
    data: { digest: proposal.digest, summary: proposal.summary, tier: proposal.risk.tier },
  }));
  if (!filed.ok) {
    const { refusal } = filed;
    if ("same" in refusal) return { ok: true, proposal: refusal.same };
    if (refusal.heldBack) await context.heldBack(refusal.heldBack);
    return refuse(refusal.why);
  }
  context.changed(filed.value.proposal);
  return { ok: true, proposal: filed.value.proposal };
}

type Arguments = Readonly<Record<string, unknown>>;

export function checkArguments(
  context: ActionContext,
  name: string,
  given: Arguments,
): { readonly ok: true; readonly action: Action; readonly args: Arguments } | { readonly ok: false; readonly refusal: string } {
  const action = actionNamed(context, name);
  if (!action) {
    return refuse(
      context.catalogue.length === 0
        ? `There is no action ${name.slice(0, 60)}: no system that Vigil could act on is configured (\`flags\`, \`deploys\` or \`kubernetes\` in vigil.yaml).`
        : `There is no action ${name.slice(0, 60)}; there are: ${context.catalogue.map((one) => one.name).join(", ")}.`,
    );
  }
  const args = action.schema.safeParse(given);
  if (args.success) return { ok: true, action, args: args.data };
  return refuse(args.error.issues.map((issue) => wrongArgument(issue, action.name)).join("; "));
}

export type DryRun =
  | { readonly ok: true; readonly plan: Plan; readonly stages: Proposal["stages"] | null }
  | { readonly ok: false; readonly refusal: string };

/** What would happen, and in which steps; nothing is changed. */
export async function dryRun(context: ActionContext, action: Action, args: Arguments): Promise<DryRun> {
  const { canary } = context.policy;
  try {
    return await withDeadline(
      (async () => {
        const plan = await action.plan(args);
        const before = (await action.steps?.(args, canary)) ?? [];
        return { ok: true, plan, stages: before.length > 0 ? [...before, { args, state: plan.wantedState }] : null };
      })(),
      context.targetTimeout,
      `The dry run of ${action.name}`,
      "read",
    );
  } catch (error) {
    if (error instanceof TargetError || error instanceof StateMovedError) return refuse(error.message);
    throw error;
  }
}

function criterionOf(context: ActionContext, { watch }: ProposalRequest): VerificationCriterion | null {
  return (
    watch && {
      service: watch.service,
      signal: watch.signal,
      direction: watch.direction,
      baselineFrom: watch.since ?? null,
      minimumEffect: MINIMUM_EFFECT,
      window: context.verificationWindow,
    }
  );
}
