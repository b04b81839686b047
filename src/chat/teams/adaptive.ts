import {
  type AgainButton,
  type Button,
  type Card,
  type CardBlock,
  type FeedbackBar,
  type Fold,
  STATUS_MARKS,
  type Tone,
  VERDICTS,
} from "../card.ts";
import { evidenceUrl } from "../evidence-address.ts";
import { parseInline, parseMarkdown } from "../markdown.ts";
import { clip, share, span } from "../text.ts";
import type { JsonObject } from "./activity.ts";
import { LIMITS } from "./limits.ts";
import { inlineRuns, type RunStyle, run } from "./markdown.ts";

/** Who the card is drawn for. */
export interface View {
  /** Approve and Deny are shown to approvers only. */
  readonly approver: boolean;
  /** Teams ids of those whose client asks for their own view by itself. */
  readonly refreshFor: readonly string[];
  /** The card's picture as a `data:` address; without it its words stand there. */
  readonly picture?: string | null;
  /** Address of the page as responders reach it, for links to evidence. */
  readonly pageUrl?: string | null;
}

export const EVERYONE: View = { approver: false, refreshFor: [] };

const TONE_MARKS: Readonly<Record<Tone, string>> = { working: "🔎", good: "✅", attention: "🟠", bad: "🔴", quiet: "⚪" };
const STEP_MARKS = { running: "◔", done: "✓", failed: "✗" } as const;
const STAGE_MARKS = { done: "✓", now: "◔", ahead: "○", failed: "✗" } as const;

const sizeOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** A card as an Adaptive Card within Teams' size. What does not fit is behind its Details button. */
export function adaptiveCard(card: Card, view: View = EVERYONE): JsonObject {
  const head = headElements(card);
  const tail = [
    ...(card.feedback ? feedbackElements(card.feedback) : []),
    ...(card.context.length > 0 ? [text([run(card.context.join(" · "), { size: "Small", subtle: true })], "Small")] : []),
  ];
  const frame: JsonObject = {
    type: "AdaptiveCard",
    $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
    version: "1.5",
    msteams: { width: "Full" },
    ...refresh(card, view),
  };
  const more = text([run("The rest is behind Details.", { size: "Small", subtle: true })], "Small");
  const buttons = cardActions(card, view);
  let room = LIMITS.card - sizeOf([frame, head, tail, buttons, more, detailsAction(card)]) - 64;
  const body = fitting(
    card.body.flatMap((block) => elementsOf(block, view)),
    room,
  );
  room -= sizeOf(body.shown);
  const folds: JsonObject[] = [];
  let cut = body.cut;
  for (const fold of card.kind === "proposal" ? [] : card.folds) {
    const elements = foldElements(card, fold, view);
    const bytes = sizeOf(elements);
    if (bytes > room) cut = true;
    else {
      folds.push(...elements);
      room -= bytes;
    }
  }
  const actions = [...buttons, ...(cut || card.kind === "proposal" ? detailsAction(card) : [])];
  return {
    ...frame,
    body: [...head, ...body.shown, ...folds, ...(cut ? [more] : []), ...tail],
    ...(actions.length > 0 ? { actions } : {}),
  };
}

/** Everything behind a card, for a dialog. */
export function detailsCard(card: Card, pageUrl: string | null = null): JsonObject {
  const elements = [
    ...(card.kind === "proposal" ? [] : card.body.flatMap((block) => elementsOf(block, { pageUrl }))),
    ...card.folds.flatMap((fold) => [
      text([run(fold.title, { bold: true })], "Medium"),
      ...fold.blocks.flatMap((block) => elementsOf(block, { pageUrl })),
    ]),
  ];
  const { shown, cut } = fitting(elements, LIMITS.card - 1_000);
  return dialog([
    ...(shown.length > 0 ? shown : [text([run("There is nothing more to show.")])]),
    ...(cut ? [text([run("More than Teams shows; the page of Vigil has all of it.", { subtle: true })], "Medium")] : []),
  ]);
}

export const dialog = (body: readonly JsonObject[], actions: readonly JsonObject[] = []): JsonObject => ({
  type: "AdaptiveCard",
  $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
  version: "1.5",
  body,
  ...(actions.length > 0 ? { actions } : {}),
});

/** As many elements as fit, from the first on. */
function fitting(elements: readonly JsonObject[], room: number): { shown: JsonObject[]; cut: boolean } {
  const shown: JsonObject[] = [];
  let left = room;
  for (const element of elements) {
    left -= sizeOf(element) + 1;
    if (left < 0) return { shown, cut: true };
    shown.push(element);
  }
  return { shown, cut: false };
}

const text = (inlines: readonly JsonObject[], spacing: "None" | "Small" | "Default" | "Medium" = "Default"): JsonObject => ({
  type: "RichTextBlock",
  inlines,
  ...(spacing === "Default" ? {} : { spacing }),
});

