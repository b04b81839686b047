import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import MiniSearch from "minisearch";
import type { DocumentKind } from "../../src/domain/knowledge.ts";
import { Knowledge, LocalEmbedder } from "../../src/knowledge/index.ts";
import { openDatabase } from "../../src/store/database.ts";
import { KnowledgeRepository, type KnowledgeTables, knowledgeMigrations } from "../../src/store/knowledge.ts";

/**
 * R@1, R@5 and MRR of the search, with simple baselines measured on the same pages. Two sets: public alert texts with the runbook page that
 * answers each, and symptoms in other words with the shipped incident (written by the same people as the incidents, so easier than life).
 * VIGIL_BENCH_DIR keeps the vectors between runs; VIGIL_BENCH_MISSES=1 lists what was not found first; VIGIL_BENCH_VARIANTS=1 asks the public alerts in
 * other ways too, so that a gain on one wording is not taken for a gain.
 */
interface Suite {
  readonly name: string;
  readonly folder: string;
  readonly kinds?: readonly DocumentKind[];
  readonly queries: readonly { readonly query: string; readonly relevant: readonly string[] }[];
  /** What `relevant` names. */
  readonly by: "file" | "documentId";
}

/** One based; infinite when it is not there. */
type Rank = number;

const root = resolve(import.meta.dirname, "../..");
const shared = resolve(root, "../shared/data/retrieval/kubernetes-runbooks");
const suites: Suite[] = [];
if (existsSync(shared)) {
  const queries = JSON.parse(readFileSync(join(shared, "queries.json"), "utf8")) as Suite["queries"];
  suites.push({ name: "kubernetes-runbooks", folder: join(shared, "docs"), queries, by: "file" });
} else console.log(`kubernetes-runbooks skipped: ${shared} is not here`);
const paraphrased = JSON.parse(readFileSync(join(import.meta.dirname, "paraphrased-symptoms.json"), "utf8")) as Suite["queries"];
suites.push({
  name: "shipped incidents, symptoms in other words",
  folder: join(root, "data"),
  kinds: ["incident"],
  queries: paraphrased,
  by: "documentId",
});

const row = (ranks: readonly Rank[]) => {
  const share = (most: number) => (ranks.filter((rank) => rank <= most).length / ranks.length).toFixed(3);
  return { "R@1": share(1), "R@5": share(5), MRR: (ranks.reduce((sum, rank) => sum + 1 / rank, 0) / ranks.length).toFixed(3) };
};
const rankIn = (ids: readonly string[], relevant: readonly string[]): Rank => {
  const at = ids.findIndex((id) => relevant.includes(id));
  return at === -1 ? Number.POSITIVE_INFINITY : at + 1;
};
const cosine = (a: Float32Array, b: Float32Array) =>
  a.reduce((sum, one, index) => sum + one * (b[index] ?? 0), 0) / (Math.hypot(...a) * Math.hypot(...b));

/** What one would build in an afternoon: minisearch with its defaults on whole pages, the embedding of a page's beginning, and both by rank. */
async function baselines({ folder, kinds, queries, by }: Suite): Promise<Record<string, object>> {
  const base = kinds ? join(folder, "incidents") : folder;
  const pages = readdirSync(base)
    .filter((file) => file.endsWith(".md"))
    .map((file) => {
      const text = readFileSync(join(base, file), "utf8");
      return { id: by === "file" ? file : (/^id: (.+)$/m.exec(text)?.[1] ?? file), text };
    });
  const words = new MiniSearch<{ id: string; text: string }>({ fields: ["text"] });
  words.addAll(pages);
  const embedder = new LocalEmbedder();
  const vectors = await embedder.embed(pages.map(({ text }) => text.slice(0, 700)));
  const asked = await embedder.embed(queries.map(({ query }) => query));
  await embedder.close();
  const ranks: Record<"words" | "meaning" | "both", Rank[]> = { words: [], meaning: [], both: [] };
  queries.forEach(({ query, relevant }, index) => {
    const vector = asked[index] ?? new Float32Array();
    const byWords = words.search(query).map(({ id }) => String(id));
    const byMeaning = pages
      .map(({ id }, page) => ({ id, similarity: cosine(vector, vectors[page] ?? new Float32Array()) }))
      .sort((a, b) => b.similarity - a.similarity)
      .map(({ id }) => id);
    const reciprocal = (list: readonly string[], id: string) => (list.includes(id) ? 1 / (60 + list.indexOf(id) + 1) : 0);
    const fused = pages
      .map(({ id }) => ({ id, score: reciprocal(byWords, id) + reciprocal(byMeaning, id) }))
      .sort((a, b) => b.score - a.score)
      .map(({ id }) => id);
    ranks.words.push(rankIn(byWords, relevant));
    ranks.meaning.push(rankIn(byMeaning, relevant));
    ranks.both.push(rankIn(fused, relevant));
  });
  return {
    "BM25 alone (minisearch, defaults, whole page)": row(ranks.words),
    "embedding alone (first 700 characters)": row(ranks.meaning),
    "naive reciprocal-rank fusion of both": row(ranks.both),
  };
}

