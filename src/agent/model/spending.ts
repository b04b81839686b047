import type { EpochMs } from "../../domain/time.ts";

/** Ceilings of what models may cost in a UTC day, in US dollars. */
export interface DailyLimits {
  readonly dollars: number;
  /** For what one channel asks. */
  readonly dollarsPerChannel: number;
}

/** Keeps small JSON values over restarts. */
export interface SpendingMemory {
  recall<T>(key: string): Promise<T | null>;
  remember(key: string, value: unknown): Promise<void>;
}

interface Day {
  readonly day: string;
  dollars: number;
  readonly channels: Record<string, number>;
}

const KEY = "spending";

/** Counts what models cost today, in all and by channel, and says when a ceiling is reached. Survives restarts when given a memory. */
export class Spending {
  readonly #limits: DailyLimits;
  readonly #memory: SpendingMemory | null;
  readonly #wall: () => EpochMs;
  #today: Promise<Day> | null = null;

  constructor(limits: DailyLimits, memory: SpendingMemory | null, wall: () => EpochMs) {
    this.#limits = limits;
    this.#memory = memory;
    this.#wall = wall;
  }

  /** The ceiling that is reached, in words, or null. */
  async reached(channel: string | null): Promise<string | null> {
    const { dollars, channels } = await this.#current();
    if (dollars >= this.#limits.dollars) return `$${this.#limits.dollars} a day`;
    if (channel !== null && (channels[channel] ?? 0) >= this.#limits.dollarsPerChannel)
      return `$${this.#limits.dollarsPerChannel} a day for this channel`;
    return null;
  }

  async add(channel: string | null, dollars: number): Promise<void> {
    if (!(dollars > 0)) return;
    const today = await this.#current();
    today.dollars += dollars;
    if (channel !== null) today.channels[channel] = (today.channels[channel] ?? 0) + dollars;
    // A full disk must not stop an investigation; the count in memory still holds.
    await this.#memory?.remember(KEY, today).catch(() => {});
  }

  async #current(): Promise<Day> {
    const day = new Date(this.#wall()).toISOString().slice(0, 10);
    this.#today ??= (this.#memory?.recall<Day>(KEY).catch(() => null) ?? Promise.resolve(null)).then(
      (known) => known ?? { day, dollars: 0, channels: {} },
    );
    const today = await this.#today;
    if (today.day === day) return today;
    const fresh: Day = { day, dollars: 0, channels: {} };
    this.#today = Promise.resolve(fresh);
    return fresh;
  }
}
