import type { Card } from "./card.ts";

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

/** What a surface still has to show of a subject: always its newest card, one row for each subject and surface. */
export interface Delivery {
  readonly subject: string;
  readonly surface: string;
  /** The subject whose thread it belongs to. */
  readonly threadSubject: string | null;
  readonly card: Card;
  /** Counts the cards that were wanted; higher is newer. */
  readonly revision: number;
  /** True when a post was begun and its end is not known. */
  readonly begun: boolean;
  readonly attempts: number;
}

/** Cards on their way out, so that neither a restart nor a platform that is down loses or doubles one. */
export interface Outbox {
  /** Makes this the card to show; false when it is shown or waiting already. */
  want(subject: string, surface: string, threadSubject: string | null, card: Card, at: number): Promise<boolean>;
  /** The next delivery whose time has come and whose thread exists, new messages before edits. */
  next(surface: string, at: number): Promise<Delivery | null>;
  /** When the next delivery is due, or null when nothing waits. */
  nextAt(surface: string): Promise<number | null>;
  begin(delivery: Delivery): Promise<void>;
  done(delivery: Delivery): Promise<void>;
  /** Tries again at `at`; null gives up and keeps the reason. */
  failed(delivery: Delivery, at: number | null, reason: string): Promise<void>;
  /** What was given up, by surface, with the newest reason. */
  undelivered(): Promise<readonly { readonly surface: string; readonly count: number; readonly reason: string }[]>;
  /** The newest card of a subject on a surface. */
  card(subject: string, surface: string): Promise<Card | null>;
}

/** One reaction of a person on a message. */
export interface Reaction {
  readonly channel: string;
  readonly message: string;
  readonly user: string;
  readonly emoji: string;
}

/** What chat keeps: which message shows what, the local channel, the events taken in, and what is still to be shown. */
export interface ChatStore extends Outbox {
  ref(subject: string, surface: string): Promise<MessageRef | null>;
  saveRef(subject: string, surface: string, ref: MessageRef): Promise<void>;
  forgetRef(subject: string, surface: string): Promise<void>;
  subjectOf(surface: string, ref: MessageRef): Promise<string | null>;
  putMessage(message: Omit<StoredMessage, "seq">): Promise<StoredMessage>;
  messagesSince(seq: number, limit: number): Promise<StoredMessage[]>;
  /** Stores an incoming event before it is acknowledged. `new` for the first delivery; `open` was taken in before but not finished. */
  takeIn(source: string, eventId: string, body: unknown, at: number): Promise<"new" | "open" | "settled">;
  settle(source: string, eventId: string): Promise<void>;
  /** Events that were taken in since a time and never finished, oldest first: a crash came between. */
  open(source: string, since: number): Promise<{ readonly eventId: string; readonly body: unknown }[]>;
  /** Deletes events that were finished before a time: no platform delivers them again. Returns how many. */
  forgetSettled(before: number): Promise<number>;
  /** Adds or removes a reaction; returns what this person has on that message now, newest last. */
  react(surface: string, reaction: Reaction, present: boolean, at: number): Promise<string[]>;
}
