import type { LearnedContext } from "../agent/types.ts";
import type { KnowledgeBase } from "../domain/knowledge.ts";
import { calibrator, type JudgedClaim } from "../learning/calibration.ts";
import { consensus, correctness } from "../learning/consensus.ts";
import { lesson } from "../learning/lessons.ts";
import type { FeedbackStore, InvestigationStore } from "./stores.ts";

const MOST_EXEMPLARS = 3;
/** How much a helpful document may rise: a tenth of its score for each confirmed use, three at most. */
const BOOST_STEP = 0.1;
const MOST_BOOST = 0.3;

/** What feedback has taught, kept ready for the next investigation; `refresh` after each vote. */
export class Learning implements LearnedContext {
  readonly #investigations: InvestigationStore;
  readonly #feedback: FeedbackStore;
  #calibrate: (raw: number) => number = (raw) => raw;
  #lessons: { readonly id: string; readonly text: string }[] = [];
  #boosts = new Map<string, number>();
  /** Searches what is known; set once the context repository is open. */
  knowledge: KnowledgeBase | null = null;

  constructor(investigations: InvestigationStore, feedback: FeedbackStore) {
    this.#investigations = investigations;
    this.#feedback = feedback;
  }

  async refresh(): Promise<void> {
    const votes = await this.#feedback.all();
    const judged = (await this.#investigations.list({ state: "done" })).map((investigation) => {
      const own = votes.filter((vote) => vote.investigationId === investigation.id);
      return { investigation, own, verdict: consensus(own) };
    });
    const claims: JudgedClaim[] = [];
    const boosts = new Map<string, number>();
    this.#lessons = [];
    for (const { investigation, own, verdict } of judged) {
      const { report } = investigation;
      if (!verdict || !report) continue;
      claims.push({ confidence: report.confidence, correctness: correctness(verdict) });
      const text = lesson(investigation, own);
      if (text) this.#lessons.push({ id: investigation.id, text });
      const direction = correctness(verdict) - 0.5;
      for (const { tool, facts } of report.evidence) {
        if (tool !== "search_past_incidents") continue;
        for (const value of Object.values(facts)) {
          if (typeof value === "string" && /^(INC|INV)-\d+$/.test(value))
            boosts.set(value, (boosts.get(value) ?? 0) + 2 * direction * BOOST_STEP);
        }
      }
    }
    this.#calibrate = calibrator(claims);
    this.#boosts = boosts;
  }

  calibrate(raw: number): number {
    return this.#calibrate(raw);
  }

  /** How much a document that helped, or misled, before moves in the ranking: a share of its score, within ±0.3. */
  boost(documentId: string): number {
    return Math.max(-MOST_BOOST, Math.min(MOST_BOOST, this.#boosts.get(documentId) ?? 0));
  }

  async exemplars(symptom: string): Promise<readonly string[]> {
    if (this.#lessons.length <= MOST_EXEMPLARS || !this.knowledge)
      return this.#lessons.slice(-MOST_EXEMPLARS).map(({ text }) => text);
    const near = (await this.knowledge.search({ text: symptom, top: 20 })).map(({ documentId }) => documentId);
    const rank = (id: string) => (near.indexOf(id) === -1 ? near.length : near.indexOf(id));
    return this.#lessons
      .toSorted((a, b) => rank(a.id) - rank(b.id))
      .slice(0, MOST_EXEMPLARS)
      .map(({ text }) => text);
  }
}
