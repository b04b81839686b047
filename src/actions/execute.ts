import { IN_FLIGHT, type Proposal, RUNNING } from "../domain/proposal.ts";
import { takeReference } from "./baseline.ts";
import type { Action } from "./catalogue/action.ts";
import { type ActionContext, actionNamed, stopReason, stopWords, wordsOf } from "./context.ts";
import { expired } from "./decide.ts";
import { Journal } from "./journal.ts";
import { COUNTED } from "./limits.ts";
import { mayRun, recheck } from "./recheck.ts";
import { frozen } from "./ruling.ts";
import { readBack, send, stageOf } from "./send.ts";
import type { ClaimFacts, ClaimRefusal, Execution, Judged, StoredProposal } from "./store.ts";
import type { Underway } from "./underway.ts";
import { undo, watchUndone } from "./undo.ts";
import type { Reference } from "./verification/reference.ts";
import { takeSamples } from "./watch.ts";

/** Time-outs of reading beyond the one of writing: between claim and send there is nothing that takes long. */
const SPARE_TIMEOUTS = 2;

/**
 * Runs what was approved and finishes what a crash interrupted: claim, change, read back, verify, step by step, and one rollback when it did
 * not help. Where it stands is in the store before each step and after it; nothing is ever sent twice without reading the target first.
 */
export class Executor {
  readonly #context: ActionContext;
  readonly #journal: Journal;
  readonly #busy = new Set<string>();

  constructor(context: ActionContext) {
    this.#context = context;
    this.#journal = new Journal(context);
  }

