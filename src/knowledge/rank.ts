import MiniSearch from "minisearch";
import { type KnowledgeDocument, leadOf } from "./document.ts";
import { alternativesOf } from "./vocabulary.ts";
import { phrasesOf, termsOf } from "./words.ts";

type Field = "titlePhrases" | "leadPhrases" | "body" | "bodyPhrases";
type Indexed = { readonly key: string } & Readonly<Record<Field, string>>;

/**
 * What a match is worth by where it is. The weights were set once, by hand, where the results hardly depend on them, on two sets that pull
 * in different directions: alert texts with their runbooks (titles and phrases decide) and symptoms in other words (single words and meaning).
 */
const WORTH: Readonly<Record<Field, number>> = { titlePhrases: 0.3, leadPhrases: 0.4, body: 1.5, bodyPhrases: 0.2 };

/** Worth of a title all of whose words are in the query, in the unit of the BM25 sum. */
const TITLE_COVERAGE = 6;

/** What another word for the same thing is worth, against the query's own. Results hardly depend on it between 0.5 and 0.9. */
const ALTERNATIVE = 0.7;

/** What a document's next best sign is worth, against the one before it. */
const NEXT_SIGN = 0.5;

/** Terms travel through minisearch as one string: they are cut and stemmed here, for documents and queries alike. */
const pack = (terms: readonly string[]): string => terms.join("\n");
const unpack = (packed: string): string[] => (packed === "" ? [] : packed.split("\n"));

/** Search by words: Okapi BM25 (Robertson and Zaragoza 2009) in each field, over single words and phrases of two. */
export class WordIndex {
  readonly #titles = new Map<string, ReadonlySet<string>>();
  /** In how many titles a term occurs. */
  readonly #titleCounts = new Map<string, number>();
  readonly #index = new MiniSearch<Indexed>({
    idField: "key",
    fields: Object.keys(WORTH),
    tokenize: unpack,
    processTerm: (term) => term,
    // Vacuuming in the background trips over documents that come and go meanwhile; searches skip what is gone, and every start builds anew.
    autoVacuum: false,
    searchOptions: { boost: { ...WORTH }, bm25: { k: 1.2, b: 0.5, d: 0 } },
  });

  put(key: string, document: KnowledgeDocument): void {
    this.remove(key);
    const title = termsOf(document.title);
    const names = new Set([title, ...document.aliases.map(termsOf)].flat());
    const { root_cause = "", resolution = "", tags = "" } = document.metadata;
    const body = termsOf([document.title, document.services.join(" "), root_cause, resolution, tags, document.text].join("\n"));
    this.#titles.set(key, names);
    for (const term of names) this.#titleCounts.set(term, (this.#titleCounts.get(term) ?? 0) + 1);
    this.#index.add({
      key,
      titlePhrases: pack(phrasesOf(title)),
      leadPhrases: pack([...phrasesOf(title), ...phrasesOf(termsOf(leadOf(document)))]),
      body: pack(body),
      bodyPhrases: pack(phrasesOf(body)),
    });
  }

  remove(key: string): void {
    for (const term of this.#titles.get(key) ?? []) {
      const count = (this.#titleCounts.get(term) ?? 1) - 1;
      if (count === 0) this.#titleCounts.delete(term);
      else this.#titleCounts.set(term, count);
    }
    this.#titles.delete(key);
    if (this.#index.has(key)) this.#index.discard(key);
  }

  /** Scores by key. A document that shares no word with the query is not in it. */
  search(text: string): Map<string, number> {
    const words = termsOf(text);
    const terms = new Set([...words, ...phrasesOf(words)]);
    const scores = new Map<string, number>();
    const holders = new Map<string, Set<string>>();
    for (const { id, score, queryTerms, match } of this.#index.search(pack([...terms]))) {
      const key = String(id);
      // minisearch multiplies the sum by the number of terms that matched; undone, so that long queries do not drown the meaning.
      scores.set(key, score / Math.max(1, queryTerms.length) + TITLE_COVERAGE * this.#titleCoverage(key, terms));
      for (const term of Object.keys(match)) holders.set(term, (holders.get(term) ?? new Set()).add(key));
    }
    for (const term of terms)
      for (const [key, score] of this.#byAlternatives(term, terms, holders.get(term) ?? new Set()))
        scores.set(key, (scores.get(key) ?? TITLE_COVERAGE * this.#titleCoverage(key, terms)) + score);
    return scores;
  }

  /** Where a term does not stand but another for the same thing does: the best of these, never worth more than the term itself would be. */
  #byAlternatives(term: string, asked: ReadonlySet<string>, holders: ReadonlySet<string>): Map<string, number> {
    const best = new Map<string, number>();
    const most = 2 * WORTH.body * rarity(holders.size, this.#titles.size);
    for (const other of alternativesOf(term)) {
      if (asked.has(other)) continue;
      const field: Field = other.includes(" ") ? "bodyPhrases" : "body";
      const boost = { [field]: ALTERNATIVE * WORTH[field] };
      for (const { id, score } of this.#index.search(pack([other]), { fields: [field], boost })) {
        const key = String(id);
        if (!holders.has(key)) best.set(key, Math.max(best.get(key) ?? 0, Math.min(score, most)));
      }
    }
    return best;
  }

  /**
   * Scores by key for signs that are each looked for by itself. A document's best match counts whole, its next half, its third a quarter: what
   * was noise matches something weakly everywhere and adds little, where in one long query it would drown the telling sign.
   */
  searchSigns(signs: readonly string[]): Map<string, number> {
    const matches = new Map<string, number[]>();
    for (const sign of new Set(signs))
      for (const [key, score] of this.search(sign)) matches.set(key, [...(matches.get(key) ?? []), score]);
    return new Map(
      [...matches].map(([key, scores]) => [
        key,
        scores.sort((a, b) => b - a).reduce((sum, score, place) => sum + score * NEXT_SIGN ** place, 0),
      ]),
    );
  }

  /** Share of a title that the query names, 0 to 1; rare words weigh more, and another word for the same thing counts in part. */
  #titleCoverage(key: string, asked: ReadonlySet<string>): number {
    let covered = 0;
    let all = 0;
    for (const term of this.#titles.get(key) ?? []) {
      const weight = rarity(this.#titleCounts.get(term) ?? 0, this.#titles.size);
      all += weight;
      if (asked.has(term)) covered += weight;
      else if ([...alternativesOf(term)].some((other) => asked.has(other))) covered += ALTERNATIVE * weight;
    }
    return all === 0 ? 0 : covered / all;
  }
}

/** Inverse document frequency as in BM25. */
const rarity = (holders: number, all: number): number => Math.log(1 + (all - holders + 0.5) / (holders + 0.5));

/** What a cosine similarity of one is worth, in the unit of the BM25 sum. */
const MEANING = 20;

/**
 * Adds what words and meaning say. Both are absolute, so a query that shares few words with anything is decided by meaning, and one that
 * names a page's own words by these (a convex combination, as in Bruch, Gai and Ingber 2023, with the weight set once for all queries).
 */
export const fuse = (words: number, similarity: number): number => words + MEANING * Math.max(0, similarity);
