import type { App, BlockAction, ButtonAction } from "@slack/bolt";
import type { WebClient } from "@slack/web-api";
import type { Verdict } from "../../domain/feedback.ts";
import type { Log } from "../../flows/log.ts";
import type { ChatHandlers, ChatUser, DecisionReply } from "../../flows/ports.ts";
import type { ChatStore } from "../store.ts";
import { clip } from "../text.ts";
import { ACTIONS, readValue } from "./blocks.ts";
import { LIMITS } from "./limits.ts";
import { escapeSlack, mrkdwn, readable } from "./mrkdwn.ts";
import type { People } from "./people.ts";
import type { SlackReply } from "./reply.ts";
import { denyModal, detailsModal, feedbackModal, homeView, VIEWS } from "./views.ts";

export interface ListenerContext {
  readonly client: WebClient;
  readonly store: ChatStore;
  readonly handlers: ChatHandlers;
  readonly people: People;
  readonly teams: ReadonlySet<string>;
  readonly botUserId: string;
  readonly emoji: { readonly verdicts: Readonly<Record<string, Verdict>>; readonly approve: string; readonly deny: string };
  readonly replyTo: (place: { messageId: string; channel: string; thread: string; user: string; team: string }) => SlackReply;
  readonly now: () => number;
  readonly log: Log;
}

/** Slack wants every interaction acknowledged within 3 s; a decision that takes longer goes on after the acknowledgement. */
const ACK_WITHIN = 2_500;
/** Questions of one thread within a minute; more looks like two bots talking. */
const MOST_QUESTIONS = 12;

interface MessageEvent {
  readonly type: string;
  readonly subtype?: string;
  readonly bot_id?: string;
  readonly user?: string;
  readonly text?: string;
  readonly ts: string;
  readonly thread_ts?: string;
  readonly channel: string;
  readonly channel_type?: string;
}

/** Connects what people do in Slack with the handlers. */
export function listen(app: App, context: ListenerContext): void {
  const questions = new Questions(context);
  app.use(async ({ body, next }) => {
    const team = teamOf(body as Record<string, unknown>);
    if (team !== null && !context.teams.has(team)) {
      context.log.warn({ team }, "something from a workspace that is not allowed was dropped");
      return;
    }
    await next();
  });
  app.event("app_mention", ({ event, body }) => questions.ask(event as MessageEvent, body.team_id));
  app.event("message", async ({ event, body }) => {
    const message = event as MessageEvent;
    if (message.channel_type === "im" || (await questions.isFollowUp(message))) await questions.ask(message, body.team_id);
  });
  app.event("agent_session_stopped", ({ event }) => questions.stop(event.channel, event.thread_ts));
  app.event("reaction_added", ({ event }) => reacted(context, event, true));
  app.event("reaction_removed", ({ event }) => reacted(context, event, false));
  app.event("app_home_opened", async ({ event }) => {
    if (event.tab === "home") await publishHome(context, event.user);
  });
  app.shortcut("vigil_investigate", async ({ shortcut, ack }) => {
    await ack();
    if (shortcut.type !== "message_action") return;
    const { channel, message, user, team } = shortcut;
    const text = readable(message.text ?? "").slice(0, 2_000);
    await questions.start({
      messageId: `shortcut:${channel.id}:${message.ts}:${user.id}`,
      channel: channel.id,
      thread: message.thread_ts ?? message.ts,
      user: user.id,
      team: team?.id ?? user.team_id ?? "",
      text: `Investigate this: ${text}`,
    });
  });
  app.command("/vigil", async ({ command, ack }) => {
    const user = await context.people.named(command.user_id);
    const at = { surface: "slack", channel: command.channel_id, thread: null };
    const answer = await within(ACK_WITHIN, context.handlers.command(command.text, user, at));
    const loud = /^\s*(stop|resume|investigate)\b/i.test(command.text);
    await ack({
      response_type: loud ? "in_channel" : "ephemeral",
      text: mrkdwn(answer ?? "That takes longer than Slack waits; look in the App Home in a moment.").slice(0, LIMITS.text),
    });
  });
  decisions(app, context);
  feedback(app, context);
  home(app, context);
  app.error(async (error) => context.log.error({ err: error }, "a Slack listener failed"));
}

