import type { LearnedContext } from "../agent/types.ts";
import type { Anomaly } from "../domain/anomaly.ts";
import type { LearnedPrior } from "../domain/feedback.ts";
import type { CauseKind, Investigation } from "../domain/investigation.ts";
import type { KnowledgeBase } from "../domain/knowledge.ts";
import type { Proposal } from "../domain/proposal.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import type { EpochMs } from "../domain/time.ts";
import type { Blame } from "../learning/claims.ts";
import type { Influence, Undo } from "../learning/influence.ts";
import { Learned, type Learnt, recordWords } from "../learning/learned.ts";
import type { LearnedDocument } from "../learning/lessons.ts";
import { CAUSES } from "../learning/priors.ts";
import type { RealChance } from "../learning/realness.ts";
import type { Course, Patience } from "../learning/thresholds.ts";
import type { Log } from "./log.ts";
import type { FeedbackStore, InvestigationStore } from "./stores.ts";

/** What people took back, newest last. */
export interface UndoStore {
  all(): Promise<Undo[]>;
  /** Replaces an earlier entry of the same target. */
  put(undo: Undo): Promise<void>;
  /** False when there is no such entry. */
  lift(target: string): Promise<boolean>;
}

export interface LearningDependencies {
  readonly investigations: Pick<InvestigationStore, "list">;
  readonly feedback: Pick<FeedbackStore, "all">;
  readonly proposals: () => Promise<readonly Proposal[]>;
  readonly undone: UndoStore;
  /** Wall clock. */
  readonly now: () => EpochMs;
  /** False: nothing learned has any effect; what people say is kept all the same. */
  readonly enabled: boolean;
  readonly log: Log;
}

/** The context repository as learning needs it: judged investigations are put where past incidents are searched, and taken out again. */
export interface LearnedLibrary extends KnowledgeBase {
  add(document: LearnedDocument & { readonly kind: "incident" }): Promise<void>;
  /** Does nothing when it is not there. */
  remove(id: string): Promise<void>;
}

const MOST_EXEMPLARS = 3;
const EMPTY = { investigations: [], feedback: [], proposals: [], undone: [] };

/** What feedback has taught, kept ready for the next investigation. `refresh` after anything that may have taught something. */
export class Learning implements LearnedContext {
  readonly #deps: LearningDependencies;
  #learned = new Learned(EMPTY);
  #state = "";
  #priors = new Map<ServiceName | null, readonly LearnedPrior[]>();
  #library: LearnedLibrary | null = null;
  /** What is in the library, by id; investigations that are not in here were not looked at since the start. */
  readonly #published = new Map<string, LearnedDocument | null>();

  constructor(deps: LearningDependencies) {
    this.#deps = deps;
  }

  /** Once the context repository is open, judged investigations are kept in it. */
  async publishTo(library: LearnedLibrary): Promise<void> {
    this.#library = library;
    await this.refresh();
  }

