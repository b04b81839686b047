import type { Proposal, ProposalState } from "../domain/proposal.ts";
import type { EpochMs } from "../domain/time.ts";
import type { Action } from "./catalogue/action.ts";
import { type ActionContext, actionNamed, stopReason } from "./context.ts";
import { digestOf } from "./digest.ts";
import { limitReached } from "./file.ts";
import { frozen } from "./policy.ts";
import { StateMovedError, TargetError, type WriteContext } from "./ports.ts";
import type { Execution, StoredProposal } from "./store.ts";
import { SMALLEST_BASELINE, startVerification, type VerificationReading, Verifier } from "./verification-statistics.ts";

/** An approval given in time may still begin to run this long after the deadline. */
const RUN_GRACE = 30_000;
/** Steps before the action that make the baseline, at most. */
const BASELINE_STEPS = 45;
/** Steps after the action that only partly show it. */
const SETTLE_STEPS = 2;
/** Steps without any data after which a sample counts as missing. */
const OVERDUE_STEPS = 3;

/**
 * Runs what was approved and finishes what a crash interrupted: claim, change, read back, verify, and one rollback when it did not help.
 * Where it stands is in the store before each step and after it; nothing is ever sent twice without reading the target first.
 */
export class Executor {
  readonly #context: ActionContext;
  readonly #busy = new Set<string>();

  constructor(context: ActionContext) {
    this.#context = context;
  }

