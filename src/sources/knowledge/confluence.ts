import { createHash } from "node:crypto";
import type { DocumentSource } from "../../knowledge/source.ts";
import { type ExportOptions, exportedWiki } from "./export.ts";
import { kindByName, withFrontMatter } from "./front-matter.ts";
import { between, markdownOf } from "./html.ts";

/** An HTML export of a Confluence space: a zip, or the folder that it was unpacked to. */
export const confluenceExport = (options: ExportOptions): DocumentSource =>
  exportedWiki(options, {
    name: "Confluence",
    wanted: /\.html?$/i,
    skipped: /(^|\/)(index|attachments\/.*)\.html?$/i,
    pageId,
    pageOf,
  });

/** Exports name a page `Its-title_65538.html`; the number stays when the title changes. */
const pageId = (file: string): string | null => /(?:^|[_/])(\d+)\.html?$/i.exec(file)?.[1] ?? null;

function pageOf(file: string, html: string): string {
  const title = between(html, /<span id="title-text">([\s\S]*?)<\/span>/) ?? between(html, /<title>([\s\S]*?)<\/title>/) ?? file;
  // The title of a page bears its space first: `SPACE : Title`.
  const name = title.replace(/^[^:]{1,80} : /, "");
  const crumbs = between(html, /<ol id="breadcrumbs">([\s\S]*?)<\/ol>/) ?? "";
  const about = between(html, /<div class="page-metadata">([\s\S]*?)<\/div>/) ?? "";
  const [, author] = /Created by\s+(.+?)(?:,|\son\s|$)/.exec(about) ?? [];
  const [, changed] = /(?:modified(?: by .+?)?|Created by .+?) on\s+(\w+ \d{1,2}, \d{4})/.exec(about) ?? [];
  const started = changed ? new Date(`${changed} UTC`) : null;
  const main = /<div id="main-content"[^>]*>([\s\S]*?)(?:<div class="pageSection|<\/body>)/.exec(html)?.[1] ?? html;
  return withFrontMatter(
    {
      id: `confluence:${pageId(file) ?? createHash("sha256").update(file).digest("hex").slice(0, 12)}`,
      title: name,
      kind: kindByName(`${name} ${crumbs}`),
      author: author?.trim(),
      updated: started && !Number.isNaN(started.getTime()) ? started.toISOString().slice(0, 10) : null,
      space: crumbs,
    },
    markdownOf(main),
  );
}