let seed = 20_261_125;
const chance = () => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 4_294_967_296;
};
const sentences = (query: string) => query.split(/(?<=\.)\s+(?=[A-Z])/);
const wordsOf = (query: string) => query.split(/\s+/);
const VARIANTS: Readonly<Record<string, (query: string) => string>> = {
  "without the summary": (query) => sentences(query).slice(0, -1).join(" ") || query,
  "the summary alone": (query) => sentences(query).at(-1) ?? query,
  "30 % of the words lost": (query) =>
    wordsOf(query)
      .filter(() => chance() > 0.3)
      .join(" "),
  "words in any order": (query) =>
    wordsOf(query)
      .map((word) => ({ word, at: chance() }))
      .sort((a, b) => a.at - b.at)
      .map(({ word }) => word)
      .join(" "),
  "first words joined to a name": (query) => {
    const plain = wordsOf(query).filter((word) => /^[A-Za-z]+$/.test(word));
    const name = plain.slice(0, 3).map((word) => word.slice(0, 1).toUpperCase() + word.slice(1));
    return [name.join(""), ...plain.slice(3)].join(" ");
  },
};

const state = process.env.VIGIL_BENCH_DIR ?? mkdtempSync(join(tmpdir(), "vigil-bench-"));
const nothing = { model: "none", embed: () => Promise.reject(new Error("words only")), close: async () => {} };
for (const suite of suites) {
  const rows: Record<string, object> = await baselines(suite);
  for (const name of ["Vigil, words only (embedding down)", "Vigil"]) {
    const file = name === "Vigil" ? join(state, `${suite.by}.db`) : ":memory:";
    const db = await openDatabase<KnowledgeTables>(file, knowledgeMigrations, "normal");
    const knowledge = await Knowledge.open({
      store: new KnowledgeRepository(db),
      ...(name === "Vigil" ? {} : { embedder: nothing }),
    });
    const ingested = knowledge.ingestFolder(suite.folder, { collection: "bench" });
    await (name === "Vigil" ? ingested : ingested.catch(() => undefined));
    const ranks: Rank[] = [];
    const asked = async (query: string, relevant: readonly string[]) => {
      const hits = await knowledge.search({ text: query, top: 200, ...(suite.kinds ? { kinds: suite.kinds } : {}) });
      const found = hits.map((hit) => hit[suite.by]);
      return { rank: rankIn(found, relevant), hits };
    };
    const started = performance.now();
    for (const { query, relevant } of suite.queries) {
      const { rank, hits } = await asked(query, relevant);
      if (process.env.VIGIL_BENCH_MISSES && name === "Vigil" && rank > 1)
        console.log(rank, query.slice(0, 100), "|", relevant[0], "|", hits[0]?.[suite.by]);
      ranks.push(rank);
    }
    rows[name] = { ...row(ranks), "ms a query": ((performance.now() - started) / suite.queries.length).toFixed(1) };
    if (process.env.VIGIL_BENCH_VARIANTS && suite.by === "file")
      for (const [words, variant] of Object.entries(VARIANTS)) {
        const other: Rank[] = [];
        for (const { query, relevant } of suite.queries) other.push((await asked(variant(query), relevant)).rank);
        rows[`${name}: ${words}`] = row(other);
      }
    await knowledge.close();
    await db.destroy();
  }
  console.log(`\n${suite.name}: ${suite.queries.length} queries`);
  console.table(rows);
}
if (!process.env.VIGIL_BENCH_DIR) rmSync(state, { recursive: true, force: true });
