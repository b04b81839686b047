import type { Verdict } from "../../domain/feedback.ts";
import type { Log } from "../../flows/log.ts";
import type { Audience, ChatHandlers } from "../../flows/ports.ts";
import type { ChatStore } from "../store.ts";
import type { Connector } from "./connector.ts";
import type { Pace } from "./pace.ts";
import type { People } from "./people.ts";
import type { ReplyPlace, TeamsReply } from "./reply.ts";

/** What the listeners share; handed in once, at the start. */
export interface ListenerContext {
  readonly connector: Connector;
  readonly pace: Pace;
  readonly store: ChatStore;
  readonly handlers: ChatHandlers;
  readonly people: People;
  /** Who may know what is said in a conversation. */
  readonly audienceOf: (conversation: string) => Audience;
  /** Whether a person is shown the buttons; whether they may decide is asked again when they do. */
  readonly mayApprove: (aadObjectId: string, proposalId: string) => Promise<boolean>;
  readonly reactions: Readonly<Record<string, Verdict>>;
  /** Address of the page as responders reach it, or null. */
  readonly pageUrl: string | null;
  readonly replyTo: (place: ReplyPlace, onStopped: () => void) => TeamsReply;
  readonly now: () => number;
  readonly log: Log;
}
