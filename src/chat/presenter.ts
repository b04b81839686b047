import { randomUUID } from "node:crypto";
import type { Log } from "../flows/log.ts";
import type { IncidentChannel, InvestigationView, KeptPicture, ProposalView, ThreadRef } from "../flows/ports.ts";
import type { Card } from "./card.ts";
import { note } from "./cards/answer.ts";
import { investigationCard } from "./cards/investigation.ts";
import { proposalCard } from "./cards/proposal.ts";
import type { ChatStore, Delivery } from "./store.ts";
import { DeliveryError, type Surface } from "./surface.ts";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 60_000;
/** How often an idle worker looks for what others put into the outbox: a surface that could not answer, another replica. */
const IDLE_LOOK = 3_000;

/** Who sends what is to be shown, of several replicas on one outbox. */
export interface Sender {
  readonly leads: boolean;
  /** Does it as the one who sends. @throws when this process does not, or not any more */
  run<T>(work: () => Promise<T>): Promise<T>;
}

const ALONE: Sender = { leads: true, run: (work) => work() };

/**
 * Shows the same on every surface. A card is stored before it is sent, and so is which message shows what: after a restart the same message
 * is edited and nothing is lost. Each surface has its own worker; one that is slow or down holds up nobody else, and no flow waits for it.
 */
export class Presenter implements IncidentChannel {
  readonly #store: ChatStore;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #workers: readonly Worker[];
  readonly #clockNote: string | null;

  constructor(options: {
    readonly surfaces: readonly Surface[];
    readonly store: ChatStore;
    readonly log: Log;
    readonly now?: () => number;
    /** Default: this process alone. */
    readonly sender?: Sender;
    /** Small print where the times of telemetry are not those of the wall, as in the demo. */
    readonly clockNote?: string | null;
  }) {
    this.#store = options.store;
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
    this.#clockNote = options.clockNote ?? null;
    this.#workers = options.surfaces.map(
      (surface) => new Worker(surface, this.#store, this.#log, this.#now, options.sender ?? ALONE),
    );
    this.wake();
  }

  /** Looks at once for what is to be sent: this process has come to be the one who sends. */
  wake(): void {
    for (const worker of this.#workers) worker.wake();
  }

  async showInvestigation(view: InvestigationView): Promise<void> {
    const card = investigationCard(view);
    const context = this.#clockNote ? [...card.context, this.#clockNote] : card.context;
    await this.#show({ ...card, context }, null);
  }

  async showProposal(view: ProposalView): Promise<void> {
    const { investigationId } = view.proposal;
    await this.#show(proposalCard(view), investigationId && `investigation:${investigationId}`);
  }

  async tell(investigationId: string | null, text: string, picture: KeptPicture | null = null): Promise<void> {
    const card = { ...note(text, "quiet", picture), subject: `note:${randomUUID()}` };
    await this.#show(card, investigationId && `investigation:${investigationId}`);
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

  undelivered(): ReturnType<ChatStore["undelivered"]> {
    return this.#store.undelivered();
  }

  /** Waits for what is on its way; the rest goes out at the next start. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  async #show(card: Card, threadSubject: string | null): Promise<void> {
    const at = this.#now();
    for (const worker of this.#workers) {
      if (await this.#store.want(card.subject, worker.name, threadSubject, card, at)) worker.wake();
    }
  }
}

/** Sends what one surface has to show, one after the other, and tries again when it must. */
class Worker {
  readonly #surface: Surface;
  readonly #store: ChatStore;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #sender: Sender;
  #running: Promise<void> | null = null;
  #woken = false;
  #closed = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(surface: Surface, store: ChatStore, log: Log, now: () => number, sender: Sender) {
    this.#surface = surface;
    this.#store = store;
    this.#log = log;
    this.#now = now;
    this.#sender = sender;
  }

  get name(): string {
    return this.#surface.name;
  }

  wake(): void {
    if (this.#closed) return;
    this.#woken = true;
    this.#running ??= this.#work().finally(() => {
      this.#running = null;
      if (this.#woken) this.wake();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#woken = false;
    await this.#running;
  }

  async #work(): Promise<void> {
    try {
      // Another replica sends; this one looks whether it has become the one.
      if (!this.#sender.leads) {
        this.#woken = false;
        return this.#sleep(IDLE_LOOK);
      }
      while (!this.#closed) {
        this.#woken = false;
        const delivery = await this.#store.next(this.name, this.#now());
        if (delivery) await this.#sender.run(() => this.#deliver(delivery));
        else if (!this.#woken) break;
      }
      await this.#sleepUntilDue();
    } catch (error) {
      this.#log.error({ err: error, surface: this.name }, "the outbox could not be read or written; trying again");
      this.#sleep(FIRST_PAUSE);
    }
  }

  /** Whoever was held up on the way is not the one who sends any more, and another has taken it up. */
  readonly #mayGo = (): void => {
    if (!this.#sender.leads) throw new DeliveryError("another replica sends now", "later");
  };

  async #deliver(delivery: Delivery): Promise<void> {
    const { subject, card, threadSubject } = delivery;
    try {
      const ref = await this.#store.ref(subject, this.name);
      const thread = threadSubject === null ? null : await this.#store.ref(threadSubject, this.name);
      if (ref) await this.#surface.update(ref, card, thread, this.#mayGo);
      else {
        await this.#store.begin(delivery);
        await this.#store.saveRef(subject, this.name, await this.#surface.post(card, thread, delivery.begun, this.#mayGo));
      }
      await this.#store.done(delivery);
    } catch (error) {
      await this.#failed(delivery, error);
    }
  }

  async #failed(delivery: Delivery, error: unknown): Promise<void> {
    const { subject, attempts } = delivery;
    const kind = error instanceof DeliveryError ? error.kind : "later";
    const reason = error instanceof Error ? error.message : String(error);
    if (kind === "gone") {
      // The message was deleted on the platform: a new one takes its place, and its old buttons are worth nothing.
      await this.#store.forgetRef(subject, this.name);
      await this.#store.failed({ ...delivery, begun: false }, this.#now(), reason);
      return;
    }
    const asked = error instanceof DeliveryError ? error.retryAfter : null;
    const pause = asked ?? Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempts);
    await this.#store.failed(delivery, kind === "never" ? null : this.#now() + pause, reason);
    const facts = { err: error, surface: this.name, subject, attempt: attempts + 1 };
    if (kind === "never") this.#log.error(facts, `a message was given up: ${reason}`);
    else this.#log.warn(facts, `a message was not delivered; trying again in ${Math.round(pause / 100) / 10} s`);
  }

  async #sleepUntilDue(): Promise<void> {
    if (this.#closed) return;
    const at = await this.#store.nextAt(this.name);
    this.#sleep(at === null ? IDLE_LOOK : Math.max(50, at - this.#now()));
  }

  #sleep(pause: number): void {
    if (this.#closed) return;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.wake(), Math.min(pause, IDLE_LOOK));
    this.#timer.unref();
  }
}
