import MiniSearch from "minisearch";
import { type KnowledgeDocument, leadOf } from "./document.ts";
import { phrasesOf, termsOf } from "./words.ts";

type Field = "title" | "titlePhrases" | "leadPhrases" | "body" | "bodyPhrases";
type Indexed = { readonly key: string } & Readonly<Record<Field, string>>;

/** What a match is worth by where it is: phrases of the section that says what a page is about, and single words of its title, count most. */
const WORTH: Readonly<Record<Field, number>> = { title: 1.6, titlePhrases: 0.2, leadPhrases: 0.6, body: 0.4, bodyPhrases: 0.15 };

/** Worth of a title all of whose words are in the query, in the unit of the BM25 sum. */
const TITLE_COVERAGE = 20;

/** Terms travel through minisearch as one string: they are cut and stemmed here, for documents and queries alike. */
const pack = (terms: readonly string[]): string => terms.join("\n");
const unpack = (packed: string): string[] => (packed === "" ? [] : packed.split("\n"));

/** Search by words: Okapi BM25 (Robertson and Zaragoza 2009) in each field, over single words and phrases of two. */
export class WordIndex {
  readonly #titles = new Map<string, ReadonlySet<string>>();
  readonly #index = new MiniSearch<Indexed>({
    idField: "key",
    fields: Object.keys(WORTH),
    tokenize: unpack,
    processTerm: (term) => term,
    searchOptions: { boost: { ...WORTH }, bm25: { k: 1.2, b: 0.5, d: 0 } },
  });

  put(key: string, document: KnowledgeDocument): void {
    this.remove(key);
    const title = termsOf(document.title);
    const names = new Set([title, ...document.aliases.map(termsOf)].flat());
    const body = termsOf(`${document.title}\n${document.services.join(" ")}\n${document.text}`);
    this.#titles.set(key, names);
    this.#index.add({
      key,
      title: pack([...names]),
      titlePhrases: pack(phrasesOf(title)),
      leadPhrases: pack([...phrasesOf(title), ...phrasesOf(termsOf(leadOf(document)))]),
      body: pack(body),
      bodyPhrases: pack(phrasesOf(body)),
    });
  }

  remove(key: string): void {
    this.#titles.delete(key);
    if (this.#index.has(key)) this.#index.discard(key);
  }

  /** Scores by key. A document that shares no word with the query is not in it. */
  search(text: string): Map<string, number> {
    const terms = termsOf(text);
    const asked = new Set(terms);
    const scores = new Map<string, number>();
    for (const { id, score, queryTerms } of this.#index.search(pack([...new Set([...terms, ...phrasesOf(terms)])]))) {
      const title = this.#titles.get(String(id)) ?? new Set<string>();
      const covered = [...title].filter((term) => asked.has(term)).length / Math.max(1, title.size);
      // minisearch multiplies the sum by the number of terms that matched; undone, so that long queries do not drown the meaning.
      scores.set(String(id), score / Math.max(1, queryTerms.length) + TITLE_COVERAGE * covered);
    }
    return scores;
  }
}

/** What a cosine similarity of one is worth, in the unit of the BM25 sum. */
const MEANING = 14;

/**
 * Adds what words and meaning say. Both are absolute, so a query that shares few words with anything is decided by meaning, and one that
 * names a page's own words by these (a convex combination, as in Bruch, Gai and Ingber 2023, with the weight set once for all queries).
 */
export const fuse = (words: number, similarity: number): number => words + MEANING * Math.max(0, similarity);
