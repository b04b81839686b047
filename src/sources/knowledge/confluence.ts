import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { DocumentSource, SourceDocument } from "../../knowledge/source.ts";
import { exportedFiles } from "./archive.ts";
import { kindByName, withFrontMatter } from "./front-matter.ts";
import { between, markdownOf } from "./html.ts";

/** An HTML export of a Confluence space: a zip, or the folder that it was unpacked to. */
export function confluenceExport(options: {
  readonly path: string;
  readonly collection: string;
  readonly audience: string | null;
}): DocumentSource {
  const { path, collection, audience } = options;
  return {
    collection,
    audience,
    documents: async () => {
      const files = (await exportedFiles(path, /\.html?$/i)).filter(
        ({ file }) => !/(^|\/)(index|attachments\/.*)\.html?$/i.test(file),
      );
      return files.map(
        ({ file, read }): SourceDocument => ({
          file: pageId(file) ?? file,
          version: null,
          metadata: { source: `Confluence export ${basename(path)}` },
          read: async () => pageOf(file, await read()),
        }),
      );
    },
  };
}

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
