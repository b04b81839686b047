import type { HomeView, ModalView, PlainTextElement } from "@slack/types";
import { type Card, VERDICTS } from "../card.ts";
import { clip } from "../text.ts";
import { ACTIONS, foldBlocks } from "./blocks.ts";
import { LIMITS } from "./limits.ts";
import { mrkdwn, piecesOf } from "./mrkdwn.ts";

const word = (text: string, longest: number): PlainTextElement => ({
  type: "plain_text",
  text: clip(text, longest),
  emoji: false,
});
const section = (text: string) => ({ type: "section" as const, text: { type: "mrkdwn" as const, text, verbatim: true } });

export const VIEWS = { deny: "vigil_deny_form", feedback: "vigil_feedback_form" } as const;

/** Asks for the reason of a denial; what is denied travels in the metadata. */
export function denyModal(metadata: string): ModalView {
  return {
    type: "modal",
    callback_id: VIEWS.deny,
    private_metadata: metadata,
    title: word("Deny this action", LIMITS.modalTitle),
    submit: word("Deny", LIMITS.modalTitle),
    close: word("Cancel", LIMITS.modalTitle),
    blocks: [
      {
        type: "input",
        block_id: "reason",
        optional: true,
        label: word("Why? It helps the next proposal.", 2_000),
        element: { type: "plain_text_input", action_id: "text", multiline: true, max_length: 500 },
      },
    ],
  };
}

export function detailsModal(card: Card): ModalView {
  const blocks = foldBlocks(card.folds);
  return {
    type: "modal",
    title: word(card.id ?? "Details", LIMITS.modalTitle),
    close: word("Close", LIMITS.modalTitle),
    blocks: blocks.length > 0 ? blocks : [section("There is nothing more to show.")],
  };
}

/** Asks for the verdict, the real cause and what was missed. */
export function feedbackModal(investigationId: string): ModalView {
  return {
    type: "modal",
    callback_id: VIEWS.feedback,
    private_metadata: investigationId,
    title: word("What was it really?", LIMITS.modalTitle),
    submit: word("Save", LIMITS.modalTitle),
    close: word("Cancel", LIMITS.modalTitle),
    blocks: [
      {
        type: "input",
        block_id: "verdict",
        label: word("Your verdict", 2_000),
        element: {
          type: "radio_buttons",
          action_id: "choice",
          options: VERDICTS.map(({ verdict, label }) => ({ text: word(label, LIMITS.button), value: verdict })),
        },
      },
      {
        type: "input",
        block_id: "cause",
        optional: true,
        label: word("The real cause", 2_000),
        element: { type: "plain_text_input", action_id: "text", multiline: true, max_length: 2_000 },
      },
      {
        type: "input",
        block_id: "missed",
        optional: true,
        label: word("What was missed", 2_000),
        element: { type: "plain_text_input", action_id: "text", multiline: true, max_length: 2_000 },
      },
      {
        type: "input",
        block_id: "helped",
        optional: true,
        label: word("Did the action help?", 2_000),
        element: {
          type: "radio_buttons",
          action_id: "choice",
          options: [
            { text: word("Yes", LIMITS.button), value: "yes" },
            { text: word("No", LIMITS.button), value: "no" },
          ],
        },
      },
    ],
  };
}

/** The App Home: what runs, what awaits approval, what it was worth, and the kill switch. `status` and `report` are Markdown. */
export function homeView(status: string, report: string): HomeView {
  const text = (markdown: string) => piecesOf(mrkdwn(markdown), LIMITS.section).slice(0, 20).map(section);
  return {
    type: "home",
    blocks: [
      { type: "header", text: word("Vigil", LIMITS.header) },
      ...text(status),
      {
        type: "actions",
        elements: [
          {
            type: "button",
            action_id: ACTIONS.stop,
            style: "danger",
            text: word("Stop all actions", LIMITS.button),
            confirm: {
              title: word("Stop all actions?", LIMITS.confirmTitle),
              text: word("No action runs until people resume. Pending proposals are cancelled.", LIMITS.confirmText),
              confirm: word("Stop", LIMITS.confirmButton),
              deny: word("Cancel", LIMITS.confirmButton),
            },
          },
          { type: "button", action_id: ACTIONS.resume, text: word("Resume", LIMITS.button) },
          { type: "button", action_id: ACTIONS.refresh, text: word("Refresh", LIMITS.button) },
        ],
      },
      { type: "divider" },
      ...text(report),
    ],
  };
}
