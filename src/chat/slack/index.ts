import type { App } from "@slack/bolt";
import type { WebClient, WebClientOptions } from "@slack/web-api";
import { WebAPIPlatformError } from "@slack/web-api";
import type { Verdict } from "../../domain/feedback.ts";
import type { Log } from "../../flows/log.ts";
import type { ChatHandlers } from "../../flows/ports.ts";
import type { Card, CardBlock } from "../card.ts";
import { picturePng } from "../picture.ts";
import type { ChatStore, MessageRef } from "../store.ts";
import type { Surface } from "../surface.ts";
import { cardMessages, type EmojiWords, foldMessages, type SlackMessage } from "./blocks.ts";
import { deliveryError, maybeDone, Pacer, patiently, slackClient } from "./client.ts";
import { listen } from "./listeners.ts";
import { People } from "./people.ts";
import { boltApp, type Connection, slackLogger } from "./receiver.ts";
import { SlackReply } from "./reply.ts";

export interface SlackOptions {
  readonly botToken: string;
  /** With it: Socket Mode. Without: HTTP on `httpPort`, which needs the signing secret. */
  readonly appToken?: string | undefined;
  readonly signingSecret?: string | undefined;
  readonly httpPort?: number;
  /** Where proactive posts go: a channel id. */
  readonly channel: string;
  /** Only for tests and proxies. */
  readonly apiUrl?: string | undefined;
  readonly clientOptions?: WebClientOptions;
  readonly store: ChatStore;
  /** Workspaces that may speak to Vigil besides its own. */
  readonly allowedTeams?: readonly string[];
  readonly emoji?: Partial<SlackEmoji>;
  /** Milliseconds between two messages in one channel. */
  readonly gap?: number;
  readonly now?: () => number;
  readonly log: Log;
}

/** Names without colons. An emoji that decides must not be one that votes. */
export interface SlackEmoji {
  readonly approve: string;
  readonly deny: string;
  /** Tiers for which an emoji decides; the policy has the last word. */
  readonly tiers: readonly string[];
  readonly verdicts: Readonly<Record<string, Verdict>>;
}

export const DEFAULT_EMOJI: SlackEmoji = {
  approve: "white_check_mark",
  deny: "no_entry",
  tiers: ["T1", "T2"],
  verdicts: {
    "+1": "correct",
    thumbsup: "correct",
    "-1": "incorrect",
    thumbsdown: "incorrect",
    large_yellow_circle: "partly",
    mute: "noise",
  },
};

const METADATA = "vigil_card";
const HISTORY = 60;
/** Older events are not taken up after a restart: nobody waits for them any more. */
const REPLAY_WITHIN = 30 * 60_000;

/** Slack as a surface. Posts by the Web API, listens by Bolt. */
export function slackSurface(options: SlackOptions): Surface {
  return new SlackSurface(options);
}

class SlackSurface implements Surface {
  readonly name = "slack";
  readonly #options: SlackOptions;
  readonly #client: WebClient;
  readonly #clientOptions: WebClientOptions;
  readonly #connection: Connection;
  readonly #emoji: SlackEmoji;
  readonly #words: EmojiWords;
  readonly #pacer: Pacer;
  readonly #now: () => number;
  readonly #background = new Set<Promise<void>>();
  /** The last thing shown beside each card, so that an unchanged one is not sent again. */
  readonly #beside = new Map<string, string>();
  #app: App | null = null;
  #picturesAllowed = true;

