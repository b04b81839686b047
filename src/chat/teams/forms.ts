import { z } from "zod";
import { LONGEST_REASON } from "../../domain/proposal.ts";
import { type Button, VERDICTS } from "../card.ts";
import { clip } from "../text.ts";
import type { JsonObject } from "./activity.ts";
import { buttonValue, DO, dialog } from "./adaptive.ts";
import { run } from "./markdown.ts";

/** What a dialog remembers of the message that it was opened from. */
export interface Origin {
  readonly conversation: string;
  readonly message: string;
}

const submit = (title: string, data: JsonObject, style: "positive" | "destructive"): JsonObject => ({
  type: "Action.Submit",
  title,
  data,
  style,
});

/** Says again what will run, and asks for the reason of an approval. */
export const approveForm = (button: Extract<Button, { type: "approve" }>, origin: Origin): JsonObject =>
  dialog(
    [
      { type: "RichTextBlock", inlines: [run(clip(button.confirm.title, 200), { bold: true })] },
      { type: "RichTextBlock", spacing: "Small", inlines: [run(clip(button.confirm.text, 1_000))] },
      {
        type: "Input.Text",
        id: "reason",
        label: `Why? ${button.tier} needs a reason with each approval.`,
        isMultiline: true,
        isRequired: true,
        errorMessage: "Please say why, in a sentence.",
        maxLength: LONGEST_REASON,
      },
      {
        type: "RichTextBlock",
        spacing: "Small",
        inlines: [
          run("Everyone reads it: it stands on the card, in the audit trail and in the post-mortem.", {
            size: "Small",
            subtle: true,
          }),
        ],
      },
    ],
    [submit("Approve", { vigil: DO.approve, value: buttonValue(button), ...origin }, "positive")],
  );

/** Asks for the reason of a denial. */
export const denyForm = (value: string, origin: Origin): JsonObject =>
  dialog(
    [
      {
        type: "Input.Text",
        id: "reason",
        label: "Why? It helps the next proposal.",
        isMultiline: true,
        maxLength: LONGEST_REASON,
      },
    ],
    [submit("Deny", { vigil: DO.deny, value, ...origin }, "destructive")],
  );

/** Asks for the verdict, the real cause and what was missed. `verdict` is chosen already where a thumb was pressed. */
export const feedbackForm = (investigationId: string, verdict: string | null): JsonObject =>
  dialog(
    [
      {
        type: "Input.ChoiceSet",
        id: "verdict",
        label: "Your verdict",
        style: "expanded",
        isRequired: true,
        errorMessage: "Please choose one.",
        choices: VERDICTS.map((one) => ({ title: one.label, value: one.verdict })),
        ...(verdict ? { value: verdict } : {}),
      },
      { type: "Input.Text", id: "cause", label: "The real cause", isMultiline: true, maxLength: 2_000 },
      { type: "Input.Text", id: "missed", label: "What was missed", isMultiline: true, maxLength: 2_000 },
      {
        type: "Input.ChoiceSet",
        id: "helped",
        label: "Did the action help?",
        style: "expanded",
        choices: [
          { title: "Yes", value: "yes" },
          { title: "No", value: "no" },
        ],
      },
    ],
    [submit("Save", { vigil: DO.feedbackForm, value: investigationId }, "positive")],
  );

export const noteForm = (text: string): JsonObject => dialog([{ type: "RichTextBlock", inlines: [run(clip(text, 1_000))] }]);

/** Opens a dialog. */
export const taskWith = (title: string, card: JsonObject): JsonObject => ({
  task: {
    type: "continue",
    value: {
      title: clip(title, 60),
      height: "medium",
      width: "medium",
      card: { contentType: "application/vnd.microsoft.card.adaptive", content: card },
    },
  },
});

/** Closes a dialog with a sentence. */
export const taskMessage = (text: string): JsonObject => ({ task: { type: "message", value: clip(text, 1_000) } });

const words = z.string().max(2_000).nullish().catch(null);
/** What is too long is cut here only so far that the gate still sees, and says, that it is. */
const reason = z
  .string()
  .transform((text) => text.slice(0, 4 * LONGEST_REASON))
  .nullish()
  .catch(null);

/** Data of one of our buttons or forms, with what was typed into it. */
export const actionData = z.object({
  vigil: z.enum(["approve", "view", "deny", "again", "details", "feedback", "feedbackForm"]),
  value: z.string().max(300),
  conversation: z.string().max(500).optional(),
  message: z.string().max(500).optional(),
  reason,
  verdict: words,
  cause: words,
  missed: words,
  helped: words,
});

export type ActionData = z.output<typeof actionData>;
