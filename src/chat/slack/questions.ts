import { redact } from "../../domain/untrusted.ts";
import type { ListenerContext } from "./context.ts";
import { readable } from "./mrkdwn.ts";
import type { ReplyPlace, SlackReply } from "./reply.ts";

export interface MessageEvent {
  readonly type: string;
  readonly subtype?: string;
  readonly bot_id?: string;
  readonly user?: string;
  readonly text?: string;
  readonly ts: string;
  readonly thread_ts?: string;
  readonly channel: string;
  readonly channel_type?: string;
  /** Workspaces of the sender, where Slack names them: outsiders of a shared channel have another. */
  readonly user_team?: string;
  readonly source_team?: string;
}

export interface Question extends ReplyPlace {
  readonly text: string;
}

/** Questions within a minute, of one thread or of one asker; more looks like two bots talking. */
const MOST_QUESTIONS = 12;
const MINUTE = 60_000;

/** The subject under which the store knows that a thread is a conversation with us. */
export const threadKey = (channel: string, thread: string): string => `conversation:${channel}:${thread}`;

/** Questions by mention, direct message, follow-up or shortcut; each message is answered once, however often it is delivered. */
export class Questions {
  readonly #context: ListenerContext;
  readonly #inHand = new Set<string>();
  readonly #running = new Map<string, Set<SlackReply>>();
  readonly #recent = new Map<string, Map<string, number>>();

  constructor(context: ListenerContext) {
    this.#context = context;
  }

  /** In a thread that began with a question to us, people need not mention us again; talk to somebody else is theirs. */
  async isFollowUp({ thread_ts: thread, channel, text = "" }: MessageEvent): Promise<boolean> {
    if (!thread || /<@[A-Z0-9]+/.test(text)) return false;
    return (await this.#context.store.ref(threadKey(channel, thread), "slack")) !== null;
  }

  async ask(message: MessageEvent, team: string): Promise<void> {
    const { teams, botUserId } = this.#context;
    const { subtype, bot_id: bot, user, text = "", ts, thread_ts: thread, channel } = message;
    if (subtype !== undefined || bot !== undefined || !user || user === botUserId) return;
    const outsider = [message.user_team, message.source_team].find((one) => one !== undefined && !teams.has(one));
    if (outsider !== undefined) return this.#drop(user, outsider);
    await this.start({
      messageId: `${channel}:${ts}`,
      channel,
      thread: thread ?? ts,
      asked: ts,
      user,
      team,
      text: readable(text),
    });
  }

  async start(question: Question): Promise<void> {
    const { messageId } = question;
    // The same message told by two events may arrive while the first is still being written down.
    if (this.#inHand.has(messageId)) return;
    this.#inHand.add(messageId);
    await this.#answer(question).finally(() => this.#inHand.delete(messageId));
  }

  async #answer(question: Question): Promise<void> {
    const { store, people, places, handlers, replyTo, log, now } = this.#context;
    const { messageId, channel, thread, user, text } = question;
    // The same message may come as a mention and as a channel message, which are two events.
    const key = `${channel}:${thread}`;
    if (this.#tooMany(key, messageId) || this.#tooMany(user, messageId) || (await people.isBot(user))) {
      log.warn({ channel, thread, user }, "too many questions within a minute, or a bot's; staying silent");
      return;
    }
    const [seen] = await Promise.all([
      store.takeIn("slack-message", messageId, null, now()),
      store.saveRef(threadKey(channel, thread), "slack", { channel, message: thread }),
    ]);
    if (seen === "settled") return;
    const reply = replyTo(question);
    this.#running.set(key, (this.#running.get(key) ?? new Set()).add(reply));
    this.#session(channel, thread, "processing", user);
    try {
      const [asker, audience] = await Promise.all([people.named(user), places.audience(channel)]);
      const at = { surface: "slack", channel, thread };
      await handlers.ask({ messageId, at, user: asker, text: redact(text), audience }, reply);
      if (!reply.said) await reply.sorry("I was interrupted while answering. Please ask again.");
    } catch (error) {
      log.error({ err: error, messageId }, "a question was not answered");
      await reply.sorry("I could not answer that; the reason was logged. `/vigil status` works in any case.");
    } finally {
      await store.settle("slack-message", messageId);
      const running = this.#running.get(key);
      running?.delete(reply);
      if (running?.size === 0) this.#running.delete(key);
      if (!this.#running.has(key)) this.#session(channel, thread, "closed", user);
    }
  }

  /** Slack's own Stop button: Slack ends the stream, we end the work. */
  async stop(channel: string, thread: string): Promise<void> {
    const replies = [...(this.#running.get(`${channel}:${thread}`) ?? [])];
    // First the replies, so that what the cancelled work still says comes too late.
    const told = replies.map((reply) => reply.stop());
    await this.#context.handlers.cancel({ surface: "slack", channel, thread });
    await Promise.all(told);
    this.#session(channel, thread, "closed", null);
  }

  #drop(user: string, team: string): Promise<void> {
    this.#context.log.warn({ user, team }, "a question of another organisation was dropped");
    return this.#context.handlers.refused({
      kind: "foreign_workspace",
      actor: `slack:${user}`,
      subject: team,
      reason: "the sender belongs to a workspace that is not allowed",
    });
  }

  /** Shows the state of the work where Slack has agent sessions; where it has none, nothing is lost. */
  #session(channel: string, thread: string, status: "processing" | "closed", user: string | null): void {
    this.#context.client.agents.sessions
      .setStatus({ channel_id: channel, thread_ts: thread, status, ...(user ? { initiator_user_id: user } : {}) })
      .catch((error) => this.#context.log.debug({ err: error }, "no agent session here"));
  }

  /** The same message told by two events counts once. */
  #tooMany(key: string, messageId: string): boolean {
    const now = this.#context.now();
    for (const [other, messages] of this.#recent) {
      for (const [id, at] of messages) if (at <= now - MINUTE) messages.delete(id);
      if (messages.size === 0) this.#recent.delete(other);
    }
    const recent = this.#recent.get(key) ?? new Map<string, number>();
    this.#recent.set(key, recent.set(messageId, now));
    return recent.size > MOST_QUESTIONS;
  }
}