  constructor(options: SlackOptions) {
    this.#options = options;
    const { appToken, signingSecret, apiUrl, httpPort = 3979 } = options;
    if (appToken) this.#connection = { mode: "socket", appToken };
    else if (signingSecret) this.#connection = { mode: "http", signingSecret, port: httpPort };
    else
      throw new Error(
        "Slack needs an app token (SLACK_APP_TOKEN) for Socket Mode, or a signing secret (SLACK_SIGNING_SECRET) for HTTP.",
      );
    this.#emoji = { ...DEFAULT_EMOJI, ...options.emoji };
    for (const name of [this.#emoji.approve, this.#emoji.deny]) {
      if (name in this.#emoji.verdicts)
        throw new Error(`The emoji ${name} cannot both decide and vote; change slack.emoji so that they differ.`);
    }
    this.#words = this.#emoji;
    this.#clientOptions = {
      logger: slackLogger(options.log),
      ...options.clientOptions,
      ...(apiUrl ? { slackApiUrl: apiUrl } : {}),
    };
    this.#client = slackClient(options.botToken, this.#clientOptions);
    this.#pacer = new Pacer(options.gap ?? 1_100);
    this.#now = options.now ?? Date.now;
  }

  /**
   * Connects and listens.
   *
   * @throws when Slack refuses the token; the message says what to do.
   */
  async start(handlers: ChatHandlers): Promise<void> {
    const { store, log, botToken, allowedTeams = [] } = this.#options;
    const own = await patiently(() => this.#client.auth.test());
    const teams = new Set([own.team_id ?? "", ...allowedTeams]);
    const { app, replay } = boltApp({
      botToken,
      connection: this.#connection,
      clientOptions: this.#clientOptions,
      inbox: {
        takeIn: (eventId, body) => store.takeIn(this.name, eventId, body, this.#now()),
        settle: (eventId) => store.settle(this.name, eventId),
        open: () => store.open(this.name, this.#now() - REPLAY_WITHIN),
      },
      now: this.#now,
      log,
    });
    listen(app, {
      client: this.#client,
      store,
      handlers,
      people: new People(this.#client, this.#now),
      teams,
      botUserId: own.user_id ?? "",
      emoji: this.#emoji,
      replyTo: (place) => new SlackReply({ client: this.#client, place, pacer: this.#pacer, emoji: this.#words, log }),
      now: this.#now,
      log,
    });
    this.#app = app;
    await app.start();
    this.#inBackground(async () => {
      const count = await replay();
      if (count > 0) log.info({ count }, "took up what a restart had interrupted");
    });
  }

  async stop(): Promise<void> {
    await this.#app?.stop().catch((error) => this.#options.log.debug({ err: error }, "Slack's connection did not close cleanly"));
    this.#app = null;
    await Promise.allSettled(this.#background);
  }

  async post(card: Card, thread: MessageRef | null, again: boolean): Promise<MessageRef> {
    try {
      const known = again ? await this.#find(card.subject, thread) : null;
      const ref = known ?? (await this.#postNew(card, thread));
      if (known) await this.update(ref, card);
      else this.#inBackground(() => this.#showBeside(card, ref, thread));
      return ref;
    } catch (error) {
      throw deliveryError(error);
    }
  }

  async update(ref: MessageRef, card: Card): Promise<void> {
    const { root } = cardMessages(card, this.#words);
    try {
      await this.#pacer.run(ref.channel, () =>
        this.#client.chat.update({ channel: ref.channel, ts: ref.message, ...root, metadata: metadataOf(card) }),
      );
      await this.#showBeside(card, ref, null);
    } catch (error) {
      throw deliveryError(error);
    }
  }

  /** A lost response is not a lost message: it is looked for before anything is posted again. */
  async #postNew(card: Card, thread: MessageRef | null): Promise<MessageRef> {
    const channel = thread?.channel ?? this.#options.channel;
    const { root } = cardMessages(card, this.#words);
    try {
      const posted = await this.#pacer.run(channel, () =>
        this.#client.chat.postMessage({
          channel,
          ...(thread ? { thread_ts: thread.message } : {}),
          ...root,
          metadata: metadataOf(card),
          unfurl_links: false,
          unfurl_media: false,
        }),
      );
      return { channel: posted.channel ?? channel, message: posted.ts ?? "" };
    } catch (error) {
      const found = maybeDone(error) ? await this.#find(card.subject, thread).catch(() => null) : null;
      if (found) return found;
      throw error;
    }
  }

  async #find(subject: string, thread: MessageRef | null): Promise<MessageRef | null> {
    const channel = thread?.channel ?? this.#options.channel;
    const asked = { channel, include_all_metadata: true, limit: HISTORY };
    const { messages = [] } = thread
      ? await this.#client.conversations.replies({ ...asked, ts: thread.message })
      : await this.#client.conversations.history(asked);
    const found = messages.find((message) => {
      const { event_type: type, event_payload: payload } =
        (message as { metadata?: { event_type?: string; event_payload?: unknown } }).metadata ?? {};
      return type === METADATA && (payload as { subject?: unknown } | undefined)?.subject === subject;
    });
    return found?.ts ? { channel, message: found.ts } : null;
  }

  /** What belongs to a card but not into its message: the picture, what a page would fold, what did not fit. */
  async #showBeside(card: Card, ref: MessageRef, thread: MessageRef | null): Promise<void> {
    const root = thread ?? ref;
    const picture = card.body.find((block): block is CardBlock & { type: "picture" } => block.type === "picture");
    if (picture) await this.#showPicture(card.subject, picture, root);
    // A proposal's details are behind its button; its card stays short.
    const messages = card.kind === "proposal" ? [] : [...cardMessages(card, this.#words).overflow, ...foldMessages(card)];
    for (const [index, message] of messages.entries()) await this.#showDetail(`${card.subject}#${index}`, message, root);
  }

  async #showDetail(subject: string, message: SlackMessage, root: MessageRef): Promise<void> {
    const content = JSON.stringify(message);
    if (this.#beside.get(subject) === content) return;
    const { store } = this.#options;
    const known = await store.ref(subject, this.name);
    const { channel } = root;
    if (known) {
      await patiently(() => this.#pacer.run(channel, () => this.#client.chat.update({ channel, ts: known.message, ...message })));
    } else {
      const posted = await patiently(() =>
        this.#pacer.run(channel, () =>
          this.#client.chat.postMessage({
            channel,
            thread_ts: root.message,
            ...message,
            unfurl_links: false,
            unfurl_media: false,
          }),
        ),
      );
      await store.saveRef(subject, this.name, { channel, message: posted.ts ?? "" });
    }
    this.#beside.set(subject, content);
  }

  /** Uploads the picture once. Without the scope `files:write` Vigil goes on in words. */
  async #showPicture(subject: string, { picture }: CardBlock & { type: "picture" }, root: MessageRef): Promise<void> {
    const { store, log } = this.#options;
    const key = `${subject}#picture`;
    if (!this.#picturesAllowed || (await store.ref(key, this.name))) return;
    try {
      const file = await picturePng(picture);
      await this.#client.files.uploadV2({
        channel_id: root.channel,
        thread_ts: root.message,
        file,
        filename: "anomaly.png",
        title: picture.title,
        alt_text: picture.alt,
      });
      await store.saveRef(key, this.name, { channel: root.channel, message: key });
    } catch (error) {
      if (error instanceof WebAPIPlatformError && error.data.error === "missing_scope") this.#picturesAllowed = false;
      log.warn({ err: error }, "a picture could not be uploaded; its words are in the card");
    }
  }

  #inBackground(work: () => Promise<void>): void {
    const done = work()
      .catch((error) => this.#options.log.warn({ err: error }, "details could not be shown; the next update tries again"))
      .finally(() => this.#background.delete(done));
    this.#background.add(done);
  }
}

/** Ids only: metadata can be read by every app of the workspace. */
const metadataOf = (card: Card) => ({ event_type: METADATA, event_payload: { subject: card.subject } });
