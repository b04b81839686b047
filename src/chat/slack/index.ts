import { setTimeout as sleep } from "node:timers/promises";
import type { App } from "@slack/bolt";
import type { WebClient, WebClientOptions } from "@slack/web-api";
import { WebAPIPlatformError } from "@slack/web-api";
import type { Log } from "../../flows/log.ts";
import type { ChatHandlers } from "../../flows/ports.ts";
import type { Card, CardBlock } from "../card.ts";
import { Lines } from "../lines.ts";
import { picturePng } from "../picture.ts";
import { checkEmoji, DEFAULT_EMOJI, type EmojiMeanings } from "../reactions.ts";
import type { ChatStore, MessageRef } from "../store.ts";
import type { MayGo, Surface } from "../surface.ts";
import { cardMessages, foldMessages, type SlackMessage } from "./blocks.ts";
import { deliveryError, Pacer, patiently, slackClient } from "./client.ts";
import { listen } from "./listeners.ts";
import { People } from "./people.ts";
import { Places } from "./places.ts";
import { Posting } from "./posting.ts";
import { threadKey } from "./questions.ts";
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
  readonly emoji?: Partial<EmojiMeanings>;
  /** Address of the page as responders reach it, for links to evidence. */
  readonly pageUrl?: string | null;
  /** Milliseconds between two messages in one channel. */
  readonly gap?: number;
  readonly now?: () => number;
  readonly log: Log;
}

/** Older events are not taken up after a restart: nobody waits for them any more. */
const REPLAY_WITHIN = 30 * 60_000;

