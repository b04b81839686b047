import type { App, BlockAction, ButtonAction } from "@slack/bolt";
import type { ModalView } from "@slack/types";
import type { DecisionReply } from "../../flows/ports.ts";
import { clip } from "../text.ts";
import { ACTIONS, readValue } from "./blocks.ts";
import { ACK_WITHIN, type ListenerContext, threadOf, whisper, within } from "./context.ts";
import { denyModal, detailsModal, VIEWS } from "./views.ts";

const NOT_MINE = "This button is not one of mine; nothing was done.";
const NOT_RECORDED = "I could not record that, so nothing was done. Try again in a moment.";

/** Approve, Deny with its reason, and Details on a proposal's card. */
export function listenToDecisions(app: App, context: ListenerContext): void {
  const { client, store, handlers, people, teams, log } = context;
  app.action<BlockAction<ButtonAction>>(ACTIONS.approve, async ({ action, body, ack }) => {
    const channel = body.channel?.id ?? "";
    const message = { channel, id: body.message?.ts ?? "" };
    // Stored before it is acknowledged.
    const deciding = decide(action.value ?? "", "approve", null, body.user.id, message);
    await within(ACK_WITHIN, deciding);
    await ack();
    await whisper(context, channel, body.user.id, (await deciding).text, threadOf(body));
  });
  app.action<BlockAction<ButtonAction>>(ACTIONS.deny, async ({ action, body, ack }) => {
    await ack();
    const channel = body.channel?.id ?? "";
    const metadata = JSON.stringify({ value: action.value, channel, ts: body.message?.ts ?? "" });
    await open(body, denyModal(metadata));
  });
  app.view(VIEWS.deny, async ({ view, body, ack }) => {
    const given = readMetadata(view.private_metadata);
    const reason = view.state.values.reason?.text?.value ?? null;
    const reply = given
      ? await within(ACK_WITHIN, decide(given.value, "deny", reason, body.user.id, { channel: given.channel, id: given.ts }))
      : { accepted: false, text: NOT_MINE };
    // Still being recorded: the card will show it.
    if (reply === null || reply.accepted) await ack();
    else await ack({ response_action: "errors", errors: { reason: clip(reply.text, 150) } });
  });
  app.action<BlockAction<ButtonAction>>(ACTIONS.details, async ({ action, body, ack }) => {
    await ack();
    const card = await store.card(`proposal:${action.value ?? ""}`, "slack");
    if (card) await open(body, detailsModal(card));
  });

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
    verdict: "approve" | "deny",
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

function readMetadata(text: string): { value: string; channel: string; ts: string } | null {
  try {
    const { value, channel, ts } = JSON.parse(text) as Record<string, unknown>;
    return typeof value === "string" && typeof channel === "string" && typeof ts === "string" ? { value, channel, ts } : null;
  } catch {
    return null;
  }
}
