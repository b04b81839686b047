/**
 * The small Markdown that cards may use: `**bold**`, `*italic*`, `` `code` ``, citations `[E1]`, lists and fenced code.
 * It has no links, no images and no HTML on purpose: whatever a log line or a model writes stays text on every surface.
 */
export type Inline =
  | { readonly type: "text" | "bold" | "italic" | "code"; readonly text: string }
  | { readonly type: "cite"; readonly id: string };

export type MarkdownBlock =
  | { readonly type: "paragraph"; readonly lines: readonly (readonly Inline[])[] }
  | { readonly type: "list"; readonly items: readonly (readonly Inline[])[] }
  | { readonly type: "code"; readonly text: string };

const PUNCTUATION = /[\\`*_[\]]/g;

/** Makes any text show as itself inside Markdown of a card; line breaks become spaces. */
export function escapeMarkdown(text: string): string {
  const line = text.replace(/\s*\n\s*/g, " ");
  return line.replace(PUNCTUATION, (mark) => `\\${mark}`).replace(/^(\s*)([-#>])/, "$1\\$2");
}

/** One citation, or several in one pair of brackets: `[E1]`, `[E1, E4]`. */
const CITATION = /^\[(E\d{1,4}(?:\s*,\s*E\d{1,4})*)\]/;

/** Parses one line. What is not closed is shown as it stands. */
export function parseInline(line: string): Inline[] {
  const parts: Inline[] = [];
  let plain = "";
  const flush = () => {
    if (plain) parts.push({ type: "text", text: plain });
    plain = "";
  };
  let at = 0;
  while (at < line.length) {
    const rest = line.slice(at);
    const next = rest[1];
    if (rest[0] === "\\" && next !== undefined && /[!-/:-@[-`{-~]/.test(next)) {
      plain += next;
      at += 2;
      continue;
    }
    const cited = CITATION.exec(rest);
    if (cited) {
      flush();
      for (const id of (cited[1] ?? "").split(/\s*,\s*/)) parts.push({ type: "cite", id });
      at += cited[0].length;
      continue;
    }
    const marked = spanAt(rest, line[at - 1]);
    if (marked) {
      flush();
      parts.push(marked.part);
      at += marked.length;
      continue;
    }
    plain += rest[0];
    at += 1;
  }
  flush();
  return parts;
}

function spanAt(rest: string, before: string | undefined): { part: Inline; length: number } | null {
  const code = /^`([^`\n]+)`/.exec(rest);
  if (code) return { part: { type: "code", text: code[1] ?? "" }, length: code[0].length };
  const bold = /^\*\*((?:\\.|[^*\\])+)\*\*/.exec(rest);
  if (bold) return { part: { type: "bold", text: unescaped(bold[1] ?? "") }, length: bold[0].length };
  const starred = /^\*(?!\s)((?:\\.|[^*\\])+?)(?<!\s)\*(?!\*)/.exec(rest);
  const lined = before === undefined || /\W/.test(before) ? /^_(?!\s)((?:\\.|[^_\\])+?)(?<!\s)_(?!\w)/.exec(rest) : null;
  const italic = starred ?? lined;
  if (italic) return { part: { type: "italic", text: unescaped(italic[1] ?? "") }, length: italic[0].length };
  return null;
}

const unescaped = (text: string): string => text.replace(/\\([!-/:-@[-`{-~])/g, "$1");

/** Parses a text into paragraphs, lists and code. Headings become bold lines; anything else stays text. */
export function parseMarkdown(text: string): MarkdownBlock[] {
  const blocks: MarkdownBlock[] = [];
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  let paragraph: Inline[][] = [];
  let items: Inline[][] = [];
  const flush = () => {
    if (paragraph.length > 0) blocks.push({ type: "paragraph", lines: paragraph });
    if (items.length > 0) blocks.push({ type: "list", items });
    paragraph = [];
    items = [];
  };
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? "";
    if (/^\s*```/.test(line)) {
      flush();
      const code: string[] = [];
      for (index++; index < lines.length && !/^\s*```/.test(lines[index] ?? ""); index++) code.push(lines[index] ?? "");
      blocks.push({ type: "code", text: code.join("\n") });
      continue;
    }
    const item = /^\s*(?:[-*•]|\d{1,3}[.)])\s+(.*)$/.exec(line);
    const heading = /^#{1,6}\s+(.*)$/.exec(line);
    if (line.trim() === "") flush();
    else if (item) {
      if (paragraph.length > 0) flush();
      items.push(parseInline(item[1] ?? ""));
    } else {
      if (items.length > 0) flush();
      paragraph.push(heading ? [{ type: "bold", text: toPlain(parseInline(heading[1] ?? "")) }] : parseInline(line));
    }
  }
  flush();
  return blocks;
}

const toPlain = (parts: readonly Inline[]): string =>
  parts.map((part) => (part.type === "cite" ? `[${part.id}]` : part.text)).join("");

/** The text without any marks, for notifications and screen readers. */
export function plainText(markdown: string): string {
  return parseMarkdown(markdown)
    .map((block) => {
      if (block.type === "code") return block.text;
      if (block.type === "list") return block.items.map((item) => `- ${toPlain(item)}`).join("\n");
      return block.lines.map(toPlain).join("\n");
    })
    .join("\n");
}
