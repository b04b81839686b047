import type { BlockAction } from "@slack/bolt";
import type { WebClient } from "@slack/web-api";
import type { Log } from "../../flows/log.ts";
import type { ChatHandlers } from "../../flows/ports.ts";
import type { Lines } from "../lines.ts";
import type { EmojiMeanings } from "../reactions.ts";
import type { ChatStore } from "../store.ts";
import { LIMITS } from "./limits.ts";
import { clipSlack, mrkdwn } from "./mrkdwn.ts";
import type { People } from "./people.ts";
import type { Places } from "./places.ts";
import type { ReplyPlace, SlackReply } from "./reply.ts";

/** What every listener needs. */
export interface ListenerContext {
  readonly client: WebClient;
  readonly store: ChatStore;
  readonly handlers: ChatHandlers;
  readonly people: People;
  readonly places: Places;
  readonly teams: ReadonlySet<string>;
  readonly botUserId: string;
  readonly emoji: EmojiMeanings;
  /** Of reactions. */
  readonly lines: Lines;
  readonly replyTo: (place: ReplyPlace) => SlackReply;
  readonly now: () => number;
  readonly log: Log;
}

/** Slack wants every interaction acknowledged within 3 s; what takes longer goes on after the acknowledgement. */
export const ACK_WITHIN = 2_500;

/** Says something to one person only, in Markdown. It may get lost, so it is never the only record. */
export async function whisper(
  { client, log }: ListenerContext,
  channel: string,
  user: string,
  markdown: string,
  thread?: string,
): Promise<void> {
  if (!channel) return;
  const text = clipSlack(mrkdwn(markdown), LIMITS.text);
  await client.chat
    .postEphemeral({ channel, user, text, ...(thread ? { thread_ts: thread } : {}) })
    .catch((error) => log.debug({ err: error, channel }, "a hint could not be shown"));
}

export const threadOf = (press: BlockAction): string | undefined => press.message?.thread_ts as string | undefined;

/** The result, or null when it takes longer; the work goes on. */
export async function within<T>(limit: number, work: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), limit);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
