import type { Verdict } from "../../domain/feedback.ts";
import type { Log } from "../../flows/log.ts";
import type { Audience, ChatHandlers, DecisionReply } from "../../flows/ports.ts";
import type { Card } from "../card.ts";
import type { ChatStore, MessageRef } from "../store.ts";
import { baseOf, type IncomingActivity, type InvokeAnswer, type JsonObject, kindOf, spokenText, threadOf } from "./activity.ts";
import { adaptiveCard, DO, detailsCard, readButtonValue } from "./adaptive.ts";
import type { Connector, Place } from "./connector.ts";
import { type ActionData, actionData, denyForm, feedbackForm, noteForm, taskMessage, taskWith } from "./forms.ts";
import { textMessage } from "./messages.ts";
import type { Pace } from "./pace.ts";
import { isBot, type People } from "./people.ts";
import type { ReplyPlace, TeamsReply } from "./reply.ts";

export interface ListenerContext {
  readonly connector: Connector;
  readonly pace: Pace;
  readonly store: ChatStore;
  readonly handlers: ChatHandlers;
  readonly people: People;
  /** Who may know what is said in a conversation. */
  readonly audienceOf: (conversation: string) => Audience;
  /** Whether a person is shown the buttons; whether they may decide is asked again when they do. */
  readonly mayApprove: (aadObjectId: string, proposalId: string) => Promise<boolean>;
  readonly reactions: Readonly<Record<string, Verdict>>;
  readonly replyTo: (place: ReplyPlace, onStopped: () => void) => TeamsReply;
  readonly now: () => number;
  readonly log: Log;
}

/** Questions of one conversation within a minute; more looks like two bots talking. */
const MOST_QUESTIONS = 12;
/** Teams waits some ten seconds for the answer to an invoke. */
const ANSWER_WITHIN = 7_000;

const NOT_MINE = "This button or form is not one of mine; nothing was done.";

const isVerdict = (text: unknown): text is Verdict =>
  typeof text === "string" && ["correct", "partly", "incorrect", "noise"].includes(text);

/** What people do in Teams, turned into calls of the handlers. */
export class Listeners {
  readonly #context: ListenerContext;
  readonly #recent = new Map<string, number[]>();
  readonly #running = new Set<string>();

  constructor(context: ListenerContext) {
    this.#context = context;
  }

  /** Messages, reactions and installations: Teams has its answer already. */
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

  /** A button, a form or a thumb: Teams waits for what comes back. */
  async invoke(activity: IncomingActivity): Promise<InvokeAnswer> {
    switch (activity.name) {
      case "adaptiveCard/action":
        return this.#cardAction(activity);
      case "task/fetch":
        return this.#openForm(activity);
      case "task/submit":
        return this.#submitForm(activity);
      case "message/fetchTask":
        return this.#openThumb(activity);
      case "message/submitAction":
        return this.#submitThumb(activity);
      default:
        return { status: 501 };
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
        if (/^stop$/i.test(command)) await handlers.cancel(at);
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
    const { store, handlers, people, reactions, now } = this.#context;
    const ref = cardRef(activity);
    const subject = ref ? await this.#subjectOf(ref) : null;
    // On a proposal a reaction is nothing: it has no confirmation and can be taken back.
    if (!ref || !subject?.startsWith("investigation:")) return;
    const investigationId = subject.slice("investigation:".length);
    const user = people.sender(activity);
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
    const { text } = await this.#act(activity, data, ref);
    await this.#say(place, text);
  }

  async #cardAction(activity: IncomingActivity): Promise<InvokeAnswer> {
    const value = activity.value as { action?: { data?: unknown }; trigger?: unknown } | null;
    const parsed = actionData.safeParse(value?.action?.data);
    if (!parsed.success) return said(NOT_MINE);
    const ref = cardRef(activity);
    if (parsed.data.vigil === DO.view) return this.#view(activity, ref, value?.trigger === "automatic");
    const reply = await this.#within(this.#act(activity, parsed.data, ref));
    return said(reply?.text ?? "Recorded; it takes a moment to show.");
  }

