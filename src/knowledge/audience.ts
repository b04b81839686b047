import { AsyncLocalStorage } from "node:async_hooks";
import type { KnowledgeBase, SearchHit } from "../domain/knowledge.ts";

/** The key in a document's metadata that names the private place where its text was said. */
export const AUDIENCE_KEY = "audience";
/** Hits to look at for each that is wanted, since some will be hidden. */
const SPARE = 3;

/**
 * Keeps what was said in a private channel in that channel. Whatever is asked while `run` works sees only documents for everyone and those of
 * its own audience. Outside of `run` (the operator's commands) everything is seen.
 * The audience travels with the asynchronous work, so that no tool has to hand it on or could forget to.
 */
export class AudienceScope {
  readonly #current = new AsyncLocalStorage<{ readonly audience: string | null }>();

  run<T>(audience: string | null, work: () => Promise<T>): Promise<T> {
    return this.#current.run({ audience }, work);
  }

  /** Whether the current audience may know what belongs to `place`; null is for everyone. */
  sees(place: string | null): boolean {
    const scope = this.#current.getStore();
    return !scope || place === null || place === scope.audience;
  }

  /** The same knowledge, as far as the current audience may see it. */
  bind(knowledge: KnowledgeBase): KnowledgeBase {
    return {
      search: async (query) => {
        const scope = this.#current.getStore();
        if (!scope) return knowledge.search(query);
        const hits = await knowledge.search({ ...query, top: query.top * SPARE + SPARE });
        return hits.filter((hit) => mayRead(hit.metadata, scope.audience)).slice(0, query.top);
      },
      document: async (id) => {
        const scope = this.#current.getStore();
        const document = await knowledge.document(id);
        return document && (!scope || mayRead(document.metadata ?? {}, scope.audience)) ? document : null;
      },
    };
  }
}

const mayRead = (metadata: SearchHit["metadata"], audience: string | null): boolean => {
  const place = metadata[AUDIENCE_KEY];
  return place === undefined || place === audience;
};
