import type { HeldBack } from "../actions/index.ts";
import { type EpochMs, HOUR, MINUTE, type Milliseconds, SECOND } from "../domain/time.ts";
import type { Log } from "./log.ts";
import type { IncidentChannel } from "./ports.ts";
import type { WatchMemory } from "./stores.ts";

export interface HeldBackDependencies {
  readonly channel: Pick<IncidentChannel, "tell">;
  readonly memory: Pick<WatchMemory, "remember" | "recall">;
  /** Wall clock. */
  readonly now: () => EpochMs;
  readonly log: Log;
}

/** Of a flood, the rest is waited for: one message says it all. */
const GATHER: Milliseconds = MINUTE;
/** Between two messages: people need a rest from these, too. */
const WINDOW: Milliseconds = HOUR;
const EVERY: Milliseconds = 10 * SECOND;
const MOST_KEPT = 500;
const MOST_TARGETS = 10;
const KEY = "held-back";

interface Memory {
  readonly toldAt: EpochMs | null;
  /** When the first of `waiting` came; null while there is none. */
  readonly since: EpochMs | null;
  readonly waiting: readonly HeldBack[];
}

const NOTHING: Memory = { toldAt: null, since: null, waiting: [] };

/** Proposals that got no card because there were too many of them: the channel is told in one message an hour, also across a restart. */
export class HeldBackDigest {
  readonly #deps: HeldBackDependencies;
  #timer: NodeJS.Timeout | null = null;
  /** What is remembered is changed by one at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(deps: HeldBackDependencies) {
    this.#deps = deps;
  }

  start(): void {
    this.#timer = setInterval(
      () =>
        this.check().catch((error) =>
          this.#deps.log.warn({ err: error }, "held-back proposals could not be told; the next look tries again"),
        ),
      EVERY,
    );
  }

  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    await this.#turn;
  }

  /** Keeps it for the next message; stored when this resolves. The same wish again counts once. */
  note(wish: HeldBack): Promise<void> {
    return this.#inTurn(async () => {
      const memory = await this.#recall();
      const known = memory.waiting.some(({ target, summary }) => target === wish.target && summary === wish.summary);
      if (known || memory.waiting.length >= MOST_KEPT) return;
      await this.#remember({ ...memory, since: memory.since ?? this.#deps.now(), waiting: [...memory.waiting, wish] });
    });
  }

  /** Tells what is due. True when something was told. */
  check(): Promise<boolean> {
    return this.#inTurn(async () => {
      const memory = await this.#recall();
      const now = this.#deps.now();
      if (memory.since === null || now - memory.since < GATHER) return false;
      if (memory.toldAt !== null && now - memory.toldAt < WINDOW) return false;
      // Remembered first: told once or, at a crash in between, not at all.
      await this.#remember({ toldAt: now, since: null, waiting: [] });
      try {
        await this.#deps.channel.tell(null, heldBackText(memory.waiting));
      } catch (error) {
        await this.#remember(memory);
        throw error;
      }
      return true;
    });
  }

  async #recall(): Promise<Memory> {
    return (await this.#deps.memory.recall<Memory>(KEY)) ?? NOTHING;
  }

  #remember(memory: Memory): Promise<void> {
    return this.#deps.memory.remember(KEY, memory);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}

/** How many, for what, and what to do, in Markdown. */
export function heldBackText(wishes: readonly HeldBack[]): string {
  const byTarget = new Map<string, HeldBack[]>();
  for (const wish of wishes) byTarget.set(wish.target, [...(byTarget.get(wish.target) ?? []), wish]);
  const targets = [...byTarget].toSorted(([, a], [, b]) => b.length - a.length);
  const lines = targets.slice(0, MOST_TARGETS).map(([target, held]) => {
    const last = held.at(-1)?.summary ?? "";
    return `- **${target.replace(":", " ")}:** ${held.length === 1 ? last : `${held.length}, the latest: ${last}`}`;
  });
  const more = targets.length - lines.length;
  const limits = new Set(wishes.map(({ limit }) => limit));
  return [
    `**${wishes.length} ${wishes.length === 1 ? "proposal was" : "proposals were"} held back**, so that cards stay few enough to read. None was filed, and nothing of it runs.`,
    ...lines,
    ...(more > 0 ? [`- and ${more} more ${more === 1 ? "target" : "targets"}`] : []),
    limits.has("pendingAtOnce")
      ? "What to do: decide the cards that wait, which makes room; then `investigate SERVICE` asks again for what is still needed."
      : "What to do: look at these yourselves; an hour after the first cards there is room again, and `investigate SERVICE` asks again.",
    `The ${limits.size === 1 ? "limit is" : "limits are"} ${[...limits].map((limit) => `\`limits.${limit}\``).join(" and ")} of the policy. If this is a flood, \`stop\` halts everything.`,
  ].join("\n");
}
