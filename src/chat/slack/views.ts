import type { HomeView, KnownBlock, ModalView, PlainTextElement } from "@slack/types";
import { LONGEST_REASON } from "../../domain/proposal.ts";
import type { HomeFacts } from "../../flows/ports.ts";
import { type Button, type Card, VERDICTS } from "../card.ts";
import { clip, clock, plain } from "../text.ts";
import { ACTIONS, foldBlocks } from "./blocks.ts";
import { LIMITS } from "./limits.ts";
import { clipSlack, escapeSlack, mrkdwn, piecesOf } from "./mrkdwn.ts";

const word = (text: string, longest: number): PlainTextElement => ({
  type: "plain_text",
  text: clip(text, longest),
  emoji: false,
});
const section = (text: string) => ({ type: "section" as const, text: { type: "mrkdwn" as const, text, verbatim: true } });

export const VIEWS = { approve: "vigil_approve_form", deny: "vigil_deny_form", feedback: "vigil_feedback_form" } as const;

/** Says again what will run, and asks for the reason of an approval; what is approved travels in the metadata. */
export function approveModal({ confirm, tier }: Extract<Button, { type: "approve" }>, metadata: string): ModalView {
  return {
    type: "modal",
    callback_id: VIEWS.approve,
    private_metadata: metadata,
    title: word("Approve this action", LIMITS.modalTitle),
    submit: word("Approve", LIMITS.modalTitle),
    close: word("Cancel", LIMITS.modalTitle),
    blocks: [
      section(`*${escapeSlack(clip(confirm.title, 200))}*\n${escapeSlack(clip(confirm.text, 1_000))}`),
      {
        type: "input",
        block_id: "reason",
        label: word(`Why? ${tier} needs a reason with each approval.`, 2_000),
        hint: word("Everyone reads it: it stands on the card, in the audit trail and in the post-mortem.", 2_000),
        element: { type: "plain_text_input", action_id: "text", multiline: true, min_length: 1, max_length: LONGEST_REASON },
      },
    ],
  };
}

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
        element: { type: "plain_text_input", action_id: "text", multiline: true, max_length: LONGEST_REASON },
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
export function feedbackModal(metadata: string): ModalView {
  return {
    type: "modal",
    callback_id: VIEWS.feedback,
    private_metadata: metadata,
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

/**
 * The App Home: what waits for a decision, what runs, what it was worth, and the kill switch. `links` lead to messages, by subject; `notice` is
 * the Markdown answer to what was pressed last.
 */
export function homeView(facts: HomeFacts, links: ReadonlyMap<string, string>, notice: string | null): HomeView {
  const { stopped, awaiting, running, figures, undelivered } = facts;
  const yours = awaiting.filter((one) => one.yours).length;
  const heading = (text: string): KnownBlock => ({ type: "header", text: word(text, LIMITS.header) });
  const linked = (subject: string, text: string): KnownBlock => {
    const url = links.get(subject);
    const button = url && {
      accessory: {
        type: "button" as const,
        action_id: clip(`${ACTIONS.open}_${subject}`, 255),
        text: word("Open", LIMITS.button),
        url,
      },
    };
    return { ...section(clipSlack(text, LIMITS.section)), ...(button || {}) };
  };
  return {
    type: "home",
    blocks: [
      ...(notice ? piecesOf(mrkdwn(notice), LIMITS.section).slice(0, 4).map(section) : []),
      section(
        stopped
          ? `🛑 *Stopped.* No action runs. ${escapeSlack(clip(stopped, 500))}`
          : `✅ *Ready.* Watching ${facts.watchedSeries} series. Mind: ${escapeSlack(clip(facts.mind, 80))}.`,
      ),
      {
        type: "actions",
        elements: [
          ...(stopped
            ? [{ type: "button" as const, action_id: ACTIONS.resume, text: word("Resume", LIMITS.button) }]
            : [
                {
                  type: "button" as const,
                  action_id: ACTIONS.stop,
                  style: "danger" as const,
                  text: word("Stop all actions", LIMITS.button),
                  confirm: {
                    title: word("Stop all actions?", LIMITS.confirmTitle),
                    text: word("No action runs until people resume. Pending proposals are cancelled.", LIMITS.confirmText),
                    confirm: word("Stop", LIMITS.confirmButton),
                    deny: word("Cancel", LIMITS.confirmButton),
                  },
                },
              ]),
          { type: "button", action_id: ACTIONS.refresh, text: word("Refresh", LIMITS.button) },
        ],
      },
      ...undelivered
        .slice(0, 5)
        .map(({ surface, count, reason }) =>
          section(
            clipSlack(
              `⚠️ *${count} message${count === 1 ? "" : "s"} to ${escapeSlack(surface)} could not be delivered.* ${escapeSlack(reason)}`,
              LIMITS.section,
            ),
          ),
        ),
      heading(yours > 0 ? `Awaits your approval · ${yours}` : "Awaits approval"),
      ...(awaiting.length === 0 ? [section("Nothing waits.")] : []),
      ...awaiting
        .slice(0, 20)
        .map(({ proposal, yours: mine }) =>
          linked(
            `proposal:${proposal.id}`,
            [
              `${mine ? "🟠 " : ""}*${escapeSlack(plain(proposal.summary, 200))}*`,
              `${proposal.id} · ${proposal.risk.tier} · ${proposal.approvals.length} of ${proposal.neededApprovals} approvals · expires ${clock(proposal.expiresAt)} UTC${mine ? "" : " · not yours to approve"}`,
            ].join("\n"),
          ),
        ),
      heading("Running investigations"),
      ...(running.length === 0 ? [section("None.")] : []),
      ...running
        .slice(0, 20)
        .map(({ id, title, startedAt }) =>
          linked(`investigation:${id}`, `🔎 *${escapeSlack(plain(title, 200))}*\n${id} · since ${clock(startedAt)} UTC`),
        ),
      { type: "divider" },
      heading("What it was worth"),
      section(
        figures.length === 0
          ? "Nothing measured yet."
          : clipSlack(
              figures.map(({ name, value }) => `${escapeSlack(name)}: *${escapeSlack(value)}*`).join("\n"),
              LIMITS.section,
            ),
      ),
      {
        type: "context",
        elements: [
          { type: "mrkdwn", text: "`/vigil help` says what you can type; it works when the model is down.", verbatim: true },
        ],
      },
    ],
  };
}
