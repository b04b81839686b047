import { baseOf, type ConversationKind, type IncomingActivity, kindOf } from "./activity.ts";

/** A conversation that Vigil may write to, as Teams last described it. */
export interface Conversation {
  /** Without the thread in it. */
  readonly id: string;
  readonly kind: ConversationKind;
  readonly serviceUrl: string;
  readonly tenantId: string;
  readonly teamId: string | null;
}

/** Conversation references, kept so that Vigil can speak first. */
export interface ConversationBook {
  /** Writes what is new; `serviceUrl` may change at any time, so that every activity refreshes it. */
  save(conversation: Conversation, at: number): Promise<void>;
  find(id: string): Promise<Conversation | null>;
}

/** The conversation of an activity that has passed the gate. */
export function conversationOf(activity: IncomingActivity): Conversation {
  const { conversation, channelData, serviceUrl } = activity;
  return {
    id: baseOf(conversation.id),
    kind: kindOf(activity),
    serviceUrl: serviceUrl ?? "",
    tenantId: conversation.tenantId ?? channelData?.tenant?.id ?? "",
    teamId: channelData?.team?.id ?? null,
  };
}
