import type { Card, CardBlock } from "../card.ts";
import { type MarkdownBlock, parseMarkdown } from "../markdown.ts";
import type { StoredMessage } from "../store.ts";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A message as the page takes it: Markdown parsed, so that the page builds elements and never parses or inserts markup. */
export interface PageMessage {
  readonly id: string;
  readonly seq: number;
  readonly thread: string | null;
  readonly at: number;
  readonly author: string;
  readonly card: Json | null;
  readonly text: readonly MarkdownBlock[] | null;
}

export function pageMessage({ id, seq, thread, at, author, kind, body }: StoredMessage): PageMessage {
  const common = { id, seq, thread, at, author };
  if (kind === "text") return { ...common, card: null, text: parseMarkdown(String(body)) };
  const card = body as Card;
  const shown = {
    ...card,
    body: card.body.map(pictureByAddress),
    folds: card.folds.map((fold) => ({ ...fold, blocks: fold.blocks.map(pictureByAddress) })),
  };
  return { ...common, card: withParsedMarkdown(shown as unknown as Json), text: null };
}

/** The page loads the picture by its address; the points stay here. */
function pictureByAddress(block: CardBlock): object {
  if (block.type !== "picture") return block;
  const { investigationId, version, picture } = block;
  const src = `/api/pictures/${encodeURIComponent(investigationId)}.svg?v=${encodeURIComponent(version)}`;
  return { type: "picture", src, title: picture.title, alt: picture.alt };
}

/** Every `markdown` text at any depth becomes its blocks. */
function withParsedMarkdown(value: Json): Json {
  if (Array.isArray(value)) return value.map(withParsedMarkdown);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) =>
      key === "markdown" && typeof inner === "string"
        ? [key, parseMarkdown(inner) as unknown as Json]
        : [key, withParsedMarkdown(inner)],
    ),
  );
}
