import type { z } from "zod";
import type { Proposal, ProposalState } from "../domain/proposal.ts";
import { MINUTE } from "../domain/time.ts";
import { type CausalOutcome, type CausalRequest, type CausalStatistics, restoreExperiment, runCausalTest } from "./causal.ts";
import { type ActionContext, stopReason } from "./context.ts";
import { type DecisionOutcome, type DecisionRequest, decide } from "./decide.ts";
import { nonceOf } from "./digest.ts";
import { Executor } from "./execute.ts";
import { type Filing, type FilingRequest, fileProposal } from "./file.ts";
import type { AuditEntry } from "./store.ts";

export type { ActionContext } from "./context.ts";
export type { DecisionOutcome, DecisionRequest } from "./decide.ts";
export { DEFAULT_POLICY, loadPolicy, type Policy } from "./policy.ts";

export type ActionsOptions = Omit<ActionContext, "changed">;

/** The gated executor: files proposals, judges clicks, runs, verifies, undoes, and keeps the trail. The only holder of write access. */
export class Actions {
  readonly #context: ActionContext;
  readonly #executor: Executor;
  readonly #statistics: CausalStatistics;
  readonly #listeners = new Set<(proposal: Proposal) => void>();
  #timer: NodeJS.Timeout | null = null;
  #working: Promise<void> = Promise.resolve();

  constructor(options: ActionsOptions, statistics: CausalStatistics) {
    this.#context = {
      ...options,
      changed: (proposal) => {
        for (const listener of this.#listeners) listener(proposal);
      },
    };
    this.#executor = new Executor(this.#context);
    this.#statistics = statistics;
  }

  /** What the agent may wish for: names, descriptions and argument schemas. */
  get proposable(): readonly { readonly name: string; readonly description: string; readonly schema: z.ZodObject }[] {
    return this.#context.catalogue.map(({ name, description, schema }) => ({ name, description, schema }));
  }

  file(request: FilingRequest): Promise<Filing> {
    return fileProposal(this.#context, request);
  }

  /** Judges a click; an approved proposal begins to run before this resolves, and goes on in the background. */
  async decide(request: DecisionRequest): Promise<DecisionOutcome> {
    const outcome = await decide(this.#context, request);
    if (outcome.accepted && outcome.proposal?.state === "approved")
      this.#background(() => this.#executor.run(request.proposalId));
    return outcome;
  }

  runCausalTest(request: CausalRequest, signal: AbortSignal): Promise<CausalOutcome> {
    return runCausalTest(this.#context, this.#statistics, request, signal);
  }

  /** Flags that a causal test could switch off now. */
  async testableFlags(): Promise<readonly { flag: string; services: readonly string[]; percent: number }[]> {
    const flags = (await this.#context.flags?.list()) ?? [];
    return flags
      .filter((flag) => flag.enabled && flag.percent > 0 && flag.pinnedOff.length === 0)
      .map(({ key, services, percent }) => ({ flag: key, services, percent }));
  }

  /** The secret of a pending proposal's buttons; null once there is nothing to click. */
  nonceFor(proposal: Proposal): string | null {
    return proposal.state === "pending" ? nonceOf(this.#context.key, proposal.id, proposal.rev) : null;
  }

  async get(id: string): Promise<Proposal | null> {
    return (await this.#context.store.get(id))?.proposal ?? null;
  }

  list(filter?: { states?: readonly ProposalState[]; investigationId?: string }): Promise<readonly Proposal[]> {
    return this.#context.store.list(filter);
  }

  stopReason(): Promise<string | null> {
    return stopReason(this.#context);
  }

  /** Only approvers may stop or resume; returns what to tell them. */
  async stop(actor: string, reason: string): Promise<string> {
    const cancelled = await this.#context.store.stop(actor, reason.slice(0, 500), this.#context.now());
    for (const id of cancelled) {
      const stored = await this.#context.store.get(id);
      if (stored) this.#context.changed(stored.proposal);
    }
    const what = cancelled.length > 0 ? ` Cancelled: ${cancelled.join(", ")}.` : "";
    return `Stopped. No action runs until people resume.${what} What is being verified goes on to its end.`;
  }

  async resume(actor: string): Promise<string> {
    const allowed = await this.#context.isApprover(actor, null).catch(() => false);
    if (!allowed) return "Only approvers may lift the stop.";
    if (!(await this.#context.store.stopped())) return "Nothing is stopped.";
    const lacking = await this.#context.store.resume(actor, this.#context.policy.resumeNeeds, this.#context.now());
    return lacking === 0 ? "Going on." : `Noted; ${lacking} more approver${lacking > 1 ? "s" : ""} must say so too.`;
  }

  /** Records what was refused before it became a decision: a stranger's click, a forged request. */
  audit(entry: AuditEntry): Promise<void> {
    return this.#context.store.audit(entry);
  }

  /** Tiers for which policy lets an emoji decide. */
  get emojiTiers(): readonly string[] {
    const { tiers } = this.#context.policy;
    return (["T1", "T2", "T3"] as const).filter((tier) => tiers[tier].emoji);
  }

  /** Whether this person could approve this now, as far as policy and time can tell. */
  async mayDecide(proposal: Proposal, actor: string): Promise<boolean> {
    const { tier } = proposal.risk;
    const own =
      proposal.requester === actor && tier !== "T0" && tier !== "T4" && !this.#context.policy.tiers[tier].requesterMayApprove;
    if (own || proposal.state !== "pending" || proposal.approvals.some(({ user }) => user === actor)) return false;
    return this.#context.isApprover(actor, proposal).catch(() => false);
  }

  onChange(listener: (proposal: Proposal) => void): void {
    this.#listeners.add(listener);
  }

  /** Finishes what a crash interrupted, then keeps looking at what is in flight. */
  async start(): Promise<void> {
    for (const experiment of await this.#context.store.openExperiments()) await restoreExperiment(this.#context, experiment);
    await this.#executor.recover();
    const pause = Math.min(5_000, Math.max(200, this.#context.step / this.#context.clock.speed / 2));
    const loop = () => {
      this.#background(() => this.#executor.advance());
      void this.#working.then(() => {
        if (this.#timer) this.#timer = setTimeout(loop, pause);
      });
    };
    this.#timer = setTimeout(loop, pause);
  }

  /** Takes everything in flight as far as it goes now, and waits for it. */
  async settle(): Promise<void> {
    this.#background(() => this.#executor.advance());
    await this.#working;
  }

  /** Waits for what is being written; verifications go on at the next start. */
  async close(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#working;
  }

  #background(work: () => Promise<void>): void {
    this.#working = this.#working
      .then(work)
      .catch((error) => this.#context.log.error({ err: error }, "an action could not be taken further; it is tried again"));
  }
}

/** Time-outs that fit most services; the demo and the configuration override them. */
export const DEFAULT_TIMES = {
  step: MINUTE,
  approvalTtl: 5 * MINUTE,
  verificationWindow: 15 * MINUTE,
  causalWindow: 15 * MINUTE,
};
