import type { z } from "zod";
import { ASKED_ANEW, type Proposal, type ProposalRequest, type ProposalState } from "../domain/proposal.ts";
import { MINUTE, SECOND } from "../domain/time.ts";
import { proposeAgain } from "./again.ts";
import { type CausalOutcome, type CausalRequest, type CausalStatistics, runCausalTest } from "./causal.ts";
import { type ActionContext, mayApprove, stopReason } from "./context.ts";
import { type DecisionOutcome, type DecisionRequest, decide } from "./decide.ts";
import { nonceOf } from "./digest.ts";
import { Executor } from "./execute.ts";
import { type Explained, explain } from "./explain.ts";
import { type Filing, fileProposal } from "./file.ts";
import type { HeldBack } from "./limits.ts";
import { restoreExperiment, sweepLatePins } from "./pins.ts";
import { personOf } from "./policy.ts";
import type { AuditEntry } from "./store.ts";

export type { ActionContext } from "./context.ts";
export type { DecisionOutcome, DecisionRequest } from "./decide.ts";
export type { Explanation } from "./explain.ts";
export type { HeldBack } from "./limits.ts";
export { DEFAULT_POLICY, loadPolicy, type Policy, parsePolicy, policyJsonSchema } from "./policy.ts";

type Defaulted = "holder" | "severityOf" | "page" | "heldBack" | "targetTimeout" | "writeTimeout" | "pause" | "checkpoint";

/** What must be handed in; the rest has a default that fits one process and an unknown incident. */
export type ActionsOptions = Omit<ActionContext, "changed" | Defaulted> & Partial<Pick<ActionContext, Defaulted>>;

/** Wall clock for which a process that fell silent keeps others from looking after what is in flight. */
const LEASE = 20 * SECOND;

/** Wall clock between looks for pins that came late. */
const SWEEP = MINUTE;

/** The gated executor: files proposals, judges clicks, runs, verifies, undoes, and keeps the trail. The only holder of write access. */
export class Actions {
  readonly #context: ActionContext;
  readonly #executor: Executor;
  readonly #statistics: CausalStatistics;
  /** Causal tests that this process is in the middle of. */
  readonly #testing = new Set<string>();
  readonly #pagers = new Set<(proposal: Proposal, why: string) => Promise<void>>();
  readonly #keepers = new Set<(wish: HeldBack) => Promise<void>>();
  readonly #listeners = new Set<(proposal: Proposal) => void>();
  /** Wall clock of the last look for late pins. */
  #swept = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  #working: Promise<void> = Promise.resolve();

