import type { KnownBlock } from "@slack/types";
import type { AgainButton, Button, Card, CardBlock, FeedbackBar, Fold } from "../card.ts";
import { STATUS_MARKS } from "../card.ts";
import { evidenceUrl } from "../evidence-address.ts";
import { clip, share, span } from "../text.ts";
import { LIMITS } from "./limits.ts";
import { clipSlack, escapeSlack, mrkdwn, piecesOf } from "./mrkdwn.ts";

/** A message that Slack will take: blocks within every limit, and the text that notifications and screen readers use. */
export interface SlackMessage {
  readonly text: string;
  readonly blocks: KnownBlock[];
}

export interface EmojiWords {
  readonly approve: string;
  readonly deny: string;
  /** Tiers for which an emoji decides. */
  readonly tiers: readonly string[];
}

const STEP_MARKS = { running: "◔", done: "✓", failed: "✗" } as const;
const STAGE_MARKS = { done: "✓", now: "◔", ahead: "○", failed: "✗" } as const;
const TONE_MARKS = { working: "🔎", good: "✅", attention: "🟠", bad: "🔴", quiet: "⚪" } as const;

const section = (text: string): KnownBlock => ({ type: "section", text: { type: "mrkdwn", text, verbatim: true } });
const sections = (text: string): KnownBlock[] => piecesOf(text, LIMITS.section).map(section);
const small = (texts: readonly string[]): KnownBlock => ({
  type: "context",
  elements: texts
    .slice(0, LIMITS.contextElements)
    .map((text) => ({ type: "mrkdwn", text: clipSlack(text, LIMITS.contextText), verbatim: true })),
});

/** The card's own message. What does not fit follows as further messages for its thread. */
export function cardMessages(card: Card, emoji: EmojiWords): { readonly root: SlackMessage; readonly overflow: SlackMessage[] } {
  const head = headBlocks(card);
  const body = card.body.flatMap((block) => blocksOf(block));
  const tail = [
    ...buttonBlocks(card, emoji),
    ...(card.feedback ? feedbackBlocks(card.feedback) : []),
    ...(card.context.length > 0 ? [small([escapeSlack(card.context.join(" · "))])] : []),
  ];
  const room = LIMITS.blocks - head.length - tail.length;
  const shown = body.length <= room ? body : [...body.slice(0, room - 1), small(["The rest is in the thread."])];
  const rest = body.length <= room ? [] : body.slice(room - 1);
  return {
    root: { text: textOf(card.story), blocks: atLeastOne([...head, ...shown, ...tail], card.story) },
    overflow: pages(rest, card.story),
  };
}

/** What a page would fold: the questions, the reasoning, the evidence, as messages for the thread. Evidence leads to the page where `pageUrl` tells its address. */
export function foldMessages(card: Card, pageUrl: string | null = null): SlackMessage[] {
  const blocks = card.folds.flatMap((fold) => [
    section(`*${escapeSlack(clip(fold.title, 200))}*`),
    ...fold.blocks.flatMap((block) => blocksOf(block, pageUrl)),
  ]);
  return pages(blocks, `Details: ${card.story}`);
}

/** The folds of a proposal for a modal. */
export function foldBlocks(folds: readonly Fold[]): KnownBlock[] {
  const blocks = folds.flatMap((fold) => [
    section(`*${escapeSlack(clip(fold.title, 200))}*`),
    ...fold.blocks.flatMap((block) => blocksOf(block)),
  ]);
  return blocks.slice(0, LIMITS.viewBlocks);
}

function pages(blocks: readonly KnownBlock[], story: string): SlackMessage[] {
  const made: SlackMessage[] = [];
  for (let at = 0; at < blocks.length; at += LIMITS.blocks)
    made.push({ text: textOf(story), blocks: blocks.slice(at, at + LIMITS.blocks) });
  return made;
}

const textOf = (story: string): string => clipSlack(escapeSlack(story), LIMITS.text) || "Vigil";
const atLeastOne = (blocks: KnownBlock[], story: string): KnownBlock[] => (blocks.length > 0 ? blocks : [section(textOf(story))]);

