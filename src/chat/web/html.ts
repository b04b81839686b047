/** Text of others as HTML that shows it and does nothing. */
export const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const row = (tag: "td" | "th", cells: readonly string[]): string =>
  `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("")}</tr>`;

/** Nothing when there are no rows. */
export function table(caption: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  return `<table><caption>${escaped(caption)}</caption><thead>${row("th", head)}</thead><tbody>${rows.map((cells) => row("td", cells)).join("")}</tbody></table>`;
}

/** A page without scripts, within the strict content security policy. `nav` and `main` are HTML, `title` and `heading` are text. */
export function pageHtml(given: {
  readonly title: string;
  readonly heading: string;
  readonly nav: string;
  readonly main: string;
}): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(given.title)}</title>
<link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/report.css"></head><body>
<header><h1>${escaped(given.heading)}</h1><nav>${given.nav}</nav></header>
<main>
${given.main}
</main></body></html>`;
}
