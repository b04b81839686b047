import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { loadConfig } from "../config.ts";
import { openKnowledge } from "../knowledge/index.ts";
import { OperatorError } from "../operator-error.ts";
import { openDatabase } from "../store/database.ts";
import { KnowledgeRepository, type KnowledgeTables, knowledgeMigrations } from "../store/knowledge.ts";
import { embedderOf } from "../wiring/knowledge-embedder.ts";
import { type OutputOptions, print } from "./output.ts";

interface SearchOptions extends OutputOptions {
  readonly docs: string;
  readonly top: number;
  readonly queries?: string;
}

/** Finds documents of a folder by meaning and words. Vectors are kept by content in the state folder, so a second run is quick. */
export async function search(text: string | null, options: SearchOptions): Promise<void> {
  const folder = resolve(options.docs);
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new OperatorError(`--docs names ${folder}, which is not a folder.`);
  const queries = options.queries ? readQueries(options.queries) : null;
  if (!queries && !text?.trim())
    throw new OperatorError('Give a text to look for, for instance "database slow after a rollout", or --queries FILE.json.');

  const config = loadConfig();
  const db = await openDatabase<KnowledgeTables>(join(resolve(config.dataDir), "search.db"), knowledgeMigrations, "normal");
  const knowledge = await openKnowledge({ store: new KnowledgeRepository(db), embedder: embedderOf(config) });
  try {
    const { problems } = await knowledge.ingestFolder(folder, { collection: folder });
    for (const problem of problems) process.stderr.write(`vigil: ${problem}\n`);
    const answer = async (query: string) => {
      const hits = await knowledge.search({ text: query, top: options.top, collection: folder });
      return hits.map(({ file, score }) => ({ file, score: Number(score.toFixed(4)) }));
    };
    if (queries) {
      const answers: { query: string; results: { file: string; score: number }[] }[] = [];
      for (const query of queries) answers.push({ query, results: await answer(query) });
      print(options, { answers }, () =>
        answers.map(({ query, results }) => [query, ...results.map(line)].join("\n")).join("\n\n"),
      );
    } else {
      const results = await answer(text ?? "");
      print(options, { results }, () => results.map(line).join("\n") || "Nothing found.");
    }
  } finally {
    await knowledge.close();
    await db.destroy();
  }
}

const line = ({ file, score }: { file: string; score: number }): string => `  ${score.toFixed(3)}  ${file}`;

function readQueries(file: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new OperatorError(
      `--queries ${file} cannot be read as JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const list = Array.isArray(value) ? value : (value as { queries?: unknown } | null)?.queries;
  if (!Array.isArray(list))
    throw new OperatorError(`--queries ${file} must hold a list of texts, or of objects with "query" or "text".`);
  return list.map((item: unknown, index) => {
    const object = item as { query?: unknown; text?: unknown } | null;
    const query = typeof item === "string" ? item : (object?.query ?? object?.text);
    if (typeof query !== "string")
      throw new OperatorError(`--queries ${file}: entry ${index} has no text under "query" or "text".`);
    return query;
  });
}