const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;
/** Slack delivers an event again for some minutes; after a day nothing comes back. */
const KEEP_SETTLED = 24 * 60 * 60_000;

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
  readonly #emoji: EmojiMeanings;
  readonly #posting: Posting;
  readonly #now: () => number;
  readonly #background = new Set<Promise<void>>();
  /** The last thing shown beside each card, so that an unchanged one is not sent again. */
  readonly #beside = new Map<string, string>();
  readonly #besides = new Lines();
  readonly #stopping = new AbortController();
  #app: App | null = null;
  #settled: () => Promise<void> = async () => undefined;
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
    this.#emoji = checkEmoji({ ...DEFAULT_EMOJI, ...options.emoji });
    this.#clientOptions = {
      logger: slackLogger(options.log),
      ...options.clientOptions,
      ...(apiUrl ? { slackApiUrl: apiUrl } : {}),
    };
    this.#client = slackClient(options.botToken, this.#clientOptions);
    this.#posting = new Posting(this.#client, new Pacer(options.gap ?? 1_100));
    this.#now = options.now ?? Date.now;
  }

  /**
   * Connects and listens. While Slack is down it goes on trying, for Vigil must not wait for it.
   *
   * @throws when Slack refuses the token, or the port is taken; the message says what to do.
   */
  async start(handlers: ChatHandlers): Promise<void> {
    try {
      await this.#connect(handlers);
    } catch (error) {
      const known = deliveryError(error);
      if (known.kind !== "later") throw known;
      this.#options.log.warn({ err: error }, "Slack cannot be reached; trying again until it can");
      this.#inBackground(() => this.#keepConnecting(handlers));
    }
  }

  async #keepConnecting(handlers: ChatHandlers): Promise<void> {
    for (let pause = FIRST_PAUSE; !this.#stopping.signal.aborted; pause = Math.min(LONGEST_PAUSE, pause * 2)) {
      await sleep(pause, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#stopping.signal.aborted) return;
      try {
        await this.#connect(handlers);
        this.#options.log.info({}, "Slack is back");
        return;
      } catch (error) {
        const known = deliveryError(error);
        if (known.kind !== "later") return this.#options.log.error({ err: error }, known.message);
      }
    }
  }

  async #connect(handlers: ChatHandlers): Promise<void> {
    const { store, log, botToken, allowedTeams = [] } = this.#options;
    const own = await patiently(() => this.#client.auth.test());
    const { app, replay, settled } = boltApp({
      botToken,
      bot: { botId: own.bot_id, botUserId: own.user_id },
      connection: this.#connection,
      clientOptions: this.#clientOptions,
      inbox: {
        takeIn: (eventId, body) => store.takeIn(this.name, eventId, body, this.#now()),
        settle: (eventId) => store.settle(this.name, eventId),
        open: () => store.open(this.name, this.#now() - REPLAY_WITHIN),
      },
      rejected: (reason) =>
        handlers
          .refused({ kind: "auth_reject", actor: this.name, subject: "request", reason })
          .catch((error) => log.error({ err: error }, "a refused request could not be written to the audit trail")),
      now: this.#now,
      log,
    });
    const botUserId = own.user_id ?? "";
    listen(app, {
      client: this.#client,
      store,
      handlers,
      people: new People(this.#client, this.#now),
      places: new Places(this.#client, this.#now),
      teams: new Set([own.team_id ?? "", ...allowedTeams]),
      botUserId,
      emoji: this.#emoji,
      lines: new Lines(),
      replyTo: (place) =>
        new SlackReply({
          client: this.#client,
          posting: this.#posting,
          place,
          emoji: this.#emoji,
          botUserId,
          pageUrl: this.#options.pageUrl ?? null,
          later: async (card, { channel, thread }, message) => {
            if (message) await store.saveRef(card.subject, this.name, message);
            await store.want(card.subject, this.name, threadKey(channel, thread), card, this.#now());
          },
          log,
        }),
      now: this.#now,
      log,
    });
    this.#app = app;
    this.#settled = settled;
    await app.start();
    this.#inBackground(async () => {
      await store.forgetSettled(this.#now() - KEEP_SETTLED);
      const count = await replay();
      if (count > 0) log.info({ count }, "took up what a restart had interrupted");
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#app?.stop().catch((error) => this.#options.log.debug({ err: error }, "Slack's connection did not close cleanly"));
    this.#app = null;
    await this.#settled();
    await Promise.allSettled(this.#background);
  }

  async post(card: Card, thread: MessageRef | null, again: boolean, mayGo?: MayGo): Promise<MessageRef> {
    const channel = thread?.channel ?? this.#options.channel;
    const { subject } = card;
    try {
      const known = again ? await this.#posting.find(channel, thread?.message ?? null, subject) : null;
      if (known) {
        await this.update(known, card, thread, mayGo);
        return known;
      }
      const ref = await this.#posting.post({
        channel,
        thread: thread?.message ?? null,
        subject,
        message: cardMessages(card, this.#emoji).root,
        // Somebody must decide, also those who do not follow the thread.
        broadcast: card.kind === "proposal" && card.buttons.length > 0,
        mayGo,
      });
      this.#inBackground(() => this.#showBeside(card, thread ?? ref, true, mayGo));
      return ref;
    } catch (error) {
      throw deliveryError(error);
    }
  }

  async update(ref: MessageRef, card: Card, thread: MessageRef | null, mayGo?: MayGo): Promise<void> {
    try {
      await this.#posting.edit(ref, card.subject, cardMessages(card, this.#emoji).root, mayGo);
      await this.#showBeside(card, thread ?? ref, false, mayGo);
    } catch (error) {
      throw deliveryError(error);
    }
  }

  /** What belongs to a card but not into its message. One after the other: the first may still be on its way when the card changes. */
  #showBeside(card: Card, root: MessageRef, isNew: boolean, mayGo?: MayGo): Promise<void> {
    return this.#besides.run(card.subject, () => this.#showPictureAndDetails(card, root, isNew, mayGo));
  }

  /** The picture, what a page would fold, and what did not fit. */
  async #showPictureAndDetails(card: Card, root: MessageRef, isNew: boolean, mayGo?: MayGo): Promise<void> {
    const picture = card.body.find((block): block is CardBlock & { type: "picture" } => block.type === "picture");
    if (picture) await this.#showPicture(card.subject, picture, root, mayGo);
    // A proposal's details are behind its button; its card stays short.
    const messages =
      card.kind === "proposal" ? [] : [...cardMessages(card, this.#emoji).overflow, ...foldMessages(card, this.#options.pageUrl)];
    for (const [index, message] of messages.entries())
      await this.#showDetail(`${card.subject}#${index}`, message, root, isNew, mayGo);
  }

  async #showDetail(subject: string, message: SlackMessage, root: MessageRef, isNew: boolean, mayGo?: MayGo): Promise<void> {
    const content = JSON.stringify(message);
    if (this.#beside.get(subject) === content) return;
    const { store } = this.#options;
    const { channel } = root;
    // Below a card that was there before, an earlier process may have sent it and died before it could note so.
    const noted = await store.ref(subject, this.name);
    const known = noted ?? (isNew ? null : await patiently(() => this.#posting.find(channel, root.message, subject)));
    if (known) {
      await patiently(() => this.#posting.edit({ channel, message: known.message }, subject, message, mayGo));
      if (!noted) await store.saveRef(subject, this.name, known);
    } else {
      const posted = await patiently(() => this.#posting.post({ channel, thread: root.message, subject, message, mayGo }));
      await store.saveRef(subject, this.name, posted);
    }
    this.#beside.set(subject, content);
  }

  /** Uploads the picture once. Without the scope `files:write` Vigil goes on in words. */
  async #showPicture(
    subject: string,
    { picture }: CardBlock & { type: "picture" },
    root: MessageRef,
    mayGo?: MayGo,
  ): Promise<void> {
    const { store, log } = this.#options;
    const key = `${subject}#picture`;
    if (!this.#picturesAllowed || (await store.ref(key, this.name))) return;
    try {
      const file = await picturePng(picture);
      mayGo?.();
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