function headBlocks(card: Card): KnownBlock[] {
  if (!card.title) return card.badge ? [small([`${TONE_MARKS[card.tone]} *${escapeSlack(card.badge)}*`])] : [];
  const badge = section(`${TONE_MARKS[card.tone]} *${escapeSlack(card.badge)}*`);
  if ([...card.title].length <= LIMITS.header)
    return [{ type: "header", text: { type: "plain_text", text: card.title, emoji: false } }, badge];
  return [section(`*${escapeSlack(card.title)}*`), badge];
}

function blocksOf(block: CardBlock, pageUrl: string | null = null): KnownBlock[] {
  switch (block.type) {
    case "text":
      return sections(mrkdwn(block.markdown));
    case "fields":
      return sections(
        block.fields
          .map(({ name, markdown }) => `*${escapeSlack(name)}${name.endsWith("?") ? "" : ":"}*  ${mrkdwn(markdown)}`)
          .join("\n"),
      );
    case "picture":
      // The picture itself goes to the thread as a file; its words stay here.
      return [small([`📈 ${escapeSlack(block.picture.alt)}`])];
    case "steps":
      return sections(
        block.steps
          .map(({ state, title, outcome, duration }) => {
            const time = duration === null ? "" : ` _${span(duration)}_`;
            return `${STEP_MARKS[state]} ${escapeSlack(clip(title, 300))}${time}${outcome ? `\n      ${escapeSlack(clip(outcome, 400))}` : ""}`;
          })
          .join("\n"),
      );
    case "hypotheses":
      return sections(
        block.items
          .map(({ status, confidence, markdown, evidenceFor }) => {
            const cited = evidenceFor.length > 0 ? ` ${evidenceFor.map((id) => `\`${escapeSlack(id)}\``).join(" ")}` : "";
            return `${STATUS_MARKS[status]} *${share(confidence)}*  ${mrkdwn(markdown)}${cited}`;
          })
          .join("\n"),
      );
    case "evidence":
      return block.items.flatMap(({ id, title, summary, source, link, page, suspicious }) => {
        const url = evidenceUrl(pageUrl, page);
        const name = url ? `<${escapeSlack(url)}|${escapeSlack(id)}>` : `\`${escapeSlack(id)}\``;
        const look = link ? ` · <${encodeURI(link).replace(/[<>|]/g, "")}|look there>` : "";
        const warning = suspicious ? "\n⚠ This text reads like an attempt to instruct the model; it was treated as data." : "";
        return sections(`${name} *${escapeSlack(title)}*\n${escapeSlack(summary)}${warning}\n_${escapeSlack(source)}_${look}`);
      });
    case "stages":
      return [small([block.stages.map(({ name, state }) => `${STAGE_MARKS[state]} ${escapeSlack(name)}`).join("   ")])];
    case "code":
      return piecesOf(escapeSlack(block.text), LIMITS.section - 6).map((piece) => section(`\`\`\`${piece}\`\`\``));
  }
}

export const ACTIONS = {
  approve: "vigil_approve",
  approveWithReason: "vigil_approve_reason",
  deny: "vigil_deny",
  again: "vigil_again",
  details: "vigil_details",
  feedback: "vigil_feedback",
  feedbackForm: "vigil_feedback_form",
  stop: "vigil_stop",
  resume: "vigil_resume",
  refresh: "vigil_refresh",
  open: "vigil_open",
} as const;

const word = (text: string, longest: number) => ({ type: "plain_text" as const, text: clip(text, longest), emoji: false });

