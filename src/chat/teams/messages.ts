import type { Evidence } from "../../domain/investigation.ts";
import type { Card } from "../card.ts";
import { clip, plain } from "../text.ts";
import type { JsonObject, OutgoingActivity } from "./activity.ts";
import { adaptiveCard, EVERYONE, type View } from "./adaptive.ts";
import { LIMITS } from "./limits.ts";
import { escapeTeams, inert, teamsMarkdown } from "./markdown.ts";

const cardAttachment = (content: JsonObject) => ({ contentType: "application/vnd.microsoft.card.adaptive", content });

/** The label "AI generated", and what the text cites. Teams takes one such entity for each message. */
const aiEntity = (citation: readonly JsonObject[] = []): JsonObject => ({
  type: "https://schema.org/Message",
  "@type": "Message",
  "@context": "https://schema.org",
  additionalType: ["AIGeneratedContent"],
  ...(citation.length > 0 ? { citation } : {}),
});

/** A card as a message. Notes are plain text, since a notification shows text in full. */
export function cardMessage(card: Card, view: View): OutgoingActivity {
  const [only, ...more] = card.body;
  const simple = card.kind === "note" && more.length === 0 && only?.type === "text" && card.folds.length === 0 && !card.title;
  if (simple) return textMessage(only.markdown);
  const written = card.kind === "investigation" || card.kind === "answer";
  return {
    type: "message",
    summary: inert(clip(card.story, 200)) || "Vigil",
    attachments: [cardAttachment(adaptiveCard(card, view))],
    ...(written ? { entities: [aiEntity()] } : {}),
    // From the first message on: whether an edit can add the thumbs later is not documented.
    ...(card.kind === "investigation" ? { channelData: { feedbackLoop: { type: "custom" } } } : {}),
  };
}

export const textMessage = (markdown: string): OutgoingActivity => ({
  type: "message",
  text: withinMessage(teamsMarkdown(markdown)) || "Vigil",
  textFormat: "markdown",
});

/** An answer: its text with numbered citations, and what it rests on folded away below. */
export function answerMessage(
  card: Card,
  markdown: string,
  evidence: readonly Evidence[],
  pageUrl: string | null = null,
): OutgoingActivity {
  const cited = citedIn(markdown, evidence);
  const numbers = new Map(cited.map(({ id }, index) => [id, index + 1]));
  const below: Card = { ...card, title: "", badge: "", body: card.body.filter(({ type }) => type !== "text") };
  return {
    type: "message",
    text: withinMessage(teamsMarkdown(markdown, (id) => numbers.get(id) ?? null)),
    textFormat: "markdown",
    summary: inert(clip(card.story, 200)),
    attachments: [cardAttachment(adaptiveCard(below, { ...EVERYONE, pageUrl }))],
    entities: [aiEntity(cited.map(claim))],
  };
}

/** Evidence that the text names, in the order in which it does. */
function citedIn(markdown: string, evidence: readonly Evidence[]): Evidence[] {
  const named = [...markdown.matchAll(/\bE\d{1,4}\b/g)].map(([id]) => id);
  return [...new Set(named)].flatMap((id) => evidence.find((one) => one.id === id) ?? []).slice(0, LIMITS.citations);
}

function claim({ id, title, summary, link }: Evidence, index: number): JsonObject {
  return {
    "@type": "Claim",
    position: index + 1,
    appearance: {
      "@type": "DigitalDocument",
      name: plain(`${id} ${title}`, LIMITS.citationName),
      abstract: plain(summary, LIMITS.citationAbstract) || "No summary.",
      ...(link?.startsWith("https://") ? { url: link } : {}),
    },
  };
}

/** Steps of an answer that is still being made. */
export const workingMessage = (lines: readonly string[]): OutgoingActivity => ({
  type: "message",
  text: ["*Looking…*", ...lines.map(escapeTeams)].join("  \n"),
  textFormat: "markdown",
});

function withinMessage(text: string): string {
  if (Buffer.byteLength(text) <= LIMITS.message / 2) return text;
  const points = [...text];
  let bytes = 0;
  const end = points.findIndex((point) => {
    bytes += Buffer.byteLength(point);
    return bytes > LIMITS.message / 2;
  });
  return `${points.slice(0, end).join("").trimEnd()}…`;
}