  constructor(options: ActionsOptions, statistics: CausalStatistics) {
    this.#context = {
      holder: "local",
      severityOf: async () => null,
      page: async (proposal, why) => {
        options.log.error({ proposal: proposal.id }, `people must look: ${why}`);
        for (const pager of this.#pagers) await pager(proposal, why);
      },
      heldBack: async (wish) => {
        for (const keeper of this.#keepers)
          await keeper(wish).catch((error) => options.log.error({ err: error }, "a held-back proposal could not be noted"));
      },
      targetTimeout: 20 * SECOND,
      writeTimeout: options.targetTimeout ?? 20 * SECOND,
      pause: (time) => new Promise((resolve) => setTimeout(resolve, time)),
      checkpoint: async () => {},
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

  file(request: ProposalRequest): Promise<Filing> {
    return fileProposal(this.#context, request);
  }

  /** Judges a click; an approved proposal begins to run before this resolves, and goes on in the background. */
  async decide(request: DecisionRequest): Promise<DecisionOutcome> {
    const outcome = await decide(this.#context, request);
    if (outcome.accepted && outcome.proposal?.state === "approved")
      this.#background(() => this.#executor.run(request.proposalId));
    return outcome;
  }

  /** Files anew what ended without having run. Whoever may ask for something may press this; approving is another matter. */
  again(request: Omit<DecisionRequest, "verdict" | "reason">): Promise<DecisionOutcome> {
    return proposeAgain(this.#context, request);
  }

  /** Who would have to approve an action, and why. Files and changes nothing. */
  explain(action: string, args: Readonly<Record<string, unknown>>, confidence: number | null): Promise<Explained> {
    return explain(this.#context, action, args, confidence);
  }

  runCausalTest(request: CausalRequest, signal: AbortSignal): Promise<CausalOutcome> {
    return runCausalTest(this.#context, this.#statistics, request, signal, this.#testing);
  }

  /** Flags that a causal test could switch off now. */
  async testableFlags(): Promise<readonly { flag: string; services: readonly string[]; percent: number }[]> {
    const flags = (await this.#context.flags?.list()) ?? [];
    return flags
      .filter((flag) => flag.enabled && flag.percent > 0 && flag.pinnedOff.length === 0)
      .map(({ key, services, percent }) => ({ flag: key, services, percent }));
  }

  /** The secret of a proposal's buttons; null once there is nothing to click. */
  nonceFor({ id, rev, state }: Proposal): string | null {
    return state === "pending" || ASKED_ANEW.has(state) ? nonceOf(this.#context.key, id, rev) : null;
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

  /** Everybody may stop: it is the safe direction. Returns what to tell them. */
  async stop(actor: string, reason: string): Promise<string> {
    const cancelled = await this.#context.switches.stop(actor, reason.slice(0, 500), this.#context.now());
    for (const id of cancelled) {
      const stored = await this.#context.store.get(id);
      if (stored) this.#context.changed(stored.proposal);
    }
    const what = cancelled.length > 0 ? ` Cancelled: ${cancelled.join(", ")}.` : "";
    const flight = this.#context.policy.onStop === "rollBack" ? "is undone" : "goes on to its end, without further steps";
    const { resumeNeeds } = this.#context.policy;
    const people = resumeNeeds === 1 ? "an approver types" : `${resumeNeeds} approvers type`;
    return `Stopped. No action runs until ${people} \`/vigil resume\`.${what} What is being verified ${flight}.`;
  }

  /** Only approvers may lift a stop; returns what to tell them. */
  async resume(actor: string): Promise<string> {
    const allowed = await mayApprove(this.#context, actor, null).catch(() => false);
    if (!allowed) return "Only approvers may lift the stop.";
    const outside = this.#context.stoppedOutside();
    if (!(await this.#context.switches.stopped()))
      return outside ? `That stop is not mine to lift: ${outside}.` : "Nothing is stopped.";
    const { policy, switches, now } = this.#context;
    const lacking = await switches.resume(personOf(policy, actor), policy.resumeNeeds, now());
    return lacking === 0
      ? outside
        ? `Lifted here, but still stopped: ${outside}.`
        : "Going on."
      : `Noted; ${lacking} more approver${lacking > 1 ? "s" : ""} must say so too.`;
  }

  /** Records what was refused before it became a decision: a stranger's click, a forged request. */
  audit(entry: AuditEntry): Promise<void> {
    return this.#context.store.audit(entry);
  }

  /** Tiers for which policy lets an emoji approve; it cannot say why, so where a reason is needed it does not. */
  get emojiTiers(): readonly string[] {
    const { tiers } = this.#context.policy;
    return (["T1", "T2", "T3"] as const).filter((tier) => tiers[tier].emoji && !tiers[tier].reason);
  }

  /** Whether this person could approve this now, as far as policy and time can tell. */
  async mayDecide(proposal: Proposal, actor: string): Promise<boolean> {
    const { policy } = this.#context;
    const { tier } = proposal.risk;
    const person = personOf(policy, actor);
    const own =
      personOf(policy, proposal.requester) === person &&
      tier !== "T0" &&
      tier !== "T4" &&
      !policy.tiers[tier].requesterMayApprove;
    const before = proposal.approvals.some(({ user }) => personOf(policy, user) === person);
    if (own || before || proposal.state !== "pending") return false;
    return mayApprove(this.#context, actor, proposal).catch(() => false);
  }

  onChange(listener: (proposal: Proposal) => void): void {
    this.#listeners.add(listener);
  }

  /** Adds somebody who calls people. A pager that fails is tried again later, and so are those before it. */
  onPage(pager: (proposal: Proposal, why: string) => Promise<void>): void {
    this.#pagers.add(pager);
  }

  /** Adds somebody who keeps what got no card because there were too many. */
  onHeldBack(keeper: (wish: HeldBack) => Promise<void>): void {
    this.#keepers.add(keeper);
  }

  /** Finishes what a crash interrupted, then keeps looking at what is in flight. */
  async start(): Promise<void> {
    await this.#lookAfter();
    const pause = Math.min(5_000, Math.max(200, this.#context.step / this.#context.clock.speed / 2));
    const loop = () => {
      this.#background(() => this.#lookAfter());
      void this.#working.then(() => {
        if (this.#timer) this.#timer = setTimeout(loop, pause);
      });
    };
    this.#timer = setTimeout(loop, pause);
  }

  /** Takes everything in flight as far as it goes now, and waits for it. */
  async settle(): Promise<void> {
    this.#background(() => this.#lookAfter());
    await this.#working;
  }

  /** Waits for what is being written; verifications go on at the next start. */
  async close(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#working;
  }

  /** One process at a time looks after what is in flight; were two to do it, the store would still let each step happen once. */
  async #lookAfter(): Promise<void> {
    const { switches, holder, now, experiments } = this.#context;
    if (!(await switches.lease("executor", holder, now(), LEASE))) return;
    for (const experiment of await experiments.open()) {
      const forsaken = experiment.holder === holder ? !this.#testing.has(experiment.id) : now() >= experiment.restoreBy;
      if (forsaken) await restoreExperiment(this.#context, experiment);
    }
    await this.#executor.advance();
    if (Math.abs(now() - this.#swept) < SWEEP) return;
    this.#swept = now();
    await sweepLatePins(this.#context);
  }

  #background(work: () => Promise<void>): void {
    this.#working = this.#working
      .then(work)
      .catch((error) => this.#context.log.error({ err: error }, "an action could not be taken further; it is tried again"));
  }
}
