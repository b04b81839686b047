/**
 * A process of its own that adds and removes documents until it is killed, and says what it is about to remove and what is durable.
 * Usage: knowledge-writer.ts STATE_DB INDEX_FILE
 */
import { Knowledge } from "../../src/knowledge/index.ts";
import { openDatabase } from "../../src/store/database.ts";
import { KnowledgeRepository, type KnowledgeTables, knowledgeMigrations } from "../../src/store/knowledge.ts";
import { WordEmbedder } from "./word-embedder.ts";

const [file = "", indexFile = ""] = process.argv.slice(2);
const db = await openDatabase<KnowledgeTables>(file, knowledgeMigrations, "full");
const store = new KnowledgeRepository(db);
const knowledge = await Knowledge.open({ store, embedder: new WordEmbedder(), indexFile, graphFrom: 40 });
for (let index = 0; ; index++) {
  const text = `Incident number ${index}: the ${"abcdefghij"[index % 10]} queue stopped.`;
  await knowledge.add({ id: `D${index}`, kind: "incident", title: `Queue ${index}`, services: [], text, metadata: {} });
  process.stdout.write(`added D${index}\n`);
  if (index % 3 === 2) {
    process.stdout.write(`removing D${index - 1}\n`);
    await knowledge.remove(`D${index - 1}`);
    process.stdout.write(`removed D${index - 1}\n`);
  }
}
