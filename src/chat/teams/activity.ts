import { z } from "zod";
import type { MessageRef } from "../store.ts";

const account = z.object({
  id: z.string().min(1).max(500),
  name: z.string().max(500).nullish(),
  aadObjectId: z.string().max(100).nullish(),
  role: z.string().max(50).nullish(),
});

/** What Vigil reads of a Bot Framework activity; everything else is dropped at the door. */
const schema = z.object({
  type: z.string().min(1).max(60),
  id: z.string().max(500).nullish(),
  channelId: z.string().max(60),
  serviceUrl: z.string().max(500).nullish(),
  name: z.string().max(100).nullish(),
  text: z.string().max(100_000).nullish(),
  replyToId: z.string().max(500).nullish(),
  from: account.nullish(),
  recipient: account.nullish(),
  conversation: z.object({
    id: z.string().min(1).max(500),
    conversationType: z.string().max(50).nullish(),
    tenantId: z.string().max(100).nullish(),
  }),
  channelData: z
    .object({
      tenant: z.object({ id: z.string().max(100).nullish() }).nullish(),
      team: z.object({ id: z.string().max(500).nullish() }).nullish(),
    })
    .nullish()
    .catch(null),
  value: z.unknown().optional(),
  entities: z.array(z.unknown()).max(200).nullish(),
  reactionsAdded: z.array(z.object({ type: z.string().max(100) })).nullish(),
  reactionsRemoved: z.array(z.object({ type: z.string().max(100) })).nullish(),
  membersAdded: z.array(z.object({ id: z.string().max(500) })).nullish(),
});

export type IncomingActivity = z.output<typeof schema>;

/** The activity in a request's body, or null when it is none. */
export function readActivity(body: unknown): IncomingActivity | null {
  const parsed = schema.safeParse(body);
  return parsed.success ? parsed.data : null;
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** An activity on its way to Teams. */
export interface OutgoingActivity {
  readonly type: "message" | "typing";
  readonly text?: string;
  readonly textFormat?: "plain" | "markdown";
  /** What a notification says when there is only a card. */
  readonly summary?: string;
  readonly attachments?: readonly { readonly contentType: string; readonly content: JsonObject }[];
  readonly entities?: readonly JsonObject[];
  readonly channelData?: JsonObject;
  readonly replyToId?: string;
}

/** The answer to an invoke. */
export interface InvokeAnswer {
  readonly status: number;
  readonly body?: JsonObject;
}

/** A channel's conversation without the thread in it: `19:…@thread.tacv2` of `19:…@thread.tacv2;messageid=1`. */
export const baseOf = (conversation: string): string => conversation.split(";")[0] ?? conversation;

/** The message that a channel's thread began with, or null where there are no threads. */
export const threadOf = (conversation: string): string | null => /;messageid=([^;]+)/.exec(conversation)?.[1] ?? null;

/** The message that an activity is about: whose button was pressed, what was reacted to. */
export const cardRef = ({ conversation, replyToId }: IncomingActivity): MessageRef | null =>
  replyToId ? { channel: conversation.id, message: replyToId } : null;

export type ConversationKind = "personal" | "groupChat" | "channel";

export function kindOf({ conversation }: IncomingActivity): ConversationKind {
  const { conversationType, id } = conversation;
  if (conversationType === "personal" || conversationType === "groupChat" || conversationType === "channel")
    return conversationType;
  return threadOf(id) ? "channel" : id.startsWith("19:") ? "groupChat" : "personal";
}

/** The text without the mention of ourselves, the other marks of mentions, and HTML's leftovers. */
export function spokenText(activity: IncomingActivity): string {
  const own = (activity.entities ?? []).flatMap((entity) => {
    const mention = entity as { type?: unknown; text?: unknown; mentioned?: { id?: unknown } } | null;
    return mention?.type === "mention" && mention.mentioned?.id === activity.recipient?.id && typeof mention.text === "string"
      ? [mention.text]
      : [];
  });
  let text = activity.text ?? "";
  for (const mention of own) text = text.replaceAll(mention, " ");
  return text
    .replace(/<at[^>]*>|<\/at>/gi, "")
    .replaceAll("&nbsp;", " ")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&")
    .replace(/\u00a0/g, " ")
    .trim();
}
