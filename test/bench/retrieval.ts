import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openKnowledge } from "../../src/knowledge/index.ts";
import { openDatabase } from "../../src/store/database.ts";
import { KnowledgeRepository, type KnowledgeTables, knowledgeMigrations } from "../../src/store/knowledge.ts";

/** R@1, R@5 and MRR of the search on the public retrieval set. VIGIL_BENCH_DIR keeps the vectors between runs. */
const root = resolve(import.meta.dirname, "../../../shared/data/retrieval");
if (!existsSync(root)) {
  console.log(`skipped: ${root} is not here`);
} else {
  const suite = join(root, "kubernetes-runbooks");
  const queries = JSON.parse(readFileSync(join(suite, "queries.json"), "utf8")) as { query: string; relevant: string[] }[];
  const folder = process.env.VIGIL_BENCH_DIR ?? mkdtempSync(join(tmpdir(), "vigil-bench-"));
  const db = await openDatabase<KnowledgeTables>(join(folder, "bench.db"), knowledgeMigrations, "normal");
  const embedder = { model: "none", embed: () => Promise.reject(new Error("words only")), close: async () => {} };
  const rows: Record<string, object> = {};
  for (const name of ["words alone", "Vigil"]) {
    const knowledge = await openKnowledge({ store: new KnowledgeRepository(db), ...(name === "Vigil" ? {} : { embedder }) });
    await knowledge.ingestFolder(join(suite, "docs"), { collection: "docs" }).catch(() => undefined);
    const started = performance.now();
    const ranks: number[] = [];
    for (const { query, relevant } of queries) {
      const hits = await knowledge.search({ text: query, top: 200 });
      const rank = hits.findIndex(({ file }) => relevant.includes(file));
      if (process.env.VIGIL_BENCH_MISSES && rank !== 0 && name === "Vigil") console.log(rank + 1, query.slice(0, 110), "|", relevant[0], "|", hits[0]?.file);
      ranks.push(rank === -1 ? Number.POSITIVE_INFINITY : rank + 1);
    }
    const share = (most: number) => (ranks.filter((rank) => rank <= most).length / ranks.length).toFixed(3);
    const mrr = ranks.reduce((sum, rank) => sum + 1 / rank, 0) / ranks.length;
    const ms = (performance.now() - started) / queries.length;
    rows[name] = { "R@1": share(1), "R@5": share(5), MRR: mrr.toFixed(3), "ms a query": ms.toFixed(1) };
    await knowledge.close();
  }
  rows["BM25, defaults, whole page (published with the data)"] = { "R@1": "0.755", "R@5": "0.925", MRR: "0.835" };
  rows["BM25 tuned (published with the data)"] = { "R@1": "0.887", "R@5": "0.972", MRR: "0.930" };
  console.table(rows);
  await db.destroy();
}
