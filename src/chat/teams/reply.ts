import type { Answer, InvestigationStep } from "../../domain/investigation.ts";
import type { Log } from "../../flows/log.ts";
import type { Reply } from "../../flows/ports.ts";
import { answerCard } from "../cards/answer.ts";
import { clip } from "../text.ts";
import type { JsonObject, OutgoingActivity } from "./activity.ts";
import type { Connector, Place } from "./connector.ts";
import { LIMITS } from "./limits.ts";
import { answerMessage, textMessage, workingMessage } from "./messages.ts";
import { type Pace, TeamsError } from "./pace.ts";

const MARKS = { running: "◔", done: "✓", failed: "✗" } as const;

export interface ReplyPlace extends Place {
  readonly messageId: string;
  /** Teams streams in one-to-one chats only. */
  readonly personal: boolean;
}

/**
 * One answer. In a one-to-one chat it is a stream: what is being looked at while tools run, then the answer. Elsewhere a message says that
 * Vigil looks, and is edited. Steps that come faster than Teams takes them are shown together.
 */
export class TeamsReply implements Reply {
  readonly #connector: Connector;
  readonly #pace: Pace;
  readonly #place: ReplyPlace;
  readonly #log: Log;
  readonly #pageUrl: string | null;
  /** Called when the person pressed the stream's Stop button. */
  readonly #onStopped: () => void;
  readonly #steps = new Map<string, InvestigationStep>();
  #streaming: boolean;
  #streamId: string | null = null;
  #sequence = 0;
  #messageId: string | null = null;
  #queue: Promise<void> = Promise.resolve();
  #showing = false;
  #said = false;
  #stopped = false;

  constructor(options: {
    connector: Connector;
    pace: Pace;
    place: ReplyPlace;
    log: Log;
    pageUrl?: string | null;
    onStopped: () => void;
  }) {
    this.#connector = options.connector;
    this.#pace = options.pace;
    this.#place = options.place;
    this.#log = options.log;
    this.#pageUrl = options.pageUrl ?? null;
    this.#onStopped = options.onStopped;
    this.#streaming = options.place.personal;
  }

  /** True once an answer or an apology went out. */
  get said(): boolean {
    return this.#said;
  }

  async step(step: InvestigationStep): Promise<void> {
    this.#steps.set(step.id, step);
    // One showing waits at most: it shows whatever is newest when its turn comes.
    if (this.#showing || this.#said || this.#stopped) return;
    this.#showing = true;
    return this.#inOrder(async () => {
      this.#showing = false;
      if (!this.#said && !this.#stopped) await this.#show();
    });
  }

  answer(answer: Answer): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#said || this.#stopped) return;
      this.#said = true;
      await this.#finish(answerMessage(answerCard(this.#place.messageId, answer), answer.text, answer.evidence, this.#pageUrl));
    });
  }

  sorry(text: string): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#said || this.#stopped) return;
      this.#said = true;
      await this.#finish(textMessage(text));
    });
  }

  async #show(): Promise<void> {
    const steps = [...this.#steps.values()];
    if (this.#streaming) {
      const running = steps.findLast(({ state }) => state === "running") ?? steps.at(-1);
      await this.#stream("informative", `${clip(running?.title ?? "Looking", LIMITS.informative - 1)}…`);
      return;
    }
    const message = workingMessage(steps.slice(-8).map(({ state, title }) => `${MARKS[state]} ${clip(title, 200)}`));
    if (this.#messageId === null) {
      await this.#call(() => this.#connector.send(this.#place, { type: "typing" }));
      this.#messageId = await this.#call(() => this.#connector.send(this.#place, message));
    } else await this.#edit(this.#messageId, message);
  }

  /** One piece of the stream. Teams says that the person pressed Stop by refusing it. */
  async #stream(streamType: "informative", text: string): Promise<void> {
    const activity: OutgoingActivity = { type: "typing", text, entities: [this.#streamInfo(streamType)] };
    try {
      const id = await this.#call(() => this.#connector.send(this.#place, activity));
      this.#streamId ??= id;
    } catch (error) {
      if (error instanceof TeamsError && error.status === 403 && this.#streamId !== null) {
        this.#stopped = true;
        this.#onStopped();
        return;
      }
      // No stream here: the answer goes out as a message.
      this.#log.debug({ err: error }, "no stream here; going on with a message");
      this.#streaming = false;
    }
  }

  #streamInfo(streamType: "informative" | "final"): JsonObject {
    return {
      type: "streaminfo",
      streamType,
      ...(streamType === "final" ? {} : { streamSequence: ++this.#sequence }),
      ...(this.#streamId === null ? {} : { streamId: this.#streamId }),
    };
  }

  async #finish(message: OutgoingActivity): Promise<void> {
    if (this.#streaming && this.#streamId !== null) {
      const final = { ...message, entities: [...(message.entities ?? []), this.#streamInfo("final")] };
      try {
        await this.#call(() => this.#connector.send(this.#place, final));
        return;
      } catch (error) {
        if (!(error instanceof TeamsError && error.status === 403)) throw error;
        this.#log.debug({ err: error }, "the stream has ended; the answer goes out as a message");
      }
    }
    if (this.#messageId === null) await this.#call(() => this.#connector.send(this.#place, message));
    else await this.#edit(this.#messageId, message);
  }

  async #edit(id: string, message: OutgoingActivity): Promise<void> {
    try {
      await this.#call(() => this.#connector.update(this.#place, id, message));
    } catch (error) {
      if (!(error instanceof TeamsError && error.kind === "gone")) throw error;
      this.#messageId = await this.#call(() => this.#connector.send(this.#place, message));
    }
  }

  #call<T>(call: () => Promise<T>): Promise<T> {
    return this.#pace.patiently(() => this.#pace.run(this.#place.conversation, call));
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(work).catch((error) => {
      this.#log.warn({ err: error, conversation: this.#place.conversation }, "an answer could not be shown");
    });
    return this.#queue;
  }
}