  /** The card as this person may see it. */
  async #view(activity: IncomingActivity, ref: MessageRef | null, automatic: boolean): Promise<InvokeAnswer> {
    const card = ref ? await this.#liveCard(ref) : null;
    if (!card)
      return automatic ? { status: 200, body: { statusCode: 200 } } : said("This card is not a live one; nothing was done.");
    const id = activity.from?.aadObjectId;
    const [first] = card.buttons;
    const approver = first && id ? await this.#context.mayApprove(id, first.proposalId).catch(() => false) : false;
    if (!approver && !automatic && first) return said("You are not among the approvers; the buttons are theirs.");
    const content = adaptiveCard(card, { approver, refreshFor: [] });
    return { status: 200, body: { statusCode: 200, type: "application/vnd.microsoft.card.adaptive", value: content } };
  }

  /** A decision or a verdict. */
  async #act(activity: IncomingActivity, data: ActionData, ref: MessageRef | null): Promise<DecisionReply> {
    const { handlers, people, log } = this.#context;
    try {
      if (data.vigil === DO.approve || data.vigil === DO.deny) {
        const value = readButtonValue(data.value);
        const refuse = async (text: string): Promise<DecisionReply> => {
          const actor = `teams:${people.sender(activity).id}`;
          await handlers.refused({ kind: "refused", actor, subject: value?.proposalId ?? "unknown", reason: text });
          return { accepted: false, text };
        };
        if (!value || !ref) return await refuse(NOT_MINE);
        const person = await people.member(activity, placeOf(activity));
        if (!person.ok) return await refuse(person.refusal);
        const message = { channel: ref.channel, id: ref.message };
        const reason = data.vigil === DO.deny ? (data.reason ?? null) : null;
        return await handlers.decide({ ...value, verdict: data.vigil, reason, user: person.user, message, via: "button" });
      }
      if (data.vigil === DO.feedback) {
        const [investigationId = "", verdict] = data.value.split(".");
        if (!isVerdict(verdict)) return { accepted: false, text: NOT_MINE };
        return await handlers.feedback({
          investigationId,
          user: people.sender(activity),
          verdict,
          via: "button",
          audience: this.#context.audienceOf(activity.conversation.id),
        });
      }
      if (data.vigil === DO.feedbackForm) return await this.#formFeedback(activity, data.value, data);
    } catch (error) {
      log.error({ err: error }, "an action from Teams failed");
      return { accepted: false, text: "I could not record that, so nothing was done. Try again in a moment." };
    }
    return { accepted: false, text: NOT_MINE };
  }

  #formFeedback(activity: IncomingActivity, investigationId: string, data: ActionData): Promise<DecisionReply> {
    const { handlers, people } = this.#context;
    if (!isVerdict(data.verdict)) return Promise.resolve({ accepted: false, text: "Please choose a verdict." });
    return handlers.feedback({
      investigationId,
      user: people.sender(activity),
      verdict: data.verdict,
      realCause: data.cause ?? null,
      missed: data.missed ?? null,
      actionEffective: data.helped === "yes" ? true : data.helped === "no" ? false : null,
      via: "form",
      audience: this.#context.audienceOf(activity.conversation.id),
    });
  }

  async #openForm(activity: IncomingActivity): Promise<InvokeAnswer> {
    const parsed = actionData.safeParse((activity.value as { data?: unknown } | null)?.data);
    if (!parsed.success) return opened("Vigil", noteForm("This button is not one of mine."));
    const { vigil, value } = parsed.data;
    const ref = cardRef(activity);
    if (vigil === DO.deny && ref) {
      return opened("Deny this action", denyForm(value, { conversation: ref.channel, message: ref.message }));
    }
    if (vigil === DO.feedbackForm) return opened("What was it really?", feedbackForm(value, null));
    const card = vigil === DO.details ? await this.#context.store.card(value, "teams") : null;
    // Details are of the card they were asked from, and no other.
    const own = ref ? await this.#subjectOf(ref) : null;
    if (card && own === value) return opened(card.id ?? "Details", detailsCard(card));
    return opened("Details", noteForm("There is nothing more to show."));
  }

  async #submitForm(activity: IncomingActivity): Promise<InvokeAnswer> {
    const parsed = actionData.safeParse((activity.value as { data?: unknown } | null)?.data);
    if (!parsed.success) return closed(NOT_MINE);
    const { conversation, message } = parsed.data;
    const here = conversation !== undefined && baseOf(conversation) === baseOf(activity.conversation.id);
    const ref = here && message ? { channel: conversation, message } : cardRef(activity);
    const reply = await this.#within(this.#act(activity, parsed.data, ref));
    return closed(reply?.text ?? "Recorded; it takes a moment to show.");
  }

  /** Teams' own thumbs: up and down choose the verdict, the form asks for the rest. */
  async #openThumb(activity: IncomingActivity): Promise<InvokeAnswer> {
    const investigationId = await this.#investigationOf(activity);
    const { reaction } = thumbOf(activity.value);
    if (!investigationId) return opened("Thank you", noteForm("This message takes no verdict."));
    return opened("What was it really?", feedbackForm(investigationId, reaction));
  }

  async #submitThumb(activity: IncomingActivity): Promise<InvokeAnswer> {
    const investigationId = await this.#investigationOf(activity);
    const { reaction, given } = thumbOf(activity.value);
    const typed = actionData.safeParse(given);
    if (typed.success) await this.#act(activity, typed.data, null);
    else if (investigationId && reaction) {
      const missed = (given as { feedbackText?: unknown } | null)?.feedbackText;
      await this.#context.handlers.feedback({
        investigationId,
        user: this.#context.people.sender(activity),
        verdict: reaction,
        missed: typeof missed === "string" ? missed.slice(0, 2_000) : null,
        via: "form",
        audience: this.#context.audienceOf(activity.conversation.id),
      });
    }
    return { status: 200, body: {} };
  }

  async #investigationOf(activity: IncomingActivity): Promise<string | null> {
    const ref = cardRef(activity);
    const subject = ref ? await this.#subjectOf(ref) : null;
    return subject?.startsWith("investigation:") ? subject.slice("investigation:".length) : null;
  }

  #subjectOf(ref: MessageRef): Promise<string | null> {
    return this.#context.store.subjectOf("teams", ref);
  }

  async #liveCard(ref: MessageRef): Promise<Card | null> {
    const subject = await this.#subjectOf(ref);
    return subject ? this.#context.store.card(subject, "teams") : null;
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

  /** The result, or null when Teams would not wait for it; the work goes on. */
  async #within<T>(work: Promise<T>): Promise<T | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((done) => {
      timer = setTimeout(() => done(null), ANSWER_WITHIN);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Teams has no slash commands: a message that is nothing but a command is one. */
