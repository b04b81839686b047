import type { ChatHandlers } from "../flows/ports.ts";
import type { Card } from "./card.ts";
import type { MessageRef } from "./store.ts";

/** One chat platform. Renders cards its own way and calls the handlers when people do something. Methods reject when the platform cannot be reached. */
export interface Surface {
  readonly name: string;
  start(handlers: ChatHandlers): Promise<void>;
  stop(): Promise<void>;
  /** Posts in the channel, or in the thread of a message. */
  post(card: Card, thread: MessageRef | null): Promise<MessageRef>;
  update(ref: MessageRef, card: Card, thread: MessageRef | null): Promise<void>;
  /** A plain message that notifies. */
  say(text: string, thread: MessageRef | null): Promise<void>;
}
