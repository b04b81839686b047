import MiniSearch from "minisearch";
import { chunksOf, type KnowledgeDocument } from "./document.ts";
import { termsOf } from "./words.ts";

interface Fields {
  readonly key: string;
  readonly title: string;
  readonly lead: string;
  readonly body: string;
}

/** Okapi BM25F-like search by words (minisearch): titles and the section that says what a page is about weigh more. */
export class WordIndex {
  readonly #index = new MiniSearch<Fields>({
    idField: "key",
    fields: ["title", "lead", "body"],
    tokenize: termsOf,
    processTerm: (term) => term,
    searchOptions: {
      boost: { title: 3, lead: 2 },
      tokenize: termsOf,
      processTerm: (term) => term,
      bm25: { k: 1.2, b: 0.6, d: 0.3 },
    },
  });

  put(key: string, document: KnowledgeDocument): void {
    this.remove(key);
    const chunks = chunksOf(document);
    const lead = chunks.find(({ heading, text }) => LEAD.test(heading) && text) ?? chunks[0];
    this.#index.add({
      key,
      title: `${document.title} ${document.file} ${document.services.join(" ")}`,
      lead: `${lead?.text ?? ""} ${document.metadata.root_cause ?? ""}`,
      body: document.text,
    });
  }

  remove(key: string): void {
    if (this.#index.has(key)) this.#index.discard(key);
  }

  /** Scores by key, best first. */
  search(text: string): Map<string, number> {
    return new Map(this.#index.search(text).map(({ id, score }) => [String(id), score]));
  }
}

const LEAD = /meaning|symptom|summary|what happened|overview|impact|description/i;

/** What words are worth beside meaning. */
const WORDS = 0.7;

/**
 * Fuses both scores on a common scale: words against the best of this query, meaning between the query's median and best similarity, so
 * that neither drowns the other where it has nothing to say (convex combination: Bruch, Gai and Ingber 2023).
 */
export function fuse(
  words: ReadonlyMap<string, number>,
  meaning: ReadonlyMap<string, number> | null,
): Map<string, { score: number; words: number; meaning: number }> {
  const bestWords = Math.max(1e-9, ...words.values());
  const similarities = [...(meaning?.values() ?? [])].sort((a, b) => a - b);
  const middle = similarities[similarities.length >> 1] ?? 0;
  const bestMeaning = Math.max(middle + 1e-9, similarities.at(-1) ?? 0);
  const fused = new Map<string, { score: number; words: number; meaning: number }>();
  for (const key of new Set([...words.keys(), ...(meaning?.keys() ?? [])])) {
    const byWords = (words.get(key) ?? 0) / bestWords;
    const raw = meaning?.get(key) ?? 0;
    const byMeaning = Math.max(0, (raw - middle) / (bestMeaning - middle));
    fused.set(key, {
      score: meaning ? WORDS * byWords + (1 - WORDS) * byMeaning : byWords,
      words: words.get(key) ?? 0,
      meaning: raw,
    });
  }
  return fused;
}
