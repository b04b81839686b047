import type { App, BlockAction, ButtonAction, SlackViewMiddlewareArgs } from "@slack/bolt";
import type { ModalView } from "@slack/types";
import type { DecisionReply, IncomingDecision } from "../../flows/ports.ts";
import { clip } from "../text.ts";
import { ACTIONS, readValue } from "./blocks.ts";
import { ACK_WITHIN, type ListenerContext, threadOf, whisper, within } from "./context.ts";
import { LIMITS } from "./limits.ts";
import { approveModal, denyModal, detailsModal, VIEWS } from "./views.ts";

const NOT_MINE = "This button is not one of mine; nothing was done.";
const NOT_RECORDED = "I could not record that, so nothing was done. Try again in a moment.";

const NOT_LIVE = "It is too late for that: nothing waits here any more.";

/** Approve and Deny with their reasons, Propose it anew, and Details on a proposal's card. */
export function listenToDecisions(app: App, context: ListenerContext): void {
  const { client, store, handlers, people, teams, log } = context;
  for (const [name, verdict] of [
    [ACTIONS.approve, "approve"],
    [ACTIONS.again, "again"],
  ] as const) {
    app.action<BlockAction<ButtonAction>>(name, async ({ action, body, ack }) => {
      const channel = body.channel?.id ?? "";
      const message = { channel, id: body.message?.ts ?? "" };
      // Stored before it is acknowledged.
      const deciding = decide(action.value ?? "", verdict, null, body.user.id, message);
      await within(ACK_WITHIN, deciding);
      await ack();
      await whisper(context, channel, body.user.id, (await deciding).text, threadOf(body));
    });
  }
  app.action<BlockAction<ButtonAction>>(ACTIONS.deny, async ({ action, body, ack }) => {
    await ack();
    await open(body, denyModal(originOf(action, body)));
  });
  app.action<BlockAction<ButtonAction>>(ACTIONS.approveWithReason, async ({ action, body, ack }) => {
    await ack();
    const value = readValue(action.value ?? "");
    const card = value && (await store.card(`proposal:${value.proposalId}`, "slack"));
    const button = card?.buttons.find((one) => one.type === "approve" && one.rev === value?.rev);
    if (button?.type === "approve") await open(body, approveModal(button, originOf(action, body)));
    else await whisper(context, body.channel?.id ?? "", body.user.id, value ? NOT_LIVE : NOT_MINE, threadOf(body));
  });
  app.view(VIEWS.approve, (submitted) => submit("approve", submitted));
  app.view(VIEWS.deny, (submitted) => submit("deny", submitted));
  app.action<BlockAction<ButtonAction>>(ACTIONS.details, async ({ action, body, ack }) => {
    await ack();
    const card = await store.card(`proposal:${action.value ?? ""}`, "slack");
    if (card) await open(body, detailsModal(card));
  });

  /** A form came back. What it cannot be taken for stands in the form, with what was typed. */
  async function submit(verdict: "approve" | "deny", { view, body, ack }: SlackViewMiddlewareArgs): Promise<void> {
    const given = readMetadata(view.private_metadata);
    const reason = view.state.values.reason?.text?.value ?? null;
    const deciding = given
      ? decide(given.value, verdict, reason, body.user.id, { channel: given.channel, id: given.ts })
      : Promise.resolve({ accepted: false, text: NOT_MINE });
    const reply = await within(ACK_WITHIN, deciding);
    // Still being recorded: the card will show it.
    if (reply === null || reply.accepted) await ack();
    else await ack({ response_action: "errors", errors: { reason: clip(reply.text, LIMITS.formError) } });
    // A form closes without a word; who approved is told what is still missing, and what came too late for the form.
    const { accepted, text } = await deciding;
    if (given && (accepted ? verdict === "approve" : reply === null))
      await whisper(context, given.channel, body.user.id, text, given.thread);
  }

  async function open(body: BlockAction<ButtonAction>, view: ModalView): Promise<void> {
    try {
      await client.views.open({ trigger_id: body.trigger_id, view });
    } catch (error) {
      log.warn({ err: error }, "a form could not be opened");
      await whisper(context, body.channel?.id ?? "", body.user.id, "Slack did not let me open the form; press the button again.");
    }
  }

  async function decide(
    given: string,
    verdict: IncomingDecision["verdict"],
    reason: string | null,
    userId: string,
    message: { readonly channel: string; readonly id: string },
  ): Promise<DecisionReply> {
    const value = readValue(given);
    const refuse = async (text: string): Promise<DecisionReply> => {
      await handlers.refused({
        kind: "refused",
        actor: `slack:${userId}`,
        subject: value?.proposalId ?? "unknown",
        reason: text,
      });
      return { accepted: false, text };
    };
    try {
      if (!value) return await refuse(NOT_MINE);
      const person = await people.member(userId, teams);
      if (!person.ok) return await refuse(person.refusal);
      return await handlers.decide({ ...value, verdict, reason, user: person.user, message, via: "button" });
    } catch (error) {
      log.error({ err: error }, "a decision failed");
      return { accepted: false, text: NOT_RECORDED };
    }
  }
}

/** What a form remembers of the button that opened it. */
interface Origin {
  readonly value: string;
  readonly channel: string;
  readonly ts: string;
  readonly thread?: string;
}

const originOf = (action: ButtonAction, body: BlockAction): string =>
  JSON.stringify({
    value: action.value,
    channel: body.channel?.id ?? "",
    ts: body.message?.ts ?? "",
    thread: threadOf(body),
  });

function readMetadata(text: string): Origin | null {
  try {
    const { value, channel, ts, thread } = JSON.parse(text) as Record<string, unknown>;
    if (typeof value !== "string" || typeof channel !== "string" || typeof ts !== "string") return null;
    return { value, channel, ts, ...(typeof thread === "string" ? { thread } : {}) };
  } catch {
    return null;
  }
}
