import type { Proposal, ProposalState } from "../domain/proposal.ts";
import { type ActionContext, wordsOf } from "./context.ts";
import type { AuditEntry, Execution } from "./store.ts";

/** States that people must hear of, because Vigil leaves something changed or unclear and does nothing more about it. */
const CALLS_PEOPLE: ReadonlySet<ProposalState> = new Set(["unknown", "rollback_failed"]);

/** Every change of a proposal's state goes through here: compared and set, audited, told, and where need be paged. */
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
    const now = await this.announce(proposal.id);
    if (CALLS_PEOPLE.has(to)) await this.#page(now ?? proposal, outcome);
    return true;
  }

  async announce(id: string): Promise<Proposal | null> {
    const stored = await this.#context.store.get(id);
    if (stored) this.#context.changed(stored.proposal);
    return stored?.proposal ?? null;
  }

  entry(proposal: Proposal, kind: string, outcome: string | null = null, more: object = {}): AuditEntry {
    return { actor: "vigil", kind, subject: proposal.id, data: { digest: proposal.digest, outcome, ...more } };
  }

  /** When an undo failed, nothing else may run until people have looked. */
  async #page(proposal: Proposal, why: string): Promise<void> {
    const { switches, now, page, log } = this.#context;
    if (proposal.state === "rollback_failed") await switches.stop("vigil", `the undo of ${proposal.id} failed`, now());
    await page(proposal, why).catch((error) =>
      log.error({ err: error, proposal: proposal.id }, `nobody was paged: ${wordsOf(error)}`),
    );
  }
}
