import { Lines } from "../lines.ts";
import { DeliveryError } from "../surface.ts";

/** At most `count` calls within `within` milliseconds. */
interface Window {
  readonly count: number;
  readonly within: number;
}

/** Teams' limits: 50 requests a second for an app in a tenant; for one conversation 7 in a second, 60 in half a minute, 1,800 an hour. */
const ALL: readonly Window[] = [{ count: 50, within: 1_000 }];
const CONVERSATION: readonly Window[] = [
  { count: 7, within: 1_000 },
  { count: 60, within: 30_000 },
  { count: 1_800, within: 3_600_000 },
];

export interface PaceOptions {
  readonly now?: () => number;
  readonly sleep?: (milliseconds: number) => Promise<void>;
  /** 0 to 1, for the jitter. */
  readonly random?: () => number;
  /** Milliseconds between two calls to one conversation. */
  readonly gap?: number;
}

/** Keeps calls within Teams' limits: one at a time for each conversation, in order, and none sooner than allowed. */
export class Pace {
  readonly #now: () => number;
  readonly #sleep: (milliseconds: number) => Promise<void>;
  readonly #random: () => number;
  readonly #gap: number;
  readonly #lines = new Lines();
  readonly #calls = new Map<string, number[]>();
  #all: number[] = [];

  constructor(options: PaceOptions = {}) {
    this.#now = options.now ?? Date.now;
    this.#sleep = options.sleep ?? ((milliseconds) => new Promise((done) => setTimeout(done, milliseconds).unref()));
    this.#random = options.random ?? Math.random;
    this.#gap = options.gap ?? 1_000;
  }

  run<T>(conversation: string, call: () => Promise<T>): Promise<T> {
    return this.#lines.run(conversation, async () => {
      await this.#mayGo(conversation);
      return call();
    });
  }

  /**
   * Tries again what Teams asks to be tried again (412, 429, 502, 504), doubling the pause, with full jitter above its half, or as long as
   * Teams says.
   *
   * @throws DeliveryError of the last try, with the pause that was asked for.
   */
  async patiently<T>(call: () => Promise<T>, tries = 3): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (error) {
        const again = error instanceof TeamsError && error.passing && attempt < tries;
        const asked = error instanceof TeamsError ? error.retryAfter : null;
        // A long wait is the outbox's business, not this call's.
        if (!again || (asked ?? 0) > 10_000) throw error;
        const pause = 500 * 2 ** (attempt - 1);
        await this.#sleep(Math.max(asked ?? 0, pause / 2 + (pause / 2) * this.#random()));
      }
    }
  }

  async #mayGo(conversation: string): Promise<void> {
    for (;;) {
      const at = this.#now();
      const own = (this.#calls.get(conversation) ?? []).filter((time) => at - time < 3_600_000);
      this.#all = this.#all.filter((time) => at - time < 1_000);
      const wait = Math.max(
        waitFor(ALL, this.#all, at),
        waitFor(CONVERSATION, own, at),
        (own.at(-1) ?? -Infinity) + this.#gap - at,
      );
      if (wait <= 0) {
        own.push(at);
        this.#all.push(at);
        this.#calls.set(conversation, own);
        return;
      }
      await this.#sleep(wait);
    }
  }
}

/** Milliseconds until one more call fits into every window. */
function waitFor(windows: readonly Window[], calls: readonly number[], at: number): number {
  const waits = windows.map(({ count, within }) => {
    const oldest = calls[calls.length - count];
    return oldest === undefined ? 0 : oldest + within - at;
  });
  return Math.max(0, ...waits);
}

/** What Teams answered instead of taking a message. */
export class TeamsError extends DeliveryError {
  /** Worth a try in a moment. */
  readonly passing: boolean;
  /** HTTP status, or null when no answer came. */
  readonly status: number | null;

  constructor(
    message: string,
    kind: DeliveryError["kind"],
    options: { passing: boolean; status: number | null; retryAfter?: number | null; cause?: unknown },
  ) {
    super(message, kind, options);
    this.passing = options.passing;
    this.status = options.status;
  }
}
