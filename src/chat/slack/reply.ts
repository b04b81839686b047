import type { ChatStreamer, WebClient } from "@slack/web-api";
import type { Answer, InvestigationStep } from "../../domain/investigation.ts";
import { redact } from "../../domain/untrusted.ts";
import type { Log } from "../../flows/log.ts";
import type { Reply } from "../../flows/ports.ts";
import type { Card } from "../card.ts";
import { answerCard, note, workingCard } from "../cards/answer.ts";
import type { MessageRef } from "../store.ts";
import { clip } from "../text.ts";
import { cardMessages, type EmojiWords, foldMessages, type SlackMessage } from "./blocks.ts";
import { maybeDone, patiently } from "./client.ts";
import { LIMITS } from "./limits.ts";
import { clipSlack, escapeSlack, streamMarkdown } from "./mrkdwn.ts";
import type { Posting } from "./posting.ts";

const STATUS = { running: "in_progress", done: "complete", failed: "error" } as const;

export interface ReplyPlace {
  readonly messageId: string;
  readonly channel: string;
  readonly thread: string;
  readonly user: string;
  readonly team: string;
  /** `ts` of the question. */
  readonly asked: string;
}

export interface ReplyOptions {
  readonly client: WebClient;
  readonly posting: Posting;
  readonly place: ReplyPlace;
  readonly emoji: EmojiWords;
  readonly botUserId: string;
  /** Address of the page as responders reach it, for links to evidence. */
  readonly pageUrl?: string | null;
  /** Takes an answer that Slack does not take now, with the message that it should replace, and delivers it when Slack is back. */
  readonly later: (card: Card, place: ReplyPlace, message: MessageRef | null) => Promise<void>;
  readonly log: Log;
}

/**
 * One answer in its thread. Streams, with a task for each step, where Slack lets it; else a plain message that is edited.
 * A stream that Slack ended meanwhile (tools took minutes) is finished by editing its message.
 */
export class SlackReply implements Reply {
  readonly #options: ReplyOptions;
  readonly #stream: ChatStreamer;
  readonly #steps = new Map<string, InvestigationStep>();
  /** The message that stands in for the stream. */
  #plainTs: string | null = null;
  #streaming = true;
  /** Slack may have begun a stream although no answer came. */
  #startUnknown = false;
  #queue: Promise<void> = Promise.resolve();
  #stopped = false;
  #said = false;

  constructor(options: ReplyOptions) {
    this.#options = options;
    const { channel, thread, user, team } = options.place;
    this.#stream = options.client.chatStream({
      channel,
      thread_ts: thread,
      recipient_user_id: user,
      recipient_team_id: team,
      task_display_mode: "timeline",
    });
  }

  /** True once an answer or an apology went out. */
  get said(): boolean {
    return this.#said;
  }

  step(step: InvestigationStep): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#stopped || this.#said) return;
      this.#steps.set(step.id, step);
      if (this.#streaming && (await this.#task(step))) return;
      // Only progress: when it cannot be shown now, the next step or the answer shows more.
      await this.#show(workingCard(this.#options.place.messageId, [...this.#steps.values()]));
    });
  }

  answer(answer: Answer): Promise<void> {
    return this.#finally(answerCard(this.#options.place.messageId, answer), answer.text);
  }

  sorry(text: string): Promise<void> {
    return this.#finally({ ...note(text, "attention"), subject: this.#subject }, text);
  }

  /** The person pressed Stop: whatever still comes is dropped. */
  stop(): Promise<void> {
    this.#stopped = true;
    return this.#inOrder(async () => {
      if (this.#said) return;
      this.#said = true;
      await this.#show({ ...note("Stopped, as you asked."), subject: this.#subject });
    });
  }

  get #subject(): string {
    return `answer:${this.#options.place.messageId}`;
  }

  #finally(card: Card, text: string): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#stopped || this.#said) return;
      this.#said = true;
      if (this.#streaming && (await this.#finish(streamMarkdown(redact(text)), card))) return;
      try {
        await this.#show(card);
      } catch (error) {
        const { channel } = this.#options.place;
        const ts = this.#plainTs ?? this.#stream.ts ?? null;
        this.#options.log.warn({ err: error, channel }, "Slack does not take an answer now; it waits in the outbox");
        await this.#options.later(card, this.#options.place, ts === null ? null : { channel, message: ts });
      }
    });
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    const { channel, thread } = this.#options.place;
    this.#queue = this.#queue.then(work).catch((error) => {
      this.#options.log.warn({ err: error, channel, thread }, "a part of an answer could not be shown");
    });
    return this.#queue;
  }

  async #task({ id, title, state, outcome }: InvestigationStep): Promise<boolean> {
    try {
      await this.#stream.append({
        chunks: [
          {
            type: "task_update",
            id,
            title: clip(escapeSlack(title), 250),
            status: STATUS[state],
            ...(outcome ? { output: clipSlack(streamMarkdown(clip(outcome, 300)), 500) } : {}),
          },
        ],
      });
      return true;
    } catch (error) {
      return this.#lost(error);
    }
  }

  async #finish(markdown: string, card: Card): Promise<boolean> {
    if ([...markdown].length > LIMITS.streamText) return this.#lost(new Error("the answer is longer than a stream may be"));
    // The text is in the stream already; the blocks add the evidence and the small print.
    const [details] = foldMessages(card, this.#options.pageUrl);
    const context = cardMessages({ ...card, title: "", badge: "", body: [] }, this.#options.emoji).root.blocks;
    const blocks = [...(details?.blocks.slice(0, 40) ?? []), ...(card.context.length > 0 ? context : [])];
    try {
      await this.#stream.stop({ markdown_text: markdown, ...(blocks.length > 0 ? { blocks } : {}) });
      return true;
    } catch (error) {
      return this.#lost(error);
    }
  }

  #lost(error: unknown): false {
    this.#options.log.debug({ err: error }, "no stream here; going on with a plain message");
    this.#streaming = false;
    this.#startUnknown = this.#stream.ts === undefined && maybeDone(error);
    return false;
  }

  /** Posts or edits the plain message; what does not fit follows below it. */
  async #show(card: Card): Promise<void> {
    const { root, overflow } = cardMessages(card, this.#options.emoji);
    await this.#leaveStream();
    if (this.#plainTs === null) this.#plainTs = await this.#post(root, this.#subject);
    else await this.#edit(this.#plainTs, root);
    if (card.tone === "working") return;
    for (const [index, more] of [...overflow, ...foldMessages(card, this.#options.pageUrl)].entries())
      await this.#post(more, `${this.#subject}#${index}`);
  }

  /** Slack refuses to edit a message that still streams. */
  async #leaveStream(): Promise<void> {
    const { posting, place, botUserId } = this.#options;
    const { channel, thread, asked } = place;
    this.#streaming = false;
    if (this.#plainTs !== null) return;
    const ts = this.#startUnknown ? await posting.findStream(channel, thread, botUserId, asked) : (this.#stream.ts ?? null);
    if (ts !== null) await patiently(() => posting.endStream(channel, ts));
    this.#startUnknown = false;
    this.#plainTs = ts;
  }

  async #post(message: SlackMessage, subject: string): Promise<string> {
    const { posting, place } = this.#options;
    const posted = await patiently(() => posting.post({ channel: place.channel, thread: place.thread, subject, message }));
    return posted.message;
  }

  async #edit(ts: string, message: SlackMessage): Promise<void> {
    const { posting, place } = this.#options;
    await patiently(() => posting.edit({ channel: place.channel, message: ts }, this.#subject, message));
  }
}
