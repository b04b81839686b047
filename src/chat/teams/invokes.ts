import type { Verdict } from "../../domain/feedback.ts";
import type { DecisionReply } from "../../flows/ports.ts";
import type { Card } from "../card.ts";
import type { MessageRef } from "../store.ts";
import { baseOf, cardRef, type IncomingActivity, type InvokeAnswer, type JsonObject } from "./activity.ts";
import { adaptiveCard, DO, detailsCard, readButtonValue } from "./adaptive.ts";
import { placeOf } from "./connector.ts";
import type { ListenerContext } from "./context.ts";
import { type ActionData, actionData, approveForm, denyForm, feedbackForm, noteForm, taskMessage, taskWith } from "./forms.ts";

/** Teams waits some ten seconds for the answer to an invoke. */
const ANSWER_WITHIN = 7_000;
const NOT_MINE = "This button or form is not one of mine; nothing was done.";

const isVerdict = (text: unknown): text is Verdict =>
  typeof text === "string" && ["correct", "partly", "incorrect", "noise"].includes(text);

/** Buttons, forms and thumbs: Teams waits for what comes back, and shows it to the person who pressed. */
export class Invokes {
  readonly #context: ListenerContext;

  constructor(context: ListenerContext) {
    this.#context = context;
  }

  async answer(activity: IncomingActivity): Promise<InvokeAnswer> {
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

  async #cardAction(activity: IncomingActivity): Promise<InvokeAnswer> {
    const value = activity.value as { action?: { data?: unknown }; trigger?: unknown } | null;
    const parsed = actionData.safeParse(value?.action?.data);
    if (!parsed.success) return said(NOT_MINE);
    const ref = cardRef(activity);
    if (parsed.data.vigil === DO.view) return this.#view(activity, ref, value?.trigger === "automatic");
    const reply = await this.#within(this.act(activity, parsed.data, ref));
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
    const content = adaptiveCard(card, { approver, refreshFor: [], pageUrl: this.#context.pageUrl });
    return { status: 200, body: { statusCode: 200, type: "application/vnd.microsoft.card.adaptive", value: content } };
  }

  /** A decision or a verdict. */
  async act(activity: IncomingActivity, data: ActionData, ref: MessageRef | null): Promise<DecisionReply> {
    const { handlers, people, log } = this.#context;
    try {
      if (data.vigil === DO.approve || data.vigil === DO.deny || data.vigil === DO.again) {
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
        const { vigil: verdict, reason = null } = data;
        return await handlers.decide({ ...value, verdict, reason, user: person.user, message, via: "button" });
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
    if (vigil === DO.approve && ref) {
      const wanted = readButtonValue(value);
      const live = (await this.#liveCard(ref))?.buttons.find(({ type, rev }) => type === "approve" && rev === wanted?.rev);
      if (live?.type !== "approve" || live.proposalId !== wanted?.proposalId)
        return opened("Approve this action", noteForm("It is too late for that: nothing waits here any more."));
      return opened("Approve this action", approveForm(live, { conversation: ref.channel, message: ref.message }));
    }
    if (vigil === DO.feedbackForm) return opened("What was it really?", feedbackForm(value, null));
    const card = vigil === DO.details ? await this.#context.store.card(value, "teams") : null;
    // Details are of the card they were asked from, and no other.
    const own = ref ? await this.#context.store.subjectOf("teams", ref) : null;
    if (card && own === value) return opened(card.id ?? "Details", detailsCard(card, this.#context.pageUrl));
    return opened("Details", noteForm("There is nothing more to show."));
  }

  async #submitForm(activity: IncomingActivity): Promise<InvokeAnswer> {
    const parsed = actionData.safeParse((activity.value as { data?: unknown } | null)?.data);
    if (!parsed.success) return closed(NOT_MINE);
    const { conversation, message } = parsed.data;
    const here = conversation !== undefined && baseOf(conversation) === baseOf(activity.conversation.id);
    const ref = here && message ? { channel: conversation, message } : cardRef(activity);
    const reply = await this.#within(this.act(activity, parsed.data, ref));
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
    if (typed.success) await this.act(activity, typed.data, null);
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

  async #liveCard(ref: MessageRef): Promise<Card | null> {
    const subject = await this.#context.store.subjectOf("teams", ref);
    return subject ? this.#context.store.card(subject, "teams") : null;
  }

  async #investigationOf(activity: IncomingActivity): Promise<string | null> {
    const ref = cardRef(activity);
    const subject = ref ? await this.#context.store.subjectOf("teams", ref) : null;
    return subject?.startsWith("investigation:") ? subject.slice("investigation:".length) : null;
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