  /** Approved → executing → verifying (or an end). Safe to call for any proposal at any time. */
  async run(id: string): Promise<void> {
    await this.#alone(id, async () => {
      const stored = await this.#context.store.get(id);
      if (stored?.proposal.state !== "approved") return;
      const refusal = await this.#recheck(stored);
      if (refusal) return this.#end(stored.proposal, ["approved"], refusal.to, refusal.why);
      const action = actionNamed(this.#context, stored.proposal.action);
      if (!action)
        return this.#end(stored.proposal, ["approved"], "failed", `there is no action ${stored.proposal.action} any more`);

      const execution: Execution = {
        proposalId: id,
        idempotencyKey: `${id}.${stored.proposal.rev}.${stored.proposal.digest.slice(0, 16)}`,
        actedAt: null,
        baseline: await this.#baseline(stored.proposal),
        verifier: null,
        nextSample: null,
      };
      const taken = await this.#context.store.claim(
        id,
        execution,
        this.#context.clock.now(),
        this.#entry(stored.proposal, "executing"),
      );
      if (taken) return this.#end(stored.proposal, ["approved"], taken.startsWith("everything") ? "cancelled" : "stale", taken);
      await this.#announce(id);
      await this.#execute(stored, action, execution);
    });
  }

  /** Looks at everything in flight once: expiries, samples to judge, rollbacks to finish. Called every step and after a restart. */
  async advance(): Promise<void> {
    const active = await this.#context.store.list({ states: ["pending", "approved", "verifying", "rolling_back"] });
    for (const proposal of active) {
      await this.#step(proposal).catch((error) =>
        this.#context.log.error(
          { err: error, proposal: proposal.id },
          "a proposal could not be taken further; it is tried again",
        ),
      );
    }
  }

  async #step(proposal: Proposal): Promise<void> {
    if (proposal.state === "pending" && this.#context.now() >= proposal.expiresAt) await this.#expire(proposal);
    if (proposal.state === "approved") await this.run(proposal.id);
    if (proposal.state === "verifying") await this.#alone(proposal.id, () => this.#verify(proposal.id));
    if (proposal.state === "rolling_back") await this.#alone(proposal.id, () => this.#finishRollback(proposal.id));
  }

  /** After a restart: an execution that was cut off is not sent again but read back. */
  async recover(): Promise<void> {
    for (const proposal of await this.#context.store.list({ states: ["executing"] })) {
      await this.#alone(proposal.id, async () => {
        const stored = await this.#context.store.get(proposal.id);
        const execution = await this.#context.store.execution(proposal.id);
        const action = actionNamed(this.#context, proposal.action);
        if (!stored || !execution || !action)
          return this.#end(proposal, ["executing"], "unknown", "cut off, and no record of the run is left: look at the target");
        await this.#readBack(stored, action, execution, "cut off by a restart");
      });
    }
    await this.advance();
  }

  async #recheck({ proposal, preState, snapshot }: StoredProposal): Promise<{ to: ProposalState; why: string } | null> {
    const { policy } = this.#context;
    const { action, args, target, environment, criterion, expiresAt, risk } = proposal;
    if (
      digestOf({ action, args, target, environment, preState, snapshot, tier: risk.tier, criterion, expiresAt }) !==
      proposal.digest
    ) {
      return { to: "failed", why: "what is stored is not what was approved; nothing was run" };
    }
    if (this.#context.now() >= expiresAt + RUN_GRACE) return { to: "expired", why: "approved, but it could not run in time" };
    const stopped = await stopReason(this.#context);
    if (stopped) return { to: "cancelled", why: stopped };
    const freeze = frozen(policy, this.#context.now());
    if (freeze) return { to: "cancelled", why: freeze };
    const limit = await limitReached(this.#context, target);
    if (limit) return { to: "cancelled", why: limit };
    for (const { user } of proposal.approvals) {
      const still = await this.#context.isApprover(user, proposal).catch(() => false);
      if (!still) return { to: "cancelled", why: `${user} may not approve any more` };
    }
    const catalogued = actionNamed(this.#context, action);
    if (!catalogued) return { to: "failed", why: `there is no action ${action} any more` };
    try {
      const plan = await catalogued.plan(catalogued.schema.parse(args));
      if (plan.preState !== preState)
        return { to: "stale", why: "the target moved since this was proposed; look again and propose anew" };
    } catch (error) {
      return { to: "stale", why: error instanceof Error ? error.message : String(error) };
    }
    return null;
  }

  async #execute(stored: StoredProposal, action: Action, execution: Execution): Promise<void> {
    const { proposal, preState } = stored;
    try {
      await action.execute(action.schema.parse(proposal.args), this.#write(proposal, execution.idempotencyKey, preState));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const clean = error instanceof StateMovedError || (error instanceof TargetError && !error.outcomeUnknown);
      if (clean) return this.#end(proposal, ["executing"], error instanceof StateMovedError ? "stale" : "failed", why);
      return this.#readBack(stored, action, execution, why);
    }
    await this.#readBack(stored, action, execution, null);
  }

  /** Decides by the target itself whether the change is there. */
  async #readBack(stored: StoredProposal, action: Action, execution: Execution, trouble: string | null): Promise<void> {
    const { proposal, snapshot } = stored;
    const args = action.schema.parse(proposal.args);
    let reached: boolean;
    let untouched: boolean;
    try {
      reached = await action.reached(args, snapshot);
      untouched = !reached && (await action.restored(args, snapshot));
    } catch (error) {
      return this.#end(
        proposal,
        ["executing"],
        "unknown",
        `the target cannot be read back (${error instanceof Error ? error.message : String(error)}): look at it before anything else`,
      );
    }
    if (untouched) return this.#end(proposal, ["executing"], "failed", `nothing was changed${trouble ? `: ${trouble}` : ""}`);
    if (!reached)
      return this.#end(
        proposal,
        ["executing"],
        "unknown",
        "the target is neither as it was nor as wanted: look at it before anything else",
      );
    const actedAt = this.#context.clock.now();
    const { step } = this.#context;
    const { criterion } = proposal;
    const usable = criterion && execution.baseline.length >= SMALLEST_BASELINE && execution.baseline.some((value) => value > 0);
    const verifier = usable
      ? startVerification(execution.baseline, criterion, Math.max(SETTLE_STEPS + 3, Math.round(criterion.window / step)), {
          settle: SETTLE_STEPS,
        })
      : null;
    await this.#context.store.saveExecution({
      ...execution,
      actedAt,
      verifier: verifier?.toJSON() ?? null,
      nextSample: Math.floor(actedAt / step) * step,
    });
    if (!verifier) {
      const why = criterion ? "the signal had too little data before the action to judge by" : "no criterion was given";
      return this.#end(proposal, ["executing"], "unknown", `changed as approved, but not verified: ${why}; please look yourself`);
    }
    await this.#move(proposal, ["executing"], "verifying", "changed, and read back; watching whether it helps");
  }

  async #verify(id: string): Promise<void> {
    const { store, step, clock, metrics } = this.#context;
    const [stored, execution] = [await store.get(id), await store.execution(id)];
    if (stored?.proposal.state !== "verifying" || !execution?.verifier || execution.nextSample === null) return;
    const { proposal } = stored;
    const { criterion } = proposal;
    if (!criterion) return;
    const verifier = Verifier.fromJSON(execution.verifier);
    // A step is judged when a later one has begun and its data had time to arrive.
    const complete = Math.floor(clock.now() / step) * step - step;
    if (complete < execution.nextSample) return;
    const series = await metrics
      .red({ service: criterion.service, signal: criterion.signal, from: execution.nextSample, to: complete + step, step })
      .catch((error) => {
        this.#context.log.warn({ err: error, proposal: id }, "the metric source did not answer during verification");
        return null;
      });
    const values = new Map(series?.points.map((point) => [point.at, point.value]) ?? []);
    const newest = Math.max(...values.keys(), Number.NEGATIVE_INFINITY);
    let reading: VerificationReading | null = null;
    let next = execution.nextSample;
    while (next <= complete && (reading === null || reading.state === "watching")) {
      const value = values.get(next);
      // Data may still be on its way; after a few steps it counts as missing.
      if (value === undefined && next > newest && complete - next < OVERDUE_STEPS * step) break;
      reading = verifier.observe(value ?? null);
      next += step;
    }
    await store.saveExecution({ ...execution, verifier: verifier.toJSON(), nextSample: next });
    if (!reading || reading.state === "watching") return;
    if (reading.state === "success") return this.#end(proposal, ["verifying"], "verified", describe(proposal, reading));
    if (reading.state === "inconclusive" && reading.samples * 2 < reading.samples + reading.missing) {
      return this.#end(
        proposal,
        ["verifying"],
        "unknown",
        `not verified: ${reading.reason}. The change stays; please look yourself.`,
      );
    }
    const why =
      reading.state === "failure"
        ? `got worse: ${describe(proposal, reading)}`
        : `no evidence of help: ${describe(proposal, reading)}`;
    if (await this.#move(proposal, ["verifying"], "rolling_back", why)) await this.#finishRollback(id);
  }

  /** Puts the snapshot back once and reads it back; a rollback is never rolled back. */
  async #finishRollback(id: string): Promise<void> {
    const stored = await this.#context.store.get(id);
    if (stored?.proposal.state !== "rolling_back") return;
    const { proposal, snapshot } = stored;
    const action = actionNamed(this.#context, proposal.action);
    const why = proposal.outcome ?? "it did not help";
    if (!action)
      return this.#end(
        proposal,
        ["rolling_back"],
        "rollback_failed",
        `${why}; there is no action ${proposal.action} to undo it with`,
      );
    const args = action.schema.parse(proposal.args);
    try {
      if (!(await action.restored(args, snapshot))) {
        await action.rollBack(args, snapshot, this.#write(proposal, `${id}.${proposal.rev}.undo`, null));
      }
      if (!(await action.restored(args, snapshot))) throw new Error("it does not read back as it was");
    } catch (error) {
      const trouble = error instanceof Error ? error.message : String(error);
      return this.#end(
        proposal,
        ["rolling_back"],
        "rollback_failed",
        `${why}; and the undo failed: ${trouble}. People must act now.`,
      );
    }
    await this.#end(proposal, ["rolling_back"], "rolled_back", why);
  }

  async #baseline(proposal: Proposal): Promise<number[]> {
    const { criterion } = proposal;
    if (!criterion) return [];
    const { step, clock, metrics } = this.#context;
    const to = Math.floor(clock.now() / step) * step;
    try {
      const { points } = await metrics.red({
        service: criterion.service,
        signal: criterion.signal,
        from: to - BASELINE_STEPS * step,
        to,
        step,
      });
      return baselineOf(points, criterion.baselineFrom);
    } catch (error) {
      this.#context.log.warn({ err: error, proposal: proposal.id }, "no baseline could be taken");
      return [];
    }
  }

  #write(proposal: Proposal, idempotencyKey: string, expected: string | null): WriteContext {
    const by = proposal.approvals.map(({ user }) => user).join(", ");
    return { actor: `vigil (approved by ${by})`, reason: `${proposal.id}: ${proposal.reason}`, idempotencyKey, expected };
  }

  async #expire(proposal: Proposal): Promise<void> {
    await this.#end(proposal, ["pending"], "expired", "nobody decided in time");
  }

  async #end(proposal: Proposal, from: readonly ProposalState[], to: ProposalState, outcome: string): Promise<void> {
    await this.#move(proposal, from, to, outcome);
  }

  async #move(proposal: Proposal, from: readonly ProposalState[], to: ProposalState, outcome: string): Promise<boolean> {
    const moved = await this.#context.store.move(proposal.id, from, to, outcome, this.#entry(proposal, to, outcome));
    if (moved) {
      this.#context.log.info({ proposal: proposal.id, state: to }, outcome);
      await this.#announce(proposal.id);
    }
    return moved;
  }

  async #announce(id: string): Promise<void> {
    const stored = await this.#context.store.get(id);
    if (stored) this.#context.changed(stored.proposal);
  }

  #entry(proposal: Proposal, kind: string, outcome: string | null = null) {
    return { actor: "vigil", kind, subject: proposal.id, data: { digest: proposal.digest, outcome } };
  }

  /** One thing at a time for each proposal within this process; between processes the store decides. */
  async #alone(id: string, work: () => Promise<void>): Promise<void> {
    if (this.#busy.has(id)) return;
    this.#busy.add(id);
    try {
      await work();
    } finally {
      this.#busy.delete(id);
    }
  }
}

