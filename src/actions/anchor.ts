import type { EpochMs, Milliseconds } from "../domain/time.ts";

/** The newest row of the audit trail as it was at some time, noted where whoever can change the database cannot. */
export interface Anchor {
  readonly seq: number;
  readonly hash: string;
  /** Wall clock. */
  readonly at: EpochMs;
}

/** Outside the database: a file on another disk, a log that only grows, somebody else's server. */
export interface AnchorPlace {
  readonly name: string;
  /** @throws when it was not noted; the next time tries again with what is newest then. */
  note(anchor: Anchor): Promise<void>;
}

export interface AnchoringOptions {
  readonly head: () => Promise<Omit<Anchor, "at"> | null>;
  readonly places: readonly AnchorPlace[];
  readonly every: Milliseconds;
  readonly now: () => EpochMs;
  readonly onFailure: (place: string, error: unknown) => void;
}

/**
 * Notes the head of the audit trail outside the database whenever it has grown. A hash chain alone does not show that its tail was cut or
 * that the whole was written anew; a head that was noted elsewhere does (Schneier and Kelsey, "Secure audit logs", 1999).
 */
export class Anchoring {
  readonly #options: AnchoringOptions;
  readonly #noted = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: AnchoringOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.note(), this.#options.every).unref();
  }

  /** Notes what came last, too. */
  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    await this.note();
  }

  async note(): Promise<void> {
    const { head, places, now, onFailure } = this.#options;
    const newest = await head();
    if (!newest) return;
    for (const place of places) {
      if (this.#noted.get(place.name) === newest.seq) continue;
      try {
        await place.note({ ...newest, at: now() });
        this.#noted.set(place.name, newest.seq);
      } catch (error) {
        onFailure(place.name, error);
      }
    }
  }
}
