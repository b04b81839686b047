import { type Inline, parseMarkdown } from "../markdown.ts";
import type { JsonObject } from "./activity.ts";

const UNSEEN = /(?![\n\t])\p{Cc}|[\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/** What nobody sees goes; an address in somebody's text stays text: an invisible joiner keeps every client from making a link of it. */
export const inert = (text: string): string =>
  text
    .replace(UNSEEN, "")
    .replaceAll("://", ":\u2060//")
    .replace(/\bwww\./gi, (start) => `${start.slice(0, 3)}\u2060.`);

/** Makes any text show as itself in a message of format Markdown: no markup, no HTML, no link, no mention. */
export const escapeTeams = (text: string): string =>
  inert(text)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replace(/[\\`*_[\]#~|]/g, (mark) => `\\${mark}`)
    .replace(/^(\s*)([-+]|\d{1,9}[.)])(?=\s)/gm, (_all, space: string, mark: string) => `${space}\\${mark}`);

/** Renders the Markdown subset for a message's text. `numberOf` gives the number of a citation, or null for one that has none. */
export function teamsMarkdown(markdown: string, numberOf: (id: string) => number | null = () => null): string {
  const line = (parts: readonly Inline[]) =>
    parts
      .map((part) => {
        switch (part.type) {
          case "cite": {
            const number = numberOf(part.id);
            return number === null ? `\`${part.id}\`` : `[${number}]`;
          }
          case "code":
            return `\`${inert(part.text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("`", "'")}\``;
          case "bold":
            return `**${escapeTeams(part.text)}**`;
          case "italic":
            return `*${escapeTeams(part.text)}*`;
          default:
            return escapeTeams(part.text);
        }
      })
      .join("");
  return parseMarkdown(markdown)
    .map((block) => {
      if (block.type === "code") return `\`\`\`\n${inert(block.text).replaceAll("<", "&lt;").replaceAll("```", "'''")}\n\`\`\``;
      if (block.type === "list") return block.items.map((item) => `- ${line(item)}`).join("\n");
      return block.lines.map(line).join("  \n");
    })
    .join("\n\n");
}

export interface RunStyle {
  readonly bold?: boolean;
  readonly italic?: boolean;
  readonly code?: boolean;
  readonly subtle?: boolean;
  readonly size?: "Small" | "Medium" | "Large";
  readonly color?: "Good" | "Warning" | "Attention" | "Accent";
}

/** One piece of text in an Adaptive Card. A TextRun is never parsed as Markdown, so that nothing in it can work. */
export const run = (text: string, style: RunStyle = {}): JsonObject => ({
  type: "TextRun",
  text: inert(text),
  ...(style.bold ? { weight: "Bolder" } : {}),
  ...(style.italic ? { italic: true } : {}),
  ...(style.code ? { fontType: "Monospace" } : {}),
  ...(style.subtle ? { isSubtle: true } : {}),
  ...(style.size ? { size: style.size } : {}),
  ...(style.color ? { color: style.color } : {}),
});

export const inlineRuns = (parts: readonly Inline[], style: RunStyle = {}): JsonObject[] =>
  parts.map((part) => {
    if (part.type === "cite") return run(`[${part.id}]`, { ...style, code: true, subtle: true });
    if (part.type === "text") return run(part.text, style);
    return run(part.text, { ...style, [part.type]: true });
  });
