import { basename } from "node:path";
import type { DocumentSource } from "../../knowledge/source.ts";
import { exportedFiles } from "./archive.ts";

export interface ExportOptions {
  /** A zip, or the folder that it was unpacked to. */
  readonly path: string;
  readonly collection: string;
  readonly audience: string | null;
}

/** What is particular to the wiki that wrote an export. */
export interface ExportFormat {
  readonly name: string;
  readonly wanted: RegExp;
  /** Files that list or accompany pages. */
  readonly skipped: RegExp;
  /** What stays when a page's title changes, or null when its name does not say. */
  readonly pageId: (file: string) => string | null;
  /** Markdown with front matter. */
  readonly pageOf: (file: string, raw: string) => string;
}

/** The pages of an exported wiki. */
export function exportedWiki({ path, collection, audience }: ExportOptions, format: ExportFormat): DocumentSource {
  return {
    collection,
    audience,
    documents: async () =>
      (await exportedFiles(path, format.wanted))
        .filter(({ file }) => !format.skipped.test(file))
        .map(({ file, read }) => ({
          file: format.pageId(file) ?? file,
          version: null,
          metadata: { source: `${format.name} export ${basename(path)}` },
          read: async () => format.pageOf(file, await read()),
        })),
  };
}
