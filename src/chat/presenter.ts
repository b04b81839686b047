import type { Log } from "../flows/log.ts";
import type { IncidentChannel, InvestigationView, ProposalView, ThreadRef } from "../flows/ports.ts";
import type { Card } from "./card.ts";
import { investigationCard } from "./cards/investigation.ts";
import { proposalCard } from "./cards/proposal.ts";
import type { ChatStore, MessageRef } from "./store.ts";
import type { Surface } from "./surface.ts";

const TRIES = 6;
const FIRST_PAUSE = 500;

/**
 * Shows the same on every surface. What shows which subject is stored, so that a restart edits the same message. Each surface has its own
 * queue, in order, with retries: one that is slow or down holds up nobody else, and no flow waits for it.
 */
export class Presenter implements IncidentChannel {
  readonly #surfaces: readonly Surface[];
  readonly #store: ChatStore;
  readonly #log: Log;
  readonly #queues = new Map<string, Promise<void>>();
  /** The newest card of each subject and surface: an update that is still waiting is replaced by a newer one. */
  readonly #newest = new Map<string, Card>();
  #closing = false;

  constructor(options: { readonly surfaces: readonly Surface[]; readonly store: ChatStore; readonly log: Log }) {
    this.#surfaces = options.surfaces;
    this.#store = options.store;
    this.#log = options.log;
  }

  async showInvestigation(view: InvestigationView): Promise<void> {
    this.#show(investigationCard(view), null);
  }

  async showProposal(view: ProposalView): Promise<void> {
    this.#show(proposalCard(view), view.proposal.investigationId);
  }

  async tell(investigationId: string | null, text: string): Promise<void> {
    for (const surface of this.#surfaces) {
      this.#enqueue(surface, async () => surface.say(text, await this.#thread(surface, investigationId)));
    }
  }

  /** The investigation whose thread this is, or null. */
  async investigationAt(at: ThreadRef): Promise<string | null> {
    if (at.thread === null) return null;
    const subject = await this.#store.subjectOf(at.surface, { channel: at.channel, message: at.thread });
    return subject?.startsWith("investigation:") ? subject.slice("investigation:".length) : null;
  }

  /** Whether this message is the one that shows the proposal on that surface. */
  async isCardOf(
    proposalId: string,
    surface: string,
    message: { readonly channel: string; readonly id: string },
  ): Promise<boolean> {
    const ref = await this.#store.ref(`proposal:${proposalId}`, surface);
    return ref?.channel === message.channel && ref.message === message.id;
  }

  /** Waits until what was to be shown is shown, or has been tried often enough. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#queues.values());
  }

  #show(card: Card, investigationId: string | null): void {
    for (const surface of this.#surfaces) {
      const key = `${surface.name}/${card.subject}`;
      const queued = this.#newest.has(key);
      this.#newest.set(key, card);
      if (queued) continue;
      const deliver = async () => {
        const newest = this.#newest.get(key);
        if (!newest) return;
        const thread = await this.#thread(surface, investigationId);
        const ref = await this.#store.ref(card.subject, surface.name);
        if (ref) await surface.update(ref, newest, thread);
        else await this.#store.saveRef(card.subject, surface.name, await surface.post(newest, thread));
        const newer = this.#newest.get(key);
        this.#newest.delete(key);
        if (newer && newer !== newest) this.#show(newer, investigationId);
      };
      this.#enqueue(surface, deliver, () => this.#newest.delete(key));
    }
  }

  async #thread(surface: Surface, investigationId: string | null): Promise<MessageRef | null> {
    return investigationId === null ? null : this.#store.ref(`investigation:${investigationId}`, surface.name);
  }

  #enqueue(surface: Surface, work: () => Promise<void>, gaveUp: () => void = () => {}): void {
    const before = this.#queues.get(surface.name) ?? Promise.resolve();
    this.#queues.set(
      surface.name,
      before.then(() => this.#retry(surface, work, gaveUp)),
    );
  }

  async #retry(surface: Surface, work: () => Promise<void>, gaveUp: () => void): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (attempt >= TRIES || this.#closing) {
          this.#log.error({ err: error, surface: surface.name }, "a message could not be delivered");
          return gaveUp();
        }
        this.#log.warn({ err: error, surface: surface.name, attempt }, "a message was not delivered; trying again");
        const asked = Number((error as { retryAfter?: unknown }).retryAfter) * 1_000;
        await new Promise((resolve) => setTimeout(resolve, asked > 0 ? asked : FIRST_PAUSE * 2 ** (attempt - 1)));
      }
    }
  }
}