/** Runs of one line; a very long one becomes several blocks, so that it can be cut between them. */
function lines(runs: readonly JsonObject[], spacing: "None" | "Small" | "Default" | "Medium" = "Small"): JsonObject[] {
  const blocks: JsonObject[] = [];
  let current: JsonObject[] = [];
  let size = 0;
  for (const one of runs) {
    const points = [...String(one.text)];
    for (let at = 0; at === 0 || at < points.length; at += LIMITS.run) {
      const piece = points.slice(at, at + LIMITS.run);
      if (size + piece.length > LIMITS.run && current.length > 0) {
        blocks.push(text(current, spacing));
        current = [];
        size = 0;
      }
      current.push({ ...one, text: piece.join("") });
      size += piece.length;
    }
  }
  if (current.length > 0) blocks.push(text(current, spacing));
  return blocks;
}

const markdownLines = (markdown: string, style: RunStyle = {}): JsonObject[] =>
  parseMarkdown(markdown).flatMap((block) => {
    if (block.type === "code") return codeElements(block.text);
    if (block.type === "list") return block.items.flatMap((item) => lines([run("•  ", style), ...inlineRuns(item, style)]));
    return block.lines.flatMap((parts, index) => lines(inlineRuns(parts, style), index === 0 ? "Default" : "None"));
  });

const codeElements = (code: string): JsonObject[] => {
  const items = code.split("\n").flatMap((line) => lines([run(line || " ", { code: true, size: "Small" })], "None"));
  return [{ type: "Container", style: "emphasis", items }];
};

function headElements({ title, badge, tone }: Card): JsonObject[] {
  const color = ({ good: "Good", attention: "Warning", bad: "Attention" } as const)[tone as "good"];
  const state = badge ? [text([run(`${TONE_MARKS[tone]} `), run(badge, { bold: true, ...(color ? { color } : {}) })])] : [];
  return title ? [...state, text([run(clip(title, LIMITS.title), { bold: true, size: "Large" })], "Small")] : state;
}

function elementsOf(block: CardBlock, { picture = null, pageUrl = null }: Pick<View, "picture" | "pageUrl">): JsonObject[] {
  switch (block.type) {
    case "text":
      return markdownLines(block.markdown);
    case "fields":
      return block.fields.flatMap(({ name, markdown }) => {
        const [first, ...rest] = parseMarkdown(markdown);
        const inline = first?.type === "paragraph" && rest.length === 0 ? first.lines.flat() : null;
        return inline
          ? lines([run(/[?!.:]$/.test(name) ? `${name}  ` : `${name}:  `, { bold: true }), ...inlineRuns(inline)])
          : [...lines([run(name, { bold: true })]), ...markdownLines(markdown)];
      });
    case "picture":
      if (picture) return [{ type: "Image", url: picture, altText: clip(block.picture.alt, 500), size: "Stretch" }];
      return lines([run(`📈 ${block.picture.alt}`, { subtle: true })]);
    case "steps":
      return block.steps.flatMap(({ state, title, outcome, duration }) => [
        ...lines([
          run(`${STEP_MARKS[state]} ${clip(title, 300)}`),
          ...(duration === null ? [] : [run(`  ${span(duration)}`, { italic: true, subtle: true })]),
        ]),
        ...(outcome ? lines([run(`      ${clip(outcome, 400)}`, { subtle: true })], "None") : []),
      ]);
    case "hypotheses":
      return block.items.flatMap(({ status, confidence, markdown, evidenceFor }) =>
        lines([
          run(`${STATUS_MARKS[status]} `),
          run(`${share(confidence)}  `, { bold: true }),
          ...inlineRuns(parseInline(markdown)),
          ...(evidenceFor.length > 0 ? [run(`  [${evidenceFor.join(", ")}]`, { code: true, subtle: true })] : []),
        ]),
      );
    case "evidence":
      return block.items.flatMap(({ id, title, summary, source, link, page, suspicious }) => [
        ...lines([idRun(id, evidenceUrl(pageUrl, page)), run(title, { bold: true })], "Medium"),
        ...lines([run(summary)], "None"),
        ...(suspicious
          ? lines(
              [run("⚠ This text reads like an attempt to instruct the model; it was treated as data.", { color: "Warning" })],
              "None",
            )
          : []),
        ...lines([run(source, { italic: true, subtle: true, size: "Small" })], "None"),
        ...(link ? [{ type: "ActionSet", actions: [{ type: "Action.OpenUrl", title: "Look there", url: link }] }] : []),
      ]);
    case "stages":
      return lines(
        [run(block.stages.map(({ name, state }) => `${STAGE_MARKS[state]} ${name}`).join("   "), { subtle: true })],
        "Medium",
      );
    case "code":
      return codeElements(block.text);
  }
}

/** An evidence id, which leads to its page where there is one. */
const idRun = (id: string, url: string | null): JsonObject => ({
  ...run(`${id}  `, { code: true, ...(url ? { color: "Accent" } : {}) }),
  ...(url ? { selectAction: { type: "Action.OpenUrl", title: `Evidence ${id}`, url } } : {}),
});

