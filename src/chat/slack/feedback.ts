import type { App, BlockAction, ButtonAction } from "@slack/bolt";
import type { Verdict } from "../../domain/feedback.ts";
import { clip } from "../text.ts";
import { ACTIONS } from "./blocks.ts";
import { ACK_WITHIN, type ListenerContext, threadOf, whisper, within } from "./context.ts";
import { feedbackModal, VIEWS } from "./views.ts";

const FAILED = { accepted: false, text: "I could not record that. Try again in a moment." };

/** Verdicts by button, and the form for the real cause. */
export function listenToFeedback(app: App, context: ListenerContext): void {
  const { client, people, places, handlers, log } = context;
  const record = (feedback: Parameters<typeof handlers.feedback>[0]) =>
    handlers.feedback(feedback).catch((error) => {
      log.error({ err: error }, "a verdict was not recorded");
      return FAILED;
    });
  app.action(new RegExp(`^${ACTIONS.feedback}(_partly|_noise)?$`), async ({ action, body, ack }) => {
    const press = body as BlockAction;
    const [investigationId = "", verdict = ""] = String((action as { value?: string }).value ?? "").split(".");
    if (!isVerdict(verdict)) return ack();
    const channel = press.channel?.id ?? "";
    const [user, audience] = await Promise.all([people.named(press.user.id), places.audience(channel)]);
    const recording = record({ investigationId, user, verdict, via: "button", audience });
    await within(ACK_WITHIN, recording);
    await ack();
    await whisper(context, channel, press.user.id, (await recording).text, threadOf(press));
  });
  app.action<BlockAction<ButtonAction>>(ACTIONS.feedbackForm, async ({ action, body, ack }) => {
    await ack();
    const metadata = `${action.value ?? ""}.${body.channel?.id ?? ""}`;
    await client.views.open({ trigger_id: body.trigger_id, view: feedbackModal(metadata) });
  });
  app.view(VIEWS.feedback, async ({ view, body, ack }) => {
    const values = view.state.values;
    const verdict = values.verdict?.choice?.selected_option?.value ?? "";
    const helped = values.helped?.choice?.selected_option?.value;
    if (!isVerdict(verdict)) return ack({ response_action: "errors", errors: { verdict: "Please choose one." } });
    const [investigationId = "", channel = ""] = view.private_metadata.split(".");
    const [user, audience] = await Promise.all([people.named(body.user.id), places.audience(channel)]);
    const reply = await within(
      ACK_WITHIN,
      record({
        investigationId,
        user,
        verdict,
        realCause: values.cause?.text?.value ?? null,
        missed: values.missed?.text?.value ?? null,
        actionEffective: helped === undefined ? null : helped === "yes",
        via: "form",
        audience,
      }),
    );
    if (reply === null || reply.accepted) await ack();
    else await ack({ response_action: "errors", errors: { verdict: clip(reply.text, 150) } });
  });
}

const isVerdict = (text: string): text is Verdict => ["correct", "partly", "incorrect", "noise"].includes(text);
