/** A message on a surface, by the surface's own ids. */
export interface MessageRef {
  readonly channel: string;
  readonly message: string;
}

/** A message of the local channel; `seq` grows with every change of any message. */
export interface StoredMessage {
  readonly id: string;
  readonly seq: number;
  /** The message whose thread this is in, or null in the channel itself. */
  readonly thread: string | null;
  readonly at: number;
  readonly author: string;
  readonly kind: "card" | "text";
  /** A Card, or text in the Markdown subset. */
  readonly body: unknown;
}

/** What chat keeps: which message shows what, the local channel, and the events taken in. */
export interface ChatStore {
  ref(subject: string, surface: string): Promise<MessageRef | null>;
  saveRef(subject: string, surface: string, ref: MessageRef): Promise<void>;
  subjectOf(surface: string, ref: MessageRef): Promise<string | null>;
  putMessage(message: Omit<StoredMessage, "seq">): Promise<StoredMessage>;
  messagesSince(seq: number, limit: number): Promise<StoredMessage[]>;
  firstSeen(source: string, eventId: string, at: number): Promise<boolean>;
}
