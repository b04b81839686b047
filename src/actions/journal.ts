import { NEEDS_PEOPLE, type Proposal, type ProposalState } from "../domain/proposal.ts";
import { type ActionContext, wordsOf } from "./context.ts";
import type { AuditEntry, Execution } from "./store.ts";

/** Every change of a proposal's state goes through here: compared and set, audited, shown, and where need be paged. */
export class Journal {
  readonly #context: ActionContext;

  constructor(context: ActionContext) {
    this.#context = context;
  }

  /** False when somebody else moved it before. */
  async move(
    proposal: Proposal,
    from: readonly ProposalState[],
    to: ProposalState,
    outcome: string,
    execution?: Execution,
  ): Promise<boolean> {
    const { store, log, checkpoint } = this.#context;
    const moved = await store.move(proposal.id, from, to, outcome, this.entry(proposal, to, outcome), execution);
    if (!moved) return false;
    log.info({ proposal: proposal.id, state: to }, outcome);
    await checkpoint("ended");
    await this.announce(proposal.id);
    if (NEEDS_PEOPLE.has(to)) await this.tellPeople();
    return true;
  }

  /** Ends what nobody decided on in time. */
  expire(proposal: Proposal): Promise<boolean> {
    return this.move(proposal, ["pending"], "expired", "nobody decided in time");
  }

  async announce(id: string): Promise<Proposal | null> {
    const stored = await this.#context.store.get(id);
    if (stored) this.#context.changed(stored.proposal);
    return stored?.proposal ?? null;
  }

  entry(proposal: Proposal, kind: string, outcome: string | null = null, more: object = {}): AuditEntry {
    return { actor: "vigil", kind, subject: proposal.id, data: { digest: proposal.digest, outcome, ...more } };
  }

  /** Pages for whatever ended so that people must hear of it. A crash in between makes it twice rather than never. */
  async tellPeople(): Promise<void> {
    const { store, switches, now, page, log } = this.#context;
    for (const proposal of await store.untold()) {
      // When an undo failed, nothing else may run until people have looked.
      if (proposal.state === "rollback_failed") await switches.stop("vigil", `the undo of ${proposal.id} failed`, now());
      try {
        await page(proposal, proposal.outcome ?? proposal.state);
      } catch (error) {
        log.error({ err: error, proposal: proposal.id }, `nobody was paged (${wordsOf(error)}); it is tried again`);
        continue;
      }
      await store.told(proposal.id);
    }
  }
}