/** Questions by mention, direct message, follow-up or shortcut; each message is answered once, however often it is delivered. */
class Questions {
  readonly #context: ListenerContext;
  readonly #running = new Map<string, SlackReply>();
  readonly #recent = new Map<string, number[]>();

  constructor(context: ListenerContext) {
    this.#context = context;
  }

  /** In a thread that began with a question to us, people need not mention us again; talk to somebody else is theirs. */
  async isFollowUp({ thread_ts: thread, channel, text = "" }: MessageEvent): Promise<boolean> {
    if (!thread || text.includes(`<@${this.#context.botUserId}>`) || /<@[A-Z0-9]+/.test(text)) return false;
    return (await this.#context.store.ref(threadKey(channel, thread), "slack")) !== null;
  }

  async ask(message: MessageEvent, team: string): Promise<void> {
    const { subtype, bot_id: bot, user, text = "", ts, thread_ts: thread, channel } = message;
    if (subtype !== undefined || bot !== undefined || !user || user === this.#context.botUserId) return;
    await this.start({ messageId: `${channel}:${ts}`, channel, thread: thread ?? ts, user, team, text: readable(text) });
  }

  async start(question: {
    messageId: string;
    channel: string;
    thread: string;
    user: string;
    team: string;
    text: string;
  }): Promise<void> {
    const { store, people, handlers, replyTo, log, now } = this.#context;
    const { messageId, channel, thread, user, team, text } = question;
    // The same message may come as a mention and as a channel message, which are two events.
    const key = `${channel}:${thread}`;
    const seen = await store.takeIn("slack-message", messageId, null, now());
    if (seen === "settled" || (seen === "open" && this.#running.has(key))) return;
    if (this.#tooMany(key)) {
      log.warn({ channel, thread }, "too many questions in one thread within a minute; staying silent");
      return;
    }
    await store.saveRef(threadKey(channel, thread), "slack", { channel, message: thread });
    const reply = replyTo({ messageId, channel, thread, user, team });
    this.#running.set(key, reply);
    this.#session(channel, thread, "processing", user);
    try {
      const asker = await people.named(user);
      await handlers.ask({ messageId, at: { surface: "slack", channel, thread }, user: asker, text }, reply);
      if (!reply.said) await reply.sorry("I was interrupted while answering. Please ask again.");
    } catch (error) {
      log.error({ err: error, messageId }, "a question was not answered");
      await reply.sorry("I could not answer that; the reason was logged. `/vigil status` works in any case.");
    } finally {
      await store.settle("slack-message", messageId);
      if (this.#running.get(key) === reply) this.#running.delete(key);
      this.#session(channel, thread, "closed", user);
    }
  }

  /** Slack's own Stop button: Slack ends the stream, we end the work. */
  async stop(channel: string, thread: string): Promise<void> {
    const reply = this.#running.get(`${channel}:${thread}`);
    await this.#context.handlers.cancel({ surface: "slack", channel, thread });
    await reply?.stop();
    this.#session(channel, thread, "closed", null);
  }

  /** Shows the state of the work where Slack has agent sessions; where it has none, nothing is lost. */
  #session(channel: string, thread: string, status: "processing" | "closed", user: string | null): void {
    this.#context.client.agents.sessions
      .setStatus({ channel_id: channel, thread_ts: thread, status, ...(user ? { initiator_user_id: user } : {}) })
      .catch((error) => this.#context.log.debug({ err: error }, "no agent session here"));
  }

  #tooMany(thread: string): boolean {
    const since = this.#context.now() - 60_000;
    const recent = (this.#recent.get(thread) ?? []).filter((at) => at > since);
    recent.push(this.#context.now());
    this.#recent.set(thread, recent);
    return recent.length > MOST_QUESTIONS;
  }
}

const threadKey = (channel: string, thread: string): string => `conversation:${channel}:${thread}`;

function decisions(app: App, context: ListenerContext): void {
  const { client, store, people, handlers, teams, log } = context;
  app.action<BlockAction<ButtonAction>>(ACTIONS.approve, async ({ action, body, ack }) => {
    const value = readValue(action.value ?? "");
    const channel = body.channel?.id ?? "";
    const decided = async (): Promise<DecisionReply> => {
      if (!value) return { accepted: false, text: "This button is not one of mine; nothing was done." };
      const person = await people.member(body.user.id, teams);
      if (!person.ok) return { accepted: false, text: person.refusal };
      const message = { channel, id: body.message?.ts ?? "" };
      return handlers.decide({ ...value, verdict: "approve", reason: null, user: person.user, message, via: "button" });
    };
    // Stored before it is acknowledged.
    const deciding = decided().catch((error): DecisionReply => {
      log.error({ err: error }, "a decision failed");
      return { accepted: false, text: "I could not record that, so nothing was done. Try again in a moment." };
    });
    await within(ACK_WITHIN, deciding);
    await ack();
    await whisper(context, channel, body.user.id, (await deciding).text, body.message?.thread_ts);
  });
  app.action<BlockAction<ButtonAction>>(ACTIONS.deny, async ({ action, body, ack }) => {
    await ack();
    const metadata = JSON.stringify({
      value: action.value,
      channel: body.channel?.id ?? "",
      ts: body.message?.ts ?? "",
      thread: body.message?.thread_ts ?? null,
    });
    await client.views.open({ trigger_id: body.trigger_id, view: denyModal(metadata) });
  });
  app.view(VIEWS.deny, async ({ view, body, ack }) => {
    const given = JSON.parse(view.private_metadata) as { value: string; channel: string; ts: string; thread: string | null };
    const value = readValue(given.value);
    const person = await people.member(body.user.id, teams);
    const reason = view.state.values.reason?.text?.value ?? null;
    const reply: DecisionReply = !value
      ? { accepted: false, text: "This form is not one of mine; nothing was done." }
      : person.ok
        ? await handlers.decide({
            ...value,
            verdict: "deny",
            reason,
            user: person.user,
            message: { channel: given.channel, id: given.ts },
            via: "button",
          })
        : { accepted: false, text: person.refusal };
    if (reply.accepted) await ack();
    else await ack({ response_action: "errors", errors: { reason: clip(reply.text, 150) } });
  });
  app.action<BlockAction<ButtonAction>>(ACTIONS.details, async ({ action, body, ack }) => {
    await ack();
    const card = await store.card(`proposal:${action.value ?? ""}`, "slack");
    if (card) await client.views.open({ trigger_id: body.trigger_id, view: detailsModal(card) });
  });
}

function feedback(app: App, context: ListenerContext): void {
  const { client, people, handlers } = context;
  app.action(new RegExp(`^${ACTIONS.feedback}(_partly|_noise)?$`), async ({ action, body, ack }) => {
    const press = body as BlockAction;
    const [investigationId = "", verdict = ""] = String((action as { value?: string }).value ?? "").split(".");
    if (!isVerdict(verdict)) return ack();
    const user = await people.named(press.user.id);
    const reply = await within(ACK_WITHIN, handlers.feedback({ investigationId, user, verdict, via: "button" }));
    await ack();
    await whisper(context, press.channel?.id ?? "", press.user.id, reply?.text ?? "Noted.", threadOf(press));
  });
  app.action<BlockAction<ButtonAction>>(ACTIONS.feedbackForm, async ({ action, body, ack }) => {
    await ack();
    await client.views.open({ trigger_id: body.trigger_id, view: feedbackModal(action.value ?? "") });
  });
  app.view(VIEWS.feedback, async ({ view, body, ack }) => {
    const values = view.state.values;
    const verdict = values.verdict?.choice?.selected_option?.value ?? "";
    const helped = values.helped?.choice?.selected_option?.value;
    if (!isVerdict(verdict)) return ack({ response_action: "errors", errors: { verdict: "Please choose one." } });
    const reply = await handlers.feedback({
      investigationId: view.private_metadata,
      user: await people.named(body.user.id),
      verdict,
      realCause: values.cause?.text?.value ?? null,
      missed: values.missed?.text?.value ?? null,
      actionEffective: helped === undefined ? null : helped === "yes",
      via: "form",
    });
    if (reply.accepted) await ack();
    else await ack({ response_action: "errors", errors: { verdict: clip(reply.text, 150) } });
  });
}

function home(app: App, context: ListenerContext): void {
  const command = async (text: string, id: string) => {
    const user: ChatUser = await context.people.named(id);
    await context.handlers.command(text, user, { surface: "slack", channel: id, thread: null });
  };
  for (const [action, text] of [
    [ACTIONS.stop, "stop from the App Home"],
    [ACTIONS.resume, "resume"],
    [ACTIONS.refresh, null],
  ] as const) {
    app.action(action, async ({ body, ack }) => {
      await ack();
      if (text) await command(text, body.user.id);
      await publishHome(context, body.user.id);
    });
  }
}

async function publishHome({ client, people, handlers }: ListenerContext, id: string): Promise<void> {
  const user = await people.named(id);
  const at = { surface: "slack", channel: id, thread: null };
  const [status, report] = await Promise.all([handlers.command("status", user, at), handlers.command("report", user, at)]);
  await client.views.publish({ user_id: id, view: homeView(status, report) });
}

interface ReactionEvent {
  readonly user: string;
  readonly reaction: string;
  readonly item_user?: string | undefined;
  readonly item: { readonly type: string; readonly channel?: string; readonly ts?: string };
}

/** A reaction on a message of ours: a verdict on an investigation, or a decision on a live proposal. */
async function reacted(context: ListenerContext, event: ReactionEvent, present: boolean): Promise<void> {
  const { store, handlers, people, emoji, botUserId, now } = context;
  const { user, item } = event;
  const name = event.reaction.replace(/::skin-tone-\d$/, "");
  const { channel, ts } = item;
  if (item.type !== "message" || !channel || !ts || user === botUserId || event.item_user !== botUserId) return;
  const subject = await store.subjectOf("slack", { channel, message: ts });
  if (subject?.startsWith("proposal:")) {
    if (present && (name === emoji.approve || name === emoji.deny))
      await decideByEmoji(context, subject, name === emoji.approve ? "approve" : "deny", user, { channel, id: ts });
    return;
  }
  const investigationId = subject?.startsWith("investigation:") ? subject.slice("investigation:".length) : null;
  if (!investigationId || !(name in emoji.verdicts)) return;
  const standing = await store.react("slack", { channel, message: ts, user, emoji: name }, present, now());
  const newest = standing.at(-1);
  const verdict = newest === undefined ? null : (emoji.verdicts[newest] ?? null);
  const reply = await handlers.feedback({ investigationId, user: await people.named(user), verdict, via: "reaction" });
  if (!reply.accepted) await whisper(context, channel, user, reply.text, ts);
}

/** The same decision as the button, with the revision and the secret of the card that is live. */
async function decideByEmoji(
  context: ListenerContext,
  subject: string,
  verdict: "approve" | "deny",
  user: string,
  message: { channel: string; id: string },
): Promise<void> {
  const { store, people, handlers, teams } = context;
  const card = await store.card(subject, "slack");
  const button = card?.buttons.find(({ type }) => type === verdict);
  const person = await people.member(user, teams);
  const reply = !button
    ? { accepted: false, text: "It is too late for that: nothing waits here any more." }
    : person.ok
      ? await handlers.decide({
          proposalId: button.proposalId,
          rev: button.rev,
          nonce: button.nonce,
          verdict,
          reason: null,
          user: person.user,
          message,
          via: "emoji",
        })
      : { accepted: false, text: person.refusal };
  await whisper(context, message.channel, user, reply.text);
}

/** Says something to one person only. It may get lost, so it is never the only record. */
async function whisper(context: ListenerContext, channel: string, user: string, text: string, thread?: string): Promise<void> {
  if (!channel) return;
  await context.client.chat
    .postEphemeral({ channel, user, text: escapeSlack(text).slice(0, LIMITS.text), ...(thread ? { thread_ts: thread } : {}) })
    .catch((error) => context.log.debug({ err: error, channel }, "a hint could not be shown"));
}

const isVerdict = (text: string): text is Verdict => ["correct", "partly", "incorrect", "noise"].includes(text);
const threadOf = (press: BlockAction): string | undefined => press.message?.thread_ts as string | undefined;

function teamOf(body: Record<string, unknown>): string | null {
  const team = body.team as { id?: string } | null | undefined;
  const user = body.user as { team_id?: string } | undefined;
  return String(body.team_id ?? team?.id ?? user?.team_id ?? "") || null;
}

/** The result, or null when it takes longer; the work goes on. */
async function within<T>(limit: number, work: Promise<T>): Promise<T | null> {
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