  async refresh(): Promise<void> {
    const { investigations, feedback, proposals, undone, enabled, log } = this.#deps;
    const [all, votes, runs, taken] = await Promise.all([
      investigations.list({ state: "done" }),
      feedback.all(),
      proposals(),
      undone.all(),
    ]);
    this.#learned = new Learned(enabled ? { investigations: all, feedback: votes, proposals: runs, undone: taken } : EMPTY);
    this.#state = stateOf(taken, votes);
    this.#priors = new Map();
    await this.#publish(all).catch((error) =>
      log.warn(
        { err: error },
        "what was learned could not all be put where incidents are searched; the next verdict tries again",
      ),
    );
  }

  async #publish(investigations: readonly Investigation[]): Promise<void> {
    const library = this.#library;
    if (!library) return;
    const documents = new Map(this.#learned.documents.map((one) => [one.id, one]));
    for (const id of new Set([...investigations.map((one) => one.id), ...this.#published.keys()])) {
      const document = documents.get(id) ?? null;
      if (this.#published.has(id) && JSON.stringify(this.#published.get(id)) === JSON.stringify(document)) continue;
      if (document) await library.add({ ...document, kind: "incident" });
      else await library.remove(id);
      this.#published.set(id, document);
    }
  }

  get enabled(): boolean {
    return this.#deps.enabled;
  }

  /** Whether an investigation can be found as a past incident. */
  isFound(investigationId: string): boolean {
    return this.#learned.documents.some(({ id }) => id === investigationId);
  }

  /** What has been learned, as of the last refresh. */
  get learned(): Learned {
    return this.#learned;
  }

  calibrate(raw: number, of: Blame): number {
    return this.#learned.calibrate(raw, of);
  }

  /** How far a document moves in the ranking for a symptom of these services. */
  boost(documentId: string, services: readonly ServiceName[]): Learnt<number> {
    return this.#learned.boost(documentId, services);
  }

  /** How likely an incident of these anomalies is real, by what came of the like of it; null before enough was judged. */
  real(anomalies: readonly Anomaly[]): RealChance | null {
    return this.#learned.realChance(anomalies, this.#deps.now());
  }

  /** How long people are spared an anomaly of this course, as of the last refresh. */
  patience(course: Course): Patience {
    return this.#learned.patience(course, this.#deps.now()).value;
  }

  record(action: string, services: readonly ServiceName[]): { readonly points: number; readonly words: string } | null {
    const record = this.#learned.record(action, services);
    return record && { points: record.points, words: recordWords(record) };
  }

  priors(services: readonly ServiceName[]): readonly LearnedPrior[] {
    const known = this.#learned.servicesWithCauses;
    if (known.size === 0) return [];
    return [...services.filter((service) => known.has(service)), null]
      .flatMap((service) => this.#priorsOf(service))
      .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
  }

  exemplars(symptom: string): Promise<readonly string[]> {
    return this.#nearest(symptom, true);
  }

  lessons(symptom: string): Promise<readonly string[]> {
    return this.#nearest(symptom, false);
  }

  /** Judged investigations by how much their symptoms resemble this one's. */
  async #nearest(symptom: string, confirmed: boolean): Promise<readonly string[]> {
    const own = this.#learned.lessons.filter((one) => one.confirmed === confirmed);
    if (own.length <= MOST_EXEMPLARS || !this.#library) return own.slice(-MOST_EXEMPLARS).map(({ text }) => text);
    const near = (await this.#library.search({ text: symptom, top: 20 })).map(({ documentId }) => documentId);
    const rank = (id: string) => (near.indexOf(id) === -1 ? near.length : near.indexOf(id));
    return own
      .toSorted((a, b) => rank(a.id) - rank(b.id))
      .slice(0, MOST_EXEMPLARS)
      .map(({ text }) => text);
  }

  /** What people took back. */
  undone(): Promise<readonly Undo[]> {
    return this.#deps.undone.all();
  }

  /** Takes notice of what was taken back or forgotten elsewhere, by a command beside this process for instance. */
  async refreshIfChanged(): Promise<void> {
    const [undone, votes] = await Promise.all([this.#deps.undone.all(), this.#deps.feedback.all()]);
    if (stateOf(undone, votes) !== this.#state) await this.refresh();
  }

  influences(): readonly Influence[] {
    return this.#learned.influences(this.#deps.now());
  }

  /**
   * Takes back an influence (it starts again from nothing), or everything that an investigation (`INV-7`) or a voter (`surface:id`) taught.
   * Null when there is no such thing.
   */
  async undo(target: string, by: string, reason: string): Promise<Undo | null> {
    const scope = this.#scopeOf(target, await this.#deps.feedback.all());
    if (!scope) return null;
    const undo: Undo = { target, scope, by, reason, at: this.#deps.now() };
    await this.#deps.undone.put(undo);
    await this.refresh();
    return undo;
  }

  /** Lifts an undo. False when there is none. */
  async redo(target: string): Promise<boolean> {
    const lifted = await this.#deps.undone.lift(target);
    if (lifted) await this.refresh();
    return lifted;
  }

  #scopeOf(target: string, votes: readonly { readonly user: string; readonly investigationId: string }[]): Undo["scope"] | null {
    if (this.influences().some(({ id }) => id === target)) return "influence";
    if (votes.some(({ investigationId }) => investigationId === target)) return "investigation";
    return votes.some(({ user }) => user === target) ? "voter" : null;
  }

  #priorsOf(service: ServiceName | null): readonly LearnedPrior[] {
    const known = this.#priors.get(service);
    if (known) return known;
    const priors = CAUSES.map((cause) => {
      const { value, because } = this.#learned.prior(cause, service, this.#deps.now());
      return { cause, service, weight: value, words: priorWords(cause, service, value, because) };
    });
    this.#priors.set(service, priors);
    return priors;
  }
}

/** Changes whenever an undo or a vote does. */
const stateOf = (undone: readonly Undo[], votes: readonly { readonly at: EpochMs }[]): string =>
  `${JSON.stringify(undone)} ${votes.length} ${votes.reduce((sum, { at }) => sum + at, 0)}`;

function priorWords(cause: CauseKind, service: ServiceName | null, weight: number, because: readonly string[]): string {
  const where = service ? `in ${service}` : "in all services";
  const from = because.length > 0 ? ` (${because.slice(-3).join(", ")})` : "";
  return weight > 0 ? `${cause} was the cause ${where} before${from}` : `${cause} was seldom the cause ${where}${from}`;
}
