import type { WebClient } from "@slack/web-api";
import { WebAPIPlatformError } from "@slack/web-api";
import type { MessageRef } from "../store.ts";
import type { MayGo } from "../surface.ts";
import type { SlackMessage } from "./blocks.ts";
import { maybeDone, type Pacer } from "./client.ts";

const METADATA = "vigil_card";
const PAGE = 200;
const MOST_PAGES = 10;

export interface NewMessage {
  readonly channel: string;
  /** The message whose thread it goes to. */
  readonly thread: string | null;
  readonly subject: string;
  readonly message: SlackMessage;
  /** Shows a reply in the channel, too: somebody is needed. */
  readonly broadcast?: boolean;
  readonly mayGo?: MayGo | undefined;
}

/**
 * Posts and edits at the pace that Slack asks for. Slack has no idempotency keys: each message carries its subject as metadata, and after a
 * lost response it is looked for before anything is posted again.
 */
export class Posting {
  readonly #client: WebClient;
  readonly #pacer: Pacer;

  constructor(client: WebClient, pacer: Pacer) {
    this.#client = client;
    this.#pacer = pacer;
  }

  async post({ channel, thread, subject, message, broadcast = false, mayGo }: NewMessage): Promise<MessageRef> {
    try {
      const body = { channel, ...message, metadata: metadataOf(subject), unfurl_links: false, unfurl_media: false };
      const { chat } = this.#client;
      const posted = await this.#pacer.run(channel, async () => {
        mayGo?.();
        if (thread === null) return chat.postMessage(body);
        return broadcast
          ? chat.postMessage({ ...body, thread_ts: thread, reply_broadcast: true })
          : chat.postMessage({ ...body, thread_ts: thread });
      });
      return { channel: posted.channel ?? channel, message: posted.ts ?? "" };
    } catch (error) {
      const found = maybeDone(error) ? await this.find(channel, thread, subject).catch(() => null) : null;
      if (found) return found;
      throw error;
    }
  }

  async edit({ channel, message: ts }: MessageRef, subject: string, message: SlackMessage, mayGo?: MayGo): Promise<void> {
    await this.#pacer.run(channel, async () => {
      mayGo?.();
      await this.#client.chat.update({ channel, ts, ...message, metadata: metadataOf(subject), link_names: false });
    });
  }

  /** The newest message of ours with this subject among the latest of the channel or thread. */
  async find(channel: string, thread: string | null, subject: string): Promise<MessageRef | null> {
    const found = (await this.#latest(channel, thread)).findLast(
      ({ metadata }) => metadata?.event_type === METADATA && metadata.event_payload?.subject === subject,
    );
    return found?.ts ? { channel, message: found.ts } : null;
  }

  /** A stream whose start was not answered: the newest message of this user in the thread that carries no subject. */
  async findStream(channel: string, thread: string, user: string, after: string): Promise<string | null> {
    const found = (await this.#latest(channel, thread)).findLast(
      (message) => message.user === user && !message.metadata?.event_type && Number(message.ts) > Number(after),
    );
    return found?.ts ?? null;
  }

  /** Ends a stream so that its message can be edited; one that has ended already is fine. */
  async endStream(channel: string, ts: string): Promise<void> {
    await this.#client.chat.stopStream({ channel, ts }).catch((error) => {
      const ended = error instanceof WebAPIPlatformError && error.data.error === "message_not_in_streaming_state";
      if (!ended) throw error;
    });
  }

  async #latest(channel: string, thread: string | null): Promise<SeenMessage[]> {
    const asked = { channel, include_all_metadata: true, limit: PAGE };
    const seen: SeenMessage[] = [];
    if (!thread) seen.push(...((await this.#client.conversations.history(asked)).messages as SeenMessage[]));
    // A thread comes oldest first, so that its newest messages are on its last page.
    for (let page = 0, cursor: string | undefined; thread && page < MOST_PAGES && (page === 0 || cursor); page++) {
      const { messages = [], response_metadata: more } = await this.#client.conversations.replies({
        ...asked,
        ts: thread,
        ...(cursor ? { cursor } : {}),
      });
      seen.push(...(messages as SeenMessage[]));
      cursor = more?.next_cursor;
    }
    return seen.toSorted((a, b) => Number(a.ts) - Number(b.ts));
  }
}

interface SeenMessage {
  readonly ts?: string;
  readonly user?: string;
  readonly metadata?: { readonly event_type?: string; readonly event_payload?: { readonly subject?: unknown } };
}

/** Ids only: metadata can be read by every app of the workspace. */
const metadataOf = (subject: string) => ({ event_type: METADATA, event_payload: { subject } });
