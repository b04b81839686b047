import type { ChatStreamer, WebClient } from "@slack/web-api";
import type { Answer, InvestigationStep } from "../../domain/investigation.ts";
import type { Log } from "../../flows/log.ts";
import type { Reply } from "../../flows/ports.ts";
import type { Card } from "../card.ts";
import { answerCard, note, workingCard } from "../cards/answer.ts";
import { clip } from "../text.ts";
import { cardMessages, type EmojiWords, foldMessages, type SlackMessage } from "./blocks.ts";
import { type Pacer, patiently } from "./client.ts";
import { LIMITS } from "./limits.ts";
import { clipSlack, escapeSlack, streamMarkdown } from "./mrkdwn.ts";

const STATUS = { running: "in_progress", done: "complete", failed: "error" } as const;

export interface ReplyPlace {
  readonly messageId: string;
  readonly channel: string;
  readonly thread: string;
  readonly user: string;
  readonly team: string;
}

/**
 * One answer in its thread. Streams, with a task for each step, where Slack lets it; else a plain message that is edited.
 * A stream that Slack ended meanwhile (tools took minutes) is finished by editing its message.
 */
export class SlackReply implements Reply {
  readonly #client: WebClient;
  readonly #place: ReplyPlace;
  readonly #pacer: Pacer;
  readonly #emoji: EmojiWords;
  readonly #log: Log;
  readonly #stream: ChatStreamer;
  readonly #steps = new Map<string, InvestigationStep>();
  /** The plain message that stands in for the stream. */
  #plainTs: string | null = null;
  #streaming = true;
  #queue: Promise<void> = Promise.resolve();
  #stopped = false;
  #said = false;

  constructor(options: { client: WebClient; place: ReplyPlace; pacer: Pacer; emoji: EmojiWords; log: Log }) {
    this.#client = options.client;
    this.#place = options.place;
    this.#pacer = options.pacer;
    this.#emoji = options.emoji;
    this.#log = options.log;
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

  get place(): ReplyPlace {
    return this.#place;
  }

  step(step: InvestigationStep): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#stopped || this.#said) return;
      this.#steps.set(step.id, step);
      if (this.#streaming && (await this.#task(step))) return;
      await this.#edit(workingCard(this.#place.messageId, [...this.#steps.values()]));
    });
  }

  answer(answer: Answer): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#stopped || this.#said) return;
      const card = answerCard(this.#place.messageId, answer);
      const markdown = streamMarkdown(answer.text);
      if (!(this.#streaming && (await this.#finish(markdown, card)))) await this.#edit(card);
      this.#said = true;
    });
  }

  sorry(text: string): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#stopped || this.#said) return;
      const card = note(text, "attention");
      if (!(this.#streaming && (await this.#finish(streamMarkdown(text), { ...card, body: [] })))) await this.#edit(card);
      this.#said = true;
    });
  }

  /** The person pressed Stop: whatever still comes is dropped. */
  stop(): Promise<void> {
    this.#stopped = true;
    return this.#inOrder(async () => {
      if (this.#said) return;
      this.#said = true;
      // Slack has closed the stream itself.
      await this.#edit(note("Stopped, as you asked."));
    });
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(work).catch((error) => {
      this.#log.warn({ err: error, channel: this.#place.channel, thread: this.#place.thread }, "an answer could not be shown");
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
    const [details] = foldMessages(card);
    const context = cardMessages({ ...card, title: "", badge: "", body: [] }, this.#emoji).root.blocks;
    const blocks = [...(details?.blocks.slice(0, 40) ?? []), ...(card.context.length > 0 ? context : [])];
    try {
      await this.#stream.stop({ markdown_text: markdown, ...(blocks.length > 0 ? { blocks } : {}) });
      return true;
    } catch (error) {
      return this.#lost(error);
    }
  }

  #lost(error: unknown): false {
    this.#log.debug({ err: error }, "no stream here; going on with a plain message");
    this.#streaming = false;
    return false;
  }

  /** Posts or edits the plain message; what does not fit follows below it. */
  async #edit(card: Card): Promise<void> {
    const { root, overflow } = cardMessages(card, this.#emoji);
    const ts = this.#plainTs ?? this.#stream.ts ?? null;
    this.#streaming = false;
    this.#plainTs = ts === null ? await this.#post(root) : await this.#update(ts, root);
    if (card.tone === "working") return;
    for (const more of [...overflow, ...foldMessages(card)]) await this.#post(more);
  }

  async #post(message: SlackMessage): Promise<string | null> {
    const { channel, thread } = this.#place;
    const posted = await patiently(() =>
      this.#pacer.run(channel, () =>
        this.#client.chat.postMessage({ channel, thread_ts: thread, ...message, unfurl_links: false, unfurl_media: false }),
      ),
    );
    return posted.ts ?? null;
  }

  async #update(ts: string, message: SlackMessage): Promise<string> {
    const { channel } = this.#place;
    await patiently(() => this.#pacer.run(channel, () => this.#client.chat.update({ channel, ts, ...message })));
    return ts;
  }
}
