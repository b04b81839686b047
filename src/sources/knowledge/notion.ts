import type { DocumentSource } from "../../knowledge/source.ts";
import { type ExportOptions, exportedWiki } from "./export.ts";
import { kindByName, withFrontMatter } from "./front-matter.ts";
import { between, markdownOf } from "./html.ts";

/** An export of a Notion workspace as Markdown or HTML: a zip, also of zips, or the folder that it was unpacked to. */
export const notionExport = (options: ExportOptions): DocumentSource =>
  exportedWiki(options, {
    name: "Notion",
    wanted: /\.(md|html?)$/i,
    skipped: /(^|\/)index\.html$/i,
    pageId,
    pageOf,
  });

/** Exports name a page `Its title 0123…cdef.md`, by its title and id. */
const pageId = (file: string): string | null => /[ _-]([0-9a-f]{32})\.(?:md|html?)$/i.exec(file)?.[1] ?? null;

/** Names of properties that say which services a page is about. */
const SERVICES = /^(services?|components?|systems?|affected services?)$/i;

function pageOf(file: string, raw: string): string {
  const html = /\.html?$/i.test(file);
  const id = pageId(file);
  const named = (file.split("/").at(-1) ?? file).replace(/[ _-]?[0-9a-f]{32}(?=\.)/i, "").replace(/\.(md|html?)$/i, "");
  const title = html
    ? (between(raw, /<h1 class="page-title"[^>]*>([\s\S]*?)<\/h1>/) ?? between(raw, /<title>([\s\S]*?)<\/title>/) ?? named)
    : (/^#\s+(.+)$/m.exec(raw)?.[1]?.trim() ?? named);
  const body = html ? (/<div class="page-body">([\s\S]*)<\/div>\s*<\/article>/.exec(raw)?.[1] ?? raw) : raw;
  const { properties, text } = html ? { properties: {}, text: markdownOf(body) } : propertiesOf(raw);
  const about = Object.entries(properties);
  const services = about.find(([name]) => SERVICES.test(name))?.[1]?.split(/,\s*/);
  const folders = file.split("/").slice(0, -1).join(" ");
  return withFrontMatter(
    {
      id: `notion:${id ?? named}`,
      title,
      kind: kindByName(`${title} ${folders}`),
      services,
      link: id && `https://www.notion.so/${id}`,
      ...Object.fromEntries(
        about
          .filter(([name]) => /^(severity|status|owner|date|started|created)$/i.test(name))
          .map(([name, value]) => [name.toLowerCase(), value]),
      ),
    },
    text,
  );
}

/** A page of a database begins with its properties, `Name: value`, one a line, below the title. */
function propertiesOf(raw: string): { readonly properties: Readonly<Record<string, string>>; readonly text: string } {
  const [, heading = "", block = "", rest = ""] =
    /^(#\s+.+\n+)?((?:[A-Z][\w ]{0,40}: .+\n)+)\n([\s\S]*)$/.exec(raw.replace(/\r/g, "")) ?? [];
  if (!block) return { properties: {}, text: raw };
  const properties = Object.fromEntries(
    block
      .trim()
      .split("\n")
      .map((line) => {
        const at = line.indexOf(": ");
        return [line.slice(0, at), line.slice(at + 2).trim()];
      }),
  );
  return { properties, text: heading + rest };
}