/** A title that opens and closes what is below it. */
function foldElements(card: Card, fold: Fold, { pageUrl }: View): JsonObject[] {
  const id = `fold-${fold.id}`;
  return [
    {
      type: "Container",
      spacing: "Medium",
      items: [text([run("▸ ", { color: "Accent" }), run(clip(fold.title, LIMITS.title), { bold: true, color: "Accent" })])],
      selectAction: { type: "Action.ToggleVisibility", title: clip(fold.title, LIMITS.button), targetElements: [id] },
    },
    {
      type: "Container",
      id,
      isVisible: fold.open && card.tone !== "quiet",
      items: fold.blocks.flatMap((block) => elementsOf(block, { pageUrl })),
    },
  ];
}

export const DO = {
  approve: "approve",
  view: "view",
  deny: "deny",
  again: "again",
  details: "details",
  feedback: "feedback",
  feedbackForm: "feedbackForm",
} as const;

/** Runs at Vigil and shows its answer in place; clients that know no Action.Execute send the same data as a message. */
const execute = (title: string, what: string, value: string, style?: "positive" | "destructive"): JsonObject => {
  const data = { vigil: what, value };
  const common = { title: clip(title, LIMITS.button), data, ...(style ? { style } : {}) };
  return { type: "Action.Execute", verb: what, ...common, fallback: { type: "Action.Submit", ...common } };
};

/** Opens a dialog. */
const opens = (title: string, what: string, value: string, style?: "positive" | "destructive"): JsonObject => ({
  type: "Action.Submit",
  title: clip(title, LIMITS.button),
  data: { vigil: what, value, msteams: { type: "task/fetch" } },
  ...(style ? { style } : {}),
});

/** Clients of approvers ask for their own view by themselves, as often as the card changes. */
function refresh(card: Card, { refreshFor, approver }: View): JsonObject {
  const [first] = card.buttons;
  if (!first || approver || refreshFor.length === 0) return {};
  return {
    refresh: {
      action: {
        type: "Action.Execute",
        title: "Refresh",
        verb: DO.view,
        data: { vigil: DO.view, value: first.proposalId },
      },
      userIds: refreshFor.slice(0, LIMITS.refreshUsers),
    },
  };
}

function cardActions(card: Card, { approver }: View): JsonObject[] {
  const [first] = card.buttons;
  if (!first) return card.again ? [execute(card.again.label, DO.again, buttonValue(card.again))] : [];
  if (!approver) return [execute("Approver? Show the buttons", DO.view, first.proposalId)];
  return card.buttons.map((button) => {
    if (button.type === "deny") return opens(`${button.label}…`, DO.deny, buttonValue(button), "destructive");
    // A card that changes while somebody writes would lose the words; a dialog keeps them.
    if (button.reason) return opens(`${button.label}…`, DO.approve, buttonValue(button), "positive");
    return {
      // Adaptive Cards know no confirmation: the button unfolds it.
      type: "Action.ShowCard",
      title: clip(`${button.label}…`, LIMITS.button),
      card: {
        type: "AdaptiveCard",
        version: "1.5",
        body: [text([run(button.confirm.title, { bold: true })]), text([run(button.confirm.text)], "Small")],
        actions: [execute(`Yes, ${button.label.toLowerCase()}`, DO.approve, buttonValue(button), "positive")],
      },
    };
  });
}

const detailsAction = ({ subject }: Card): JsonObject[] => (subject ? [opens("Details", DO.details, subject)] : []);

/** What a button carries: which proposal, which revision, and the secret. Never arguments. */
export const buttonValue = ({ proposalId, rev, nonce }: Button | AgainButton): string => `${proposalId}.${rev}.${nonce}`;

export function readButtonValue(value: string): { proposalId: string; rev: number; nonce: string } | null {
  const match = /^([A-Za-z0-9-]{1,40})\.(\d{1,9})\.([A-Za-z0-9_-]{1,60})$/.exec(value);
  return match ? { proposalId: match[1] ?? "", rev: Number(match[2]), nonce: match[3] ?? "" } : null;
}

function feedbackElements({ investigationId, question, votes }: FeedbackBar): JsonObject[] {
  const given = VERDICTS.map(({ verdict }) => ({ verdict, count: votes.filter((vote) => vote.verdict === verdict).length }))
    .filter(({ count }) => count > 0)
    .map(({ verdict, count }) => `${count} ${verdict}`);
  return [
    text(
      [run(question, { bold: true }), ...(given.length > 0 ? [run(`  So far: ${given.join(", ")}.`, { subtle: true })] : [])],
      "Medium",
    ),
    {
      type: "ActionSet",
      actions: [
        ...VERDICTS.map(({ verdict, label, emoji }) =>
          execute(`${emoji} ${label}`, DO.feedback, `${investigationId}.${verdict}`),
        ),
        opens("What was it really?", DO.feedbackForm, investigationId),
      ],
    },
  ];
}
