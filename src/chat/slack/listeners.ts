import type { App } from "@slack/bolt";
import { takeReaction } from "../reactions.ts";
import { ACK_WITHIN, type ListenerContext, whisper, within } from "./context.ts";
import { listenToDecisions } from "./decisions.ts";
import { listenToFeedback } from "./feedback.ts";
import { listenToHome } from "./home.ts";
import { LIMITS } from "./limits.ts";
import { clipSlack, mrkdwn, readable } from "./mrkdwn.ts";
import { type MessageEvent, Questions } from "./questions.ts";

/** Connects what people do in Slack with the handlers. */
export function listen(app: App, context: ListenerContext): void {
  const questions = new Questions(context);
  app.use(async ({ body, next }) => {
    const team = teamOf(body as Record<string, unknown>);
    if (team !== null && !context.teams.has(team)) {
      context.log.warn({ team }, "something from a workspace that is not allowed was dropped");
      await context.handlers.refused({
        kind: "foreign_workspace",
        actor: "slack",
        subject: team,
        reason: "the workspace is not among slack.allowedWorkspaces",
      });
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
  app.shortcut("vigil_investigate", async ({ shortcut, ack }) => {
    await ack();
    if (shortcut.type !== "message_action") return;
    const { channel, message, user, team } = shortcut;
    await questions.start({
      messageId: `shortcut:${channel.id}:${message.ts}:${user.id}`,
      channel: channel.id,
      thread: message.thread_ts ?? message.ts,
      asked: message.ts,
      user: user.id,
      team: team?.id ?? user.team_id ?? "",
      text: `Investigate this: ${readable(message.text ?? "").slice(0, 2_000)}`,
    });
  });
  app.command("/vigil", async ({ command, ack }) => {
    const user = await context.people.named(command.user_id);
    const at = { surface: "slack", channel: command.channel_id, thread: null };
    const answering = context.handlers.command(command.text, user, at).catch((error) => {
      context.log.error({ err: error }, "a command failed");
      return "That command failed; the reason was logged. Try it again.";
    });
    const answer = await within(ACK_WITHIN, answering);
    const loud = /^\s*(stop|resume|investigate)\b/i.test(command.text);
    await ack({
      response_type: loud ? "in_channel" : "ephemeral",
      text: clipSlack(mrkdwn(answer ?? "That takes a moment; the answer follows."), LIMITS.text),
    });
    if (answer === null) await whisper(context, command.channel_id, command.user_id, await answering);
  });
  listenToDecisions(app, context);
  listenToFeedback(app, context);
  listenToHome(app, context);
  app.error(async (error) => context.log.error({ err: error }, "a Slack listener failed"));
}

interface ReactionEvent {
  readonly user: string;
  readonly reaction: string;
  readonly item_user?: string | undefined;
  readonly item: { readonly type: string; readonly channel?: string; readonly ts?: string };
}

/** A reaction on a message of ours. A vote that counts is silent; a decision and every refusal get a word to that person alone. */
async function reacted(context: ListenerContext, event: ReactionEvent, present: boolean): Promise<void> {
  const { store, handlers, people, places, emoji, lines, teams, botUserId, now } = context;
  const { user, item } = event;
  const { channel, ts } = item;
  if (item.type !== "message" || !channel || !ts || user === botUserId || event.item_user !== botUserId) return;
  const name = event.reaction.replace(/::skin-tone-\d$/, "");
  const reply = await takeReaction(
    {
      surface: "slack",
      store,
      handlers,
      emoji,
      named: (id) => people.named(id),
      member: (id) => people.member(id, teams),
      audience: (id) => places.audience(id),
      lines,
      now,
    },
    { channel, message: ts, user, emoji: name },
    present,
  );
  const decides = name === emoji.approve || name === emoji.deny;
  if (reply && (decides || !reply.accepted)) await whisper(context, channel, user, reply.text);
}

function teamOf(body: Record<string, unknown>): string | null {
  const team = body.team as { id?: string } | null | undefined;
  const user = body.user as { team_id?: string } | undefined;
  return String(body.team_id ?? team?.id ?? user?.team_id ?? "") || null;
}