export function commandIn(text: string): string | null {
  const said = text.trim().replace(/^\/?vigil\s+/i, "");
  if (/^(status|resume|report|help)[.!?]?$/i.test(said)) return said.replace(/[.!?]$/, "");
  if (/^stop(\s|$)/i.test(said) || /^investigate\s+\S+$/i.test(said)) return said;
  return /^\/vigil$/i.test(text.trim()) ? "help" : null;
}

const placeOf = ({ serviceUrl, conversation }: IncomingActivity): Place => ({
  serviceUrl: serviceUrl ?? "",
  conversation: conversation.id,
});

/** The message that an activity is about. */
function cardRef({ conversation, replyToId }: IncomingActivity): MessageRef | null {
  return replyToId ? { channel: conversation.id, message: replyToId } : null;
}

/** A sentence to the clicker alone. */
const said = (text: string): InvokeAnswer => ({
  status: 200,
  body: { statusCode: 200, type: "application/vnd.microsoft.activity.message", value: text },
});

const opened = (title: string, card: JsonObject): InvokeAnswer => ({ status: 200, body: taskWith(title, card) });
const closed = (text: string): InvokeAnswer => ({ status: 200, body: taskMessage(text) });

/** What a thumb said: its verdict, and what was typed, which comes as JSON in a string or as it is. */
function thumbOf(value: unknown): { readonly reaction: Verdict | null; readonly given: unknown } {
  const { actionName, actionValue } = (value ?? {}) as { actionName?: unknown; actionValue?: unknown };
  if (actionName !== "feedback" || typeof actionValue !== "object" || actionValue === null)
    return { reaction: null, given: null };
  const { reaction, feedback, ...rest } = actionValue as Record<string, unknown>;
  const verdict = reaction === "like" ? "correct" : reaction === "dislike" ? "incorrect" : null;
  if (typeof feedback !== "string") return { reaction: verdict, given: feedback ?? rest };
  try {
    return { reaction: verdict, given: JSON.parse(feedback) };
  } catch {
    return { reaction: verdict, given: { feedbackText: feedback } };
  }
}