/** Samples since the onset that make a baseline of their own. */
const OWN_BASELINE = 15;
const FEWEST_SINCE_ONSET = 3;

/**
 * The state before the action is what the signal did since it went off; what was normal before that must not pass for it. When the trouble is
 * young, its level is taken from the few samples since the onset and its noise from the time before, scaled to that level.
 */
function baselineOf(points: readonly { at: EpochMs; value: number }[], onset: EpochMs | null): number[] {
  const values = (some: readonly { value: number }[]) => some.map(({ value }) => value);
  if (onset === null) return values(points);
  // Onsets are estimates: the first sample after one is left out.
  const since = values(points.filter(({ at }) => at >= onset).slice(1));
  const before = values(points.filter(({ at }) => at < onset));
  if (since.length >= OWN_BASELINE || before.length < SMALLEST_BASELINE)
    return since.length >= SMALLEST_BASELINE ? since : values(points);
  if (since.length < FEWEST_SINCE_ONSET) return [];
  const mean = (some: readonly number[]) => some.reduce((sum, value) => sum + value, 0) / some.length;
  const scale = mean(before) > 0 ? mean(since) / mean(before) : 0;
  return scale > 0 ? before.map((value) => value * scale) : since;
}

function describe(proposal: Proposal, reading: VerificationReading): string {
  const { criterion } = proposal;
  const percent = (share: number) => `${share >= 0 ? "+" : "−"}${Math.abs(share * 100).toFixed(1)} %`;
  const effect = reading.effect === null ? "no data" : percent(reading.effect);
  const interval = reading.interval ? ` (95 % interval ${percent(reading.interval[0])} to ${percent(reading.interval[1])})` : "";
  return `${criterion?.service} ${criterion?.signal} ${effect}${interval} against before the action, ${reading.samples} samples`;
}
