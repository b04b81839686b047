import TurndownService from "turndown";

/** Marks around what is not said by a page's author. */
const SILENT = ["script", "style", "nav", "footer", "iframe", "noscript", "form", "button"] as const;

/** The main text of a page as Markdown. Scripts, styles, navigation and pictures are left out. */
export function markdownOf(html: string): string {
  const service = new TurndownService({ headingStyle: "atx", codeBlockStyle: "fenced", bulletListMarker: "-" });
  service.remove([...SILENT]);
  service.addRule("pictures", { filter: "img", replacement: (_content, node) => altOf(node) });
  service.addRule("cells", { filter: ["th", "td"], replacement: (content) => `${content.replace(/\s+/g, " ").trim()} | ` });
  service.addRule("rows", { filter: "tr", replacement: (content) => `${content.replace(/ \| $/, "")}\n` });
  return service
    .turndown(html)
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

function altOf(node: unknown): string {
  const alt = (node as { getAttribute?: (name: string) => string | null }).getAttribute?.("alt");
  return alt ? `(picture: ${alt})` : "";
}

/** The text between two marks of a page, or null. */
export function between(html: string, pattern: RegExp): string | null {
  const found = pattern.exec(html)?.[1];
  return found === undefined ? null : plain(found);
}

/** Text without tags, with the common entities resolved. */
export const plain = (html: string): string =>
  html
    .replace(/<[^>]*>/g, " ")
    .replace(/&nbsp;|&#160;/g, " ")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&#0?39;|&apos;|&rsquo;/g, "'")
    .replace(/&amp;/g, "&")
    .replace(/\s+/g, " ")
    .trim();
