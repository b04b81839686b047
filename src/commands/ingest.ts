import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { loadConfig } from "../config.ts";
import { withCore } from "./core.ts";
import { OperatorError, type OutputOptions, print } from "./output.ts";

/** Adds a folder to what Vigil knows. */
export async function ingest(dir: string, options: OutputOptions): Promise<void> {
  const folder = resolve(dir);
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new OperatorError(`${folder} is not a folder.`);
  const result = await withCore(loadConfig(), ({ knowledge }) =>
    knowledge.ingestFolder(folder, {
      collection: folder,
      onProgress: (done, total) => process.stderr.write(`embedded ${done} of ${total} passages\n`),
    }),
  );
  for (const problem of result.problems) process.stderr.write(`vigil: ${problem}\n`);
  print(options, result, () => `${result.documents} documents: ${result.changed} new or changed, ${result.removed} removed.`);
}
