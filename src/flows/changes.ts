import type { ChangeEvent, ChangeSource } from "../domain/telemetry.ts";
import { type Clock, DAY, type EpochMs } from "../domain/time.ts";
import type { NewDocument } from "../knowledge/index.ts";
import type { Log } from "./log.ts";
import type { WatchMemory } from "./stores.ts";

/** A change as its system tells it; `at` is wall clock, texts are cleaned and still untrusted. */
export interface IncomingChange extends ChangeEvent {
  /** What people wrote about it (pull request, flag description, diff summary), for search. */
  readonly context: string;
  /** Changes that are about the same thing share this, for instance a pull request and the deploy of its commit: `github:owner/repo@SHA`. */
  readonly about?: string;
}

/** Takes changes in; what it took is durable when its promise resolves. The same id counts once. */
export interface ChangeIntake {
  take(changes: readonly IncomingChange[]): Promise<void>;
}

export interface ChangeRecorderDependencies {
  readonly sink: { appendChanges(changes: readonly ChangeEvent[]): void };
  readonly changes: ChangeSource;
  readonly memory: WatchMemory;
  /** With `embed` false a document is kept and found by words; its meaning waits for the next embedding run. */
  readonly library: { add(document: NewDocument, options?: { readonly embed: boolean }): Promise<void> };
  /** Of telemetry. */
  readonly clock: Clock;
  /** Wall clock. */
  readonly now: () => EpochMs;
  readonly log: Log;
}

/** How far back the version is looked for that a deploy replaced. */
const LOOK_BACK = 90 * DAY;

/** What was written about a thing, kept for the changes about it that come later. */
interface Remembered {
  readonly id: string;
  readonly context: string;
}

/**
 * Keeps changes beside telemetry, where investigations look for what changed, and in the context repository, where a change of another
 * time and place is found by what was written about it. A deploy gets the text of its pull request, and the version that it replaced.
 */
export class ChangeRecorder implements ChangeIntake {
  readonly #deps: ChangeRecorderDependencies;
  #indexing: Promise<void> = Promise.resolve();
  #embed = false;

  constructor(deps: ChangeRecorderDependencies) {
    this.#deps = deps;
  }

  async take(changes: readonly IncomingChange[]): Promise<void> {
    const { sink, memory, clock, now } = this.#deps;
    for (const { context, about, ...told } of changes) {
      const at = Math.round(clock.now() - (now() - told.at) * clock.speed);
      const change: ChangeEvent = { ...told, at, before: told.before || (await this.#replaced({ ...told, at })) };
      const key = `change-context/${about}`;
      const earlier = about ? await memory.recall<Remembered>(key) : null;
      sink.appendChanges([change]);
      const related = earlier && earlier.id !== change.id && earlier.context !== context ? earlier.context : "";
      if (about && context.length > related.length) await memory.remember(key, { id: change.id, context } satisfies Remembered);
      this.#index(change, [context, related].filter(Boolean).join("\n\n"));
    }
  }

  /** Indexes changes that were stored already, for instance by a watcher. */
  index(changes: readonly ChangeEvent[]): void {
    for (const change of changes) this.#index(change, "");
  }

  /** From now on changes are embedded as they come. Until then the embedding model, which is large, is left in peace: history is being read. */
  embedFromNowOn(): void {
    this.#embed = true;
  }

  /** Waits until everything taken is indexed. */
  async close(): Promise<void> {
    await this.#indexing;
  }

  /** What stood there before, by the deploy before; empty when none is known. */
  async #replaced(change: ChangeEvent): Promise<string> {
    if (change.kind !== "deploy") return "";
    const range = { from: change.at - LOOK_BACK, to: change.at };
    const earlier = await this.#deps.changes.changes({ ...range, kinds: ["deploy"], limit: 500 });
    const same = (one: ChangeEvent) =>
      one.subject === change.subject && one.environment === change.environment && one.id !== change.id;
    return earlier.find(same)?.after ?? "";
  }

  /** The sender does not wait for the embedding. */
  #index(change: ChangeEvent, context: string): void {
    const { library, log } = this.#deps;
    const added = library.add(documentOf(change, context), { embed: this.#embed });
    this.#indexing = Promise.all([this.#indexing, added]).then(
      () => undefined,
      (error) =>
        log.warn({ err: error, change: change.id }, "a change is not found by meaning yet; the next ingestion tries again"),
    );
  }
}

const VERBS: Readonly<Record<ChangeEvent["kind"], string>> = {
  flag: "Flag change",
  deploy: "Deploy",
  config: "Configuration change",
  scale: "Scaling",
  other: "Change",
};

/** A change as a text that is found by what it did and why. */
function documentOf(change: ChangeEvent, context: string): NewDocument {
  const when = new Date(change.at).toISOString().slice(0, 16).replace("T", " ");
  const states = change.before ? `${change.before} → ${change.after}` : change.after;
  const services = change.services.length > 0 ? ` It touches ${change.services.join(", ")}.` : "";
  return {
    id: `change:${change.id}`,
    kind: "note",
    title: `${change.subject}: ${states}`,
    services: change.services,
    text: [
      `${VERBS[change.kind]} of ${change.subject} in ${change.environment} by ${change.actor} on ${when} UTC: ${states}.${services}`,
      change.summary,
      context,
    ]
      .filter(Boolean)
      .join("\n\n"),
    metadata: {
      type: "change",
      started: new Date(change.at).toISOString(),
      change_kind: change.kind,
      environment: change.environment,
      author: change.actor,
      before: change.before,
      after: change.after,
      link: change.reference,
      source: change.source,
    },
  };
}