function buttonBlocks(card: Card, emoji: EmojiWords): KnownBlock[] {
  const [first] = card.buttons;
  if (!first) return card.again ? [againBlock(card.again)] : [];
  const approve = card.buttons.find((button) => button.type === "approve");
  const hint = approve ? emojiHint(approve, emoji) : "";
  return [
    {
      type: "actions",
      elements: [
        ...card.buttons.map((button) => ({
          type: "button" as const,
          action_id: actionOf(button),
          text: word(opensForm(button) ? `${button.label}…` : button.label, LIMITS.button),
          value: buttonValue(button),
          style: button.type === "approve" ? ("primary" as const) : ("danger" as const),
          ...(button.type === "approve" && !button.reason
            ? {
                confirm: {
                  title: word(button.confirm.title, LIMITS.confirmTitle),
                  text: word(button.confirm.text, LIMITS.confirmText),
                  confirm: word("Approve", LIMITS.confirmButton),
                  deny: word("Cancel", LIMITS.confirmButton),
                },
              }
            : {}),
        })),
        { type: "button" as const, action_id: ACTIONS.details, text: word("Details", LIMITS.button), value: first.proposalId },
      ],
    },
    ...(hint ? [small([hint])] : []),
  ];
}

const againBlock = (button: AgainButton): KnownBlock => ({
  type: "actions",
  elements: [
    { type: "button", action_id: ACTIONS.again, text: word(button.label, LIMITS.button), value: buttonValue(button) },
    { type: "button", action_id: ACTIONS.details, text: word("Details", LIMITS.button), value: button.proposalId },
  ],
});

const opensForm = (button: Button): boolean => button.type === "deny" || button.reason;

const actionOf = (button: Button): string => {
  if (button.type === "deny") return ACTIONS.deny;
  return button.reason ? ACTIONS.approveWithReason : ACTIONS.approve;
};

function emojiHint({ tier, reason }: Extract<Button, { type: "approve" }>, { tiers, approve, deny }: EmojiWords): string {
  if (reason) return `${tier} needs your reason: Approve asks for it. An emoji does not approve here.`;
  return tiers.includes(tier)
    ? `${tier}: :${approve}: approves and :${deny}: denies, too.`
    : `${tier} needs the button and its confirmation; an emoji does not count.`;
}

/** What a button carries: which proposal, which revision, and the secret. Never arguments. */
export const buttonValue = ({ proposalId, rev, nonce }: Button | AgainButton): string => `${proposalId}.${rev}.${nonce}`;

export function readValue(value: string): { proposalId: string; rev: number; nonce: string } | null {
  const match = /^([A-Za-z0-9-]{1,40})\.(\d{1,9})\.([A-Za-z0-9_-]{1,60})$/.exec(value);
  return match ? { proposalId: match[1] ?? "", rev: Number(match[2]), nonce: match[3] ?? "" } : null;
}

function feedbackBlocks({ investigationId, question, votes }: FeedbackBar): KnownBlock[] {
  const count = (verdict: string) => votes.filter((vote) => vote.verdict === verdict).length;
  const given = (["correct", "partly", "incorrect", "noise"] as const)
    .filter((verdict) => count(verdict) > 0)
    .map((verdict) => `${count(verdict)} ${verdict}`);
  const button = (verdict: string, label: string) => ({
    type: "button" as const,
    action_id: `${ACTIONS.feedback}_${verdict}`,
    text: word(label, LIMITS.button),
    value: `${investigationId}.${verdict}`,
  });
  return [
    small([`*${escapeSlack(question)}*${given.length > 0 ? ` So far: ${given.join(", ")}.` : ""}`]),
    {
      type: "actions",
      elements: [
        button("partly", "Partly"),
        button("noise", "Noise"),
        {
          type: "button" as const,
          action_id: ACTIONS.feedbackForm,
          text: word("What was it really?", LIMITS.button),
          value: investigationId,
        },
      ],
    },
    {
      type: "context_actions",
      elements: [
        {
          type: "feedback_buttons",
          action_id: ACTIONS.feedback,
          positive_button: {
            text: word("Correct", LIMITS.button),
            value: `${investigationId}.correct`,
            accessibility_label: "The hypothesis was correct",
          },
          negative_button: {
            text: word("Incorrect", LIMITS.button),
            value: `${investigationId}.incorrect`,
            accessibility_label: "The hypothesis was incorrect",
          },
        },
      ],
    },
  ];
}
