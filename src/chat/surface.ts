import type { ChatHandlers } from "../flows/ports.ts";
import type { Card } from "./card.ts";
import type { MessageRef } from "./store.ts";

/**
 * One chat platform. Renders cards its own way and calls the handlers when people do something. `post` and `update` may be called before
 * `start`; they reject with a `DeliveryError` when the platform does not take the message.
 */
export interface Surface {
  readonly name: string;
  start(handlers: ChatHandlers): Promise<void>;
  stop(): Promise<void>;
  /**
   * Posts in the channel, or in the thread of a message. `again` is true when an earlier try may have reached the platform without
   * an answer: the surface looks for that message before it posts another. `mayGo` is asked again after every wait, right before the
   * request goes out; it throws when another replica sends by now.
   */
  post(card: Card, thread: MessageRef | null, again: boolean, mayGo?: MayGo): Promise<MessageRef>;
  /** `thread` as in `post`: where what does not fit into the message goes. */
  update(ref: MessageRef, card: Card, thread: MessageRef | null, mayGo?: MayGo): Promise<void>;
}

/** @throws DeliveryError when this process must not send (any more) */
export type MayGo = () => void;

/** A platform did not take a message. The text says what an operator should do. */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
  /** Milliseconds to wait as the platform asked, or null. */
  readonly retryAfter: number | null;
  /** `later` is worth another try; `gone` means the message to edit is no more; `never` will not work until somebody repairs it. */
  readonly kind: "later" | "gone" | "never";

  constructor(message: string, kind: DeliveryError["kind"], options: { retryAfter?: number | null; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.retryAfter = options.retryAfter ?? null;
  }
}
