import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { loadConfig } from "../config.ts";
import { OperatorError } from "../operator-error.ts";
import { knowledgeSources } from "../wiring/knowledge-sources.ts";
import { withCore } from "./core.ts";
import { type OutputOptions, print } from "./output.ts";

/** Adds a folder to what Vigil knows, or reads all configured folders and sources again. */
export async function ingest(dir: string | null, options: OutputOptions): Promise<void> {
  const folder = dir === null ? null : resolve(dir);
  if (folder && (!existsSync(folder) || !statSync(folder).isDirectory())) throw new OperatorError(`${folder} is not a folder.`);
  const config = loadConfig();
  const onProgress = (done: number, total: number) => process.stderr.write(`embedded ${done} of ${total} passages\n`);
  const results = await withCore(config, async ({ knowledge }) => {
    if (folder) return [{ source: folder, ...(await knowledge.ingestFolder(folder, { collection: folder, onProgress })) }];
    const read = [];
    for (const source of knowledgeSources(config, () => [])) {
      read.push({ source: source.collection, ...(await knowledge.ingest(source, { onProgress })) });
    }
    return read;
  });
  for (const { source, problems } of results) {
    for (const problem of problems) process.stderr.write(`vigil: ${source}: ${problem}\n`);
  }
  print(options, folder ? results[0] : { sources: results }, () =>
    results
      .map(
        ({ source, documents, changed, removed }) =>
          `${source}: ${documents} documents, ${changed} new or changed, ${removed} removed`,
      )
      .join("\n"),
  );
}
