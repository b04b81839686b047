import type { Milliseconds } from "../domain/time.ts";
import type { Log } from "./log.ts";

/** Who leads, for people. */
export interface Leader {
  readonly holder: string;
  /** Grows with each change of the leader. */
  readonly token: number;
  /** Milliseconds until others may take over, by the database's clock; negative when they may now. */
  readonly left: Milliseconds;
}

export type Taken = { readonly leads: true; readonly token: number } | ({ readonly leads: false } & Leader);

/** The one lease of all replicas on one state. Its times are judged by the database's clock alone. */
export interface LeaderStore {
  /** Takes or renews the lease for `term`. Another holder's that has not run out stays theirs. */
  take(holder: string, term: Milliseconds): Promise<Taken>;
  /** Gives it back, so that another need not wait for its end. */
  release(holder: string): Promise<void>;
  leader(): Promise<Leader | null>;
}

export interface LeadershipOptions {
  /** Null where the state belongs to one process, which then always leads. */
  readonly store: LeaderStore | null;
  /** This process among all on the state. */
  readonly holder: string;
  /** How long a leader that fell silent keeps others from taking over. */
  readonly term: Milliseconds;
  /** Lets work write only while the token is the newest: what a leader does that was paused past its time is refused by the database. */
  readonly fenced: <T>(token: number, work: () => Promise<T>) => Promise<T>;
  /** Begins what only the leader does; resolves with how to end it. `signal` aborts when the turn is over before it has begun. */
  readonly lead: (signal: AbortSignal) => Promise<() => Promise<void>>;
  /** A clock that nobody sets, and that goes on while the process is stopped. */
  readonly elapsed: () => Milliseconds;
  readonly log: Log;
}

/** A turn at leading, from taking the lease to losing it. */
interface Turn {
  readonly token: number;
  readonly abort: AbortController;
  /** Resolves when what a leader does is under way, or was given up. */
  readonly begun: Promise<void>;
  end: () => Promise<void>;
}

/** Of the term: how often the lease is renewed, or looked at. */
const RENEWALS = 3;
/** Beyond another's time, before the next try. */
const PATIENCE: Milliseconds = 20;

/**
 * Sees to it that of several replicas one watches, investigates, posts and clears away, and another takes over when it falls silent: a lease
 * with a fencing token (after Gray & Cheriton, "Leases", SOSP 1989). A leader knows by its own clock when its time is over, counted from
 * before it asked, so never later than the database does; and what it writes after that is refused there.
 */
export class Leadership {
  readonly #options: LeadershipOptions;
  #turn: Turn | null = null;
  /** Of the newest turn. */
  #begun: Promise<void> = Promise.resolve();
  /** By `elapsed`: until then this process may believe that it leads. */
  #until = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  #asking: Promise<void> = Promise.resolve();
  /** Turns end before the next begins. */
  #ending: Promise<void> = Promise.resolve();
  #stopped = false;
  #followed: string | null = null;
  /** By `elapsed`: until then the last answer says who leads; a database that hangs gives no other. */
  #knownUntil = Number.NEGATIVE_INFINITY;

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  get leads(): boolean {
    // Where there is nobody else, what people ask for need not wait until the watch has begun.
    if (this.alone) return true;
    return this.#turn !== null && this.#options.elapsed() < this.#until;
  }

  /** Null while it is not known. */
  get leader(): string | null {
    if (this.leads) return this.#options.holder;
    return this.#options.elapsed() < this.#knownUntil ? this.#followed : null;
  }

  get alone(): boolean {
    return this.#options.store === null;
  }

  /** Does something as the leader of now. @throws when this process does not lead */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.alone) return work();
    const turn = this.#turn;
    if (!turn || !this.leads) throw new Error("This replica does not lead");
    return this.#options.fenced(turn.token, work);
  }

  /** Takes the lease if it is free. Resolves when what the leader does is under way, or at once when somebody else leads. */
  async start(): Promise<void> {
    await this.#ask();
    await this.#begun;
  }

  /** Ends what the leader does, and gives the lease back. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer) clearTimeout(this.#timer);
    await this.#asking;
    const led = this.#turn !== null;
    this.#over();
    await this.#ending;
    const { store, holder, log } = this.#options;
    if (led) await store?.release(holder).catch((error) => log.warn({ err: error }, "the lease could not be given back"));
  }

  #ask(): Promise<void> {
    this.#asking = this.#renew().then((pause) => {
      if (this.#stopped || pause === null) return;
      this.#timer = setTimeout(() => void this.#ask(), Math.max(PATIENCE, pause));
    });
    return this.#asking;
  }

  /** @returns when to ask again; null: never */
  async #renew(): Promise<Milliseconds | null> {
    const { store, holder, term, elapsed, log } = this.#options;
    if (!store) {
      this.#until = Number.POSITIVE_INFINITY;
      this.#begin(0);
      return null;
    }
    const asked = elapsed();
    try {
      const taken = await store.take(holder, term);
      if (taken.leads) {
        if (this.#turn?.token !== taken.token) this.#over();
        this.#until = asked + term;
        if (!this.#turn) this.#begin(taken.token);
        return term / RENEWALS;
      }
      if (this.#turn) log.warn({ leader: taken.holder }, "another replica leads now; this one serves chat and approvals");
      else if (this.#followed !== taken.holder)
        log.info({ leader: taken.holder }, "another replica leads; this one serves chat and approvals");
      this.#followed = taken.holder;
      this.#knownUntil = elapsed() + term;
      this.#over();
      return Math.min(term / RENEWALS, taken.left + PATIENCE);
    } catch (error) {
      log.warn({ err: error }, "the lease of the leader could not be asked for; trying again");
      // Who leads is not known until it can be asked for again.
      this.#followed = null;
      if (!this.leads) this.#over();
      return term / RENEWALS;
    }
  }

  #begin(token: number): void {
    const { fenced, lead, log } = this.#options;
    const abort = new AbortController();
    if (!this.alone) log.info({ token }, "this replica leads");
    const turn: Turn = {
      token,
      abort,
      end: async () => undefined,
      begun: this.#ending
        .then(() => fenced(token, () => lead(abort.signal)))
        .then(
          (end) => {
            turn.end = () => fenced(token, end);
          },
          (error) => {
            if (abort.signal.aborted) return log.warn({ err: error }, "the turn at leading was over before it had begun");
            if (this.#turn === turn) this.#over();
            throw error;
          },
        ),
    };
    // Who starts it is told; a turn that comes later has nobody to tell but the log.
    turn.begun.catch((error) => log.error({ err: error }, "this replica could not begin to lead"));
    this.#turn = turn;
    this.#begun = turn.begun;
  }

  #over(): void {
    const turn = this.#turn;
    if (!turn) return;
    this.#turn = null;
    this.#until = Number.NEGATIVE_INFINITY;
    turn.abort.abort(new Error("another replica leads"));
    const { log } = this.#options;
    this.#ending = turn.begun
      .catch(() => undefined)
      .then(() => turn.end())
      .catch((error) => log.warn({ err: error }, "what the leader did did not end cleanly"));
  }
}
