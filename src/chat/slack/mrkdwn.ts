import { type Inline, type MarkdownBlock, parseMarkdown } from "../markdown.ts";

/** The three characters that Slack gives a meaning to; escaped, no text can make a mention, a ping or a link. */
export const escapeSlack = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** What Slack escaped in a message, and the names behind its references, as people read them. */
export function readable(text: string): string {
  return text
    .replace(/<(?:@|#|!)[^>|]*\|([^>]*)>/g, "$1")
    .replace(/<[@#!][^>]*>/g, "")
    .replace(/<([^>|]+)\|([^>]*)>/g, "$2")
    .replace(/<([^>]+)>/g, "$1")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&")
    .trim();
}

function inline(parts: readonly Inline[]): string {
  return parts
    .map((part) => {
      switch (part.type) {
        case "bold":
          return `*${escapeSlack(part.text)}*`;
        case "italic":
          return `_${escapeSlack(part.text)}_`;
        case "code":
          return `\`${escapeSlack(part.text)}\``;
        case "cite":
          return `\`${part.id}\``;
        default:
          return escapeSlack(part.text);
      }
    })
    .join("");
}

/** Renders the Markdown subset as Slack's mrkdwn. */
export function mrkdwn(markdown: string): string {
  return parseMarkdown(markdown)
    .map((block: MarkdownBlock) => {
      if (block.type === "code") return `\`\`\`${escapeSlack(block.text)}\`\`\``;
      if (block.type === "list") return block.items.map((item) => `• ${inline(item)}`).join("\n");
      return block.lines.map(inline).join("\n");
    })
    .join("\n\n");
}

/** For streams, which take standard Markdown: marks in text are escaped and addresses cannot turn into links. */
export function streamMarkdown(markdown: string): string {
  const safe = (text: string) =>
    escapeSlack(text)
      .replace(/[\\`*_[\]()#~|]/g, (mark) => `\\${mark}`)
      .replaceAll("://", ":\u2060//")
      .replace(/\bwww\./gi, (start) => `${start.slice(0, 3)}\u2060.`);
  const line = (parts: readonly Inline[]) =>
    parts
      .map((part) => {
        if (part.type === "cite") return `\`${part.id}\``;
        if (part.type === "code") return `\`${escapeSlack(part.text.replaceAll("`", "'"))}\``;
        const text = safe(part.text);
        return part.type === "bold" ? `**${text}**` : part.type === "italic" ? `*${text}*` : text;
      })
      .join("");
  return parseMarkdown(markdown)
    .map((block) => {
      if (block.type === "code") return `\`\`\`\n${escapeSlack(block.text.replaceAll("```", "'''"))}\n\`\`\``;
      if (block.type === "list") return block.items.map((item) => `- ${line(item)}`).join("\n");
      return block.lines.map(line).join("\n");
    })
    .join("\n\n");
}

/** Cuts rendered mrkdwn by code points, never inside an escape such as `&amp;`. */
export function clipSlack(text: string, longest: number): string {
  const points = [...text];
  if (points.length <= longest) return text;
  const cut = points
    .slice(0, longest - 1)
    .join("")
    .replace(/&[a-z]{0,4}$/, "");
  return `${cut}…`;
}

/** Splits rendered mrkdwn into pieces of at most `longest` code points, at line ends where there are any. */
export function piecesOf(text: string, longest: number): string[] {
  const pieces: string[] = [];
  let current = "";
  const size = (value: string) => [...value].length;
  for (const line of text.split("\n")) {
    const joined = current ? `${current}\n${line}` : line;
    if (size(joined) <= longest) {
      current = joined;
      continue;
    }
    if (current) pieces.push(current);
    let rest = line;
    while (size(rest) > longest) {
      const head = [...rest]
        .slice(0, longest)
        .join("")
        .replace(/&[a-z]{0,4}$/, "");
      pieces.push(head);
      rest = rest.slice(head.length);
    }
    current = rest;
  }
  if (current.trim()) pieces.push(current);
  return pieces.filter((piece) => piece.trim() !== "");
}