  /** Approved → executing → verifying (or an end). Safe to call for any proposal at any time. */
  run(id: string): Promise<void> {
    return this.#alone(id, async (stored, action) => {
      if (stored.proposal.state === "approved") await this.#begin(stored, action);
    });
  }

  /** Looks at everything in flight once: expiries, what a crash or an error cut off, samples to judge, rollbacks to finish. */
  async advance(): Promise<void> {
    await this.#journal.tellPeople();
    for (const proposal of await this.#context.store.list({ states: IN_FLIGHT })) {
      await this.#alone(proposal.id, (stored, action) => this.#step(stored, action)).catch((error) =>
        this.#stuck(proposal, error),
      );
    }
  }

  /** An error is tried again; a run that keeps failing after its change was sent is handed to people rather than forgotten. */
  async #stuck(proposal: Proposal, error: unknown): Promise<void> {
    const { log, store, now } = this.#context;
    log.error({ err: error, proposal: proposal.id }, "a proposal could not be taken further; it is tried again");
    if (proposal.state !== "executing") return;
    await store
      .execution(proposal.id)
      .then(async (execution) => {
        if (!execution || now() < execution.settledBy) return;
        const why = `it cannot be followed any further (${wordsOf(error)}): look at the target`;
        await this.#journal.move(proposal, ["executing"], "unknown", why);
      })
      .catch((second) => log.error({ err: second, proposal: proposal.id }, "nor could that be recorded"));
  }

  async #step(stored: StoredProposal, action: Action): Promise<void> {
    const { proposal } = stored;
    const { store } = this.#context;
    if (proposal.state === "pending") {
      if (expired(proposal, this.#context.now())) await this.#journal.expire(proposal);
      return;
    }
    if (proposal.state === "approved") return this.#begin(stored, action);
    const execution = await store.execution(proposal.id);
    if (!execution) {
      const why = "there is no record of the run: look at the target";
      await this.#journal.move(proposal, [proposal.state], "unknown", why);
      return;
    }
    const run = this.#running(stored, action, execution);
    if (proposal.state === "executing") await this.#pickUp(run);
    if (proposal.state === "verifying") await this.#verify(run);
    if (proposal.state === "rolling_back") await undo(run);
    if (proposal.state === "undone") await watchUndone(run);
  }

  #running(stored: StoredProposal, action: Action, execution: Execution): Underway {
    return { context: this.#context, journal: this.#journal, stored, action, execution };
  }

  async #begin(stored: StoredProposal, action: Action): Promise<void> {
    const { proposal } = stored;
    const checked = await recheck(this.#context, stored, action);
    if (!checked.ok) return this.#refused(proposal, checked.refusal);
    const reference = await takeReference(this.#context, proposal);
    await this.#context.checkpoint("checked");
    await this.#claim(stored, action, "approved", (facts) => {
      const refusal = mayRun(this.#context, checked.value, facts);
      return refusal
        ? { ok: false, refusal }
        : { ok: true, value: this.#record(facts.stored, 0, facts.stored.preState, reference) };
    });
  }

  /** The write-ahead record of a stage. */
  #record({ proposal }: StoredProposal, stage: number, expected: string, reference: Reference | null): Execution {
    const { now, targetTimeout, writeTimeout, holder, policy } = this.#context;
    return {
      proposalId: proposal.id,
      idempotencyKey: `${proposal.id}.${proposal.rev}.${proposal.digest.slice(0, 16)}${stage > 0 ? `.${stage}` : ""}`,
      holder,
      sentBy: now() + writeTimeout + SPARE_TIMEOUTS * targetTimeout,
      settledBy: now() + policy.settleMinutes * 60_000,
      stage,
      expected,
      standing: null,
      trouble: null,
      undoSent: false,
      actedAt: null,
      reference,
      verifier: null,
      nextSample: null,
    };
  }

  async #claim(
    stored: StoredProposal,
    action: Action,
    from: "approved" | "verifying",
    judge: (facts: ClaimFacts) => Judged<Execution, ClaimRefusal>,
  ): Promise<void> {
    const { store, clock } = this.#context;
    const { proposal } = stored;
    const now = clock.now();
    const claimed = await store.claim(proposal.id, from, now - COUNTED, judge, now, ({ stage }) =>
      this.#journal.entry(proposal, "executing", null, { stage }),
    );
    if (!claimed) return;
    if (!claimed.ok) return this.#refused(proposal, claimed.refusal);
    await this.#context.checkpoint("claimed");
    await this.#journal.announce(proposal.id);
    await send(this.#running(stored, action, claimed.value));
  }

  async #refused(proposal: Proposal, { to, why }: ClaimRefusal): Promise<void> {
    await this.#journal.move(proposal, [proposal.state], to, why);
  }

  /** An execution that nobody is sending any more is not sent again but read back. */
  async #pickUp(run: Underway): Promise<void> {
    const { execution } = run;
    const mine = execution.holder === this.#context.holder;
    if (!mine && this.#context.now() < execution.sentBy) return;
    const trouble = execution.trouble ?? "the run was cut off";
    await readBack({ ...run, execution: { ...execution, trouble } });
  }

  async #verify(run: Underway): Promise<void> {
    const { store, policy } = this.#context;
    const { execution } = run;
    const { proposal } = run.stored;
    const stop = await stopReason(this.#context);
    if (stop && policy.onStop === "rollBack") return this.#undo(run, `undone by policy (onStop): ${stop}`);
    const watched = await takeSamples(this.#context, proposal, execution);
    if (watched.kind === "watching") {
      if (watched.execution) await store.saveExecution(watched.execution, "verifying");
      await this.#context.checkpoint("sampled");
      return;
    }
    const { last, state } = stageOf(proposal, execution.stage);
    if (watched.kind === "blind" || (last && watched.kind === "unclear")) {
      const why = watched.kind === "blind" ? watched.words : `it cannot be told from chance whether it helped: ${watched.words}`;
      const stays = `not verified: ${why}. The change stays; please look yourself.`;
      await this.#journal.move(proposal, ["verifying"], "unknown", stays, watched.execution);
    } else if (watched.kind === "harmed" || (last && watched.kind === "no help")) {
      const why = watched.kind === "harmed" ? "got worse" : "no evidence of help";
      await this.#undo({ ...run, execution: watched.execution }, `${why}: ${watched.words}`);
    } else if (last) {
      await this.#journal.move(proposal, ["verifying"], "verified", watched.words, watched.execution);
    } else await this.#nextStage({ ...run, execution: watched.execution }, state);
  }

  /** A step that did no harm is followed by the next, unless people have stopped everything in the meantime. */
  async #nextStage({ stored, action, execution }: Underway, stands: string): Promise<void> {
    const { policy } = this.#context;
    const next = execution.stage + 1;
    await this.#claim(stored, action, "verifying", (facts) => {
      const { environment, services = [] } = facts.stored.proposal;
      const stop =
        stopWords(this.#context.stoppedOutside(), facts.stopped) ??
        frozen(policy, { environment, services }, this.#context.now());
      if (stop)
        return { ok: false, refusal: { to: "unknown", why: `${stop}; it stands at ${stands}: please decide how it goes on` } };
      return { ok: true, value: this.#record(facts.stored, next, execution.standing ?? execution.expected, execution.reference) };
    });
  }

  async #undo(run: Underway, why: string): Promise<void> {
    const { execution } = run;
    const { proposal } = run.stored;
    if (!(await this.#journal.move(proposal, ["verifying"], "rolling_back", why, execution))) return;
    await this.#context.checkpoint("undo-claimed");
    const stored = await this.#context.store.get(proposal.id);
    if (stored) await undo({ ...run, stored });
  }

  /** One thing at a time for each proposal within this process; between processes the store decides. */
  async #alone(id: string, work: (stored: StoredProposal, action: Action) => Promise<void>): Promise<void> {
    if (this.#busy.has(id)) return;
    this.#busy.add(id);
    try {
      const stored = await this.#context.store.get(id);
      if (!stored) return;
      const action = actionNamed(this.#context, stored.proposal.action);
      if (action) await work(stored, action);
      else await this.#orphaned(stored.proposal);
    } finally {
      this.#busy.delete(id);
    }
  }

  /** The catalogue no longer has the action: nothing is run, and what ran is for people to look at. */
  async #orphaned(proposal: Proposal): Promise<void> {
    const ran = RUNNING.has(proposal.state);
    const why = `there is no action ${proposal.action} any more`;
    await this.#journal.move(
      proposal,
      [proposal.state],
      ran ? "unknown" : "failed",
      ran ? `${why} to judge or undo it with: look at the target` : why,
    );
  }
}
