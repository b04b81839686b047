import type { ChatUser } from "../../flows/ports.ts";
import { stopIn } from "../../flows/stop-word.ts";
import { Lines } from "../lines.ts";
import { lineOf } from "../reactions.ts";
import type { MessageRef } from "../store.ts";
import { baseOf, cardRef, type IncomingActivity, kindOf, spokenText, threadOf } from "./activity.ts";
import { DO } from "./adaptive.ts";
import { type Place, placeOf } from "./connector.ts";
import type { ListenerContext } from "./context.ts";
import { type ActionData, actionData } from "./forms.ts";
import type { Invokes } from "./invokes.ts";
import { textMessage } from "./messages.ts";
import { isBot } from "./people.ts";

/** Questions of one conversation within a minute; more looks like two bots talking. */
const MOST_QUESTIONS = 12;

/** Messages, reactions and installations: Teams has its answer already when they are heard. */
export class Listeners {
  readonly #context: ListenerContext;
  readonly #invokes: Invokes;
  readonly #recent = new Map<string, number[]>();
  /** Of reactions. */
  readonly #lines = new Lines();
  readonly #running = new Set<string>();

  constructor(context: ListenerContext, invokes: Invokes) {
    this.#context = context;
    this.#invokes = invokes;
  }

  async hear(activity: IncomingActivity): Promise<void> {
    if (activity.from && isBot(activity.from)) return;
    switch (activity.type) {
      case "message":
        return this.#message(activity);
      case "messageReaction":
        return this.#reaction(activity);
      case "conversationUpdate":
        return this.#added(activity);
    }
  }

  async #message(activity: IncomingActivity): Promise<void> {
    const data = actionData.safeParse(activity.value);
    if (data.success) return this.#oldClient(activity, data.data);
    const { store, handlers, people, log, now, replyTo } = this.#context;
    const place = placeOf(activity);
    const messageId = `${baseOf(activity.conversation.id)}:${activity.id ?? ""}`;
    const seen = await store.takeIn("teams-message", messageId, null, now());
    if (seen === "settled" || (seen === "open" && this.#running.has(messageId))) return;
    if (this.#tooMany(place.conversation)) {
      log.warn({ conversation: place.conversation }, "too many questions in one conversation within a minute; staying silent");
      return store.settle("teams-message", messageId);
    }
    this.#running.add(messageId);
    const at = { surface: "teams", channel: place.conversation, thread: threadOf(place.conversation) };
    const user = people.sender(activity);
    const text = spokenText(activity);
    const reply = replyTo({ ...place, messageId, personal: kindOf(activity) === "personal" }, () => void handlers.cancel(at));
    try {
      const command = commandIn(text);
      if (command === null) {
        await handlers.ask({ messageId, at, user, text, audience: this.#context.audienceOf(place.conversation) }, reply);
        if (!reply.said) await reply.sorry("I was interrupted while answering. Please ask again.");
      } else {
        await reply.sorry(await handlers.command(command, user, at));
      }
    } catch (error) {
      log.error({ err: error, messageId }, "a question was not answered");
      await reply.sorry("I could not answer that; the reason was logged. `status` works in any case.");
    } finally {
      this.#running.delete(messageId);
      await store.settle("teams-message", messageId);
    }
  }

  async #reaction(activity: IncomingActivity): Promise<void> {
    const ref = cardRef(activity);
    const user = this.#context.people.sender(activity);
    if (ref) await this.#lines.run(lineOf({ ...ref, user: user.id }), () => this.#vote(activity, ref, user));
  }

  async #vote(activity: IncomingActivity, ref: MessageRef, user: ChatUser): Promise<void> {
    const { store, handlers, reactions, now } = this.#context;
    const subject = await store.subjectOf("teams", ref);
    // On a proposal a reaction is nothing: it has no confirmation and can be taken back.
    if (!subject?.startsWith("investigation:")) return;
    const investigationId = subject.slice("investigation:".length);
    let standing: string[] | null = null;
    for (const [list, present] of [
      [activity.reactionsRemoved, false],
      [activity.reactionsAdded, true],
    ] as const) {
      for (const { type } of list ?? []) {
        if (!(type in reactions)) continue;
        standing = await store.react("teams", { ...ref, user: user.id, emoji: type }, present, now());
      }
    }
    if (standing === null) return;
    const newest = standing.at(-1);
    await handlers.feedback({
      investigationId,
      user,
      verdict: newest ? (reactions[newest] ?? null) : null,
      via: "reaction",
      audience: this.#context.audienceOf(ref.channel),
    });
  }

  /** Added to a one-to-one chat: says what can be asked. In channels Vigil is quiet until spoken to. */
  async #added(activity: IncomingActivity): Promise<void> {
    const own = activity.recipient?.id;
    const welcome = kindOf(activity) === "personal" && (activity.membersAdded ?? []).some(({ id }) => id === own);
    if (!welcome) return;
    const place = placeOf(activity);
    const at = { surface: "teams", channel: place.conversation, thread: null };
    await this.#say(place, await this.#context.handlers.command("help", this.#context.people.sender(activity), at));
  }

  /** Clients without Action.Execute send a button's data as a message; the answer is a message, too. */
  async #oldClient(activity: IncomingActivity, data: ActionData): Promise<void> {
    const place = placeOf(activity);
    if (data.vigil === DO.view) {
      await this.#say(place, "This Teams client cannot show buttons to approvers alone. Open Teams in a browser, or update it.");
      return;
    }
    const ref = cardRef(activity);
    const { text } = await this.#invokes.act(activity, data, ref);
    await this.#say(place, text);
  }

  async #say(place: Place, markdown: string): Promise<void> {
    const { connector, pace } = this.#context;
    await pace.patiently(() => pace.run(place.conversation, () => connector.send(place, textMessage(markdown))));
  }

  #tooMany(conversation: string): boolean {
    const since = this.#context.now() - 60_000;
    const recent = (this.#recent.get(conversation) ?? []).filter((at) => at > since);
    recent.push(this.#context.now());
    this.#recent.set(conversation, recent);
    return recent.length > MOST_QUESTIONS;
  }
}

/** Teams has no slash commands: a message that is nothing but a command is one. */
export function commandIn(text: string): string | null {
  const said = text.trim().replace(/^\/?vigil\s+/i, "");
  if (/^(status|resume|report|help)[.!?]?$/i.test(said)) return said.replace(/[.!?]$/, "");
  const why = stopIn(said);
  if (why !== null) return `stop ${why}`.trim();
  if (/^\/?vigil\s+stop\s/i.test(text.trim()) || /^investigate\s+\S+$/i.test(said)) return said;
  return /^\/vigil$/i.test(text.trim()) ? "help" : null;
}
