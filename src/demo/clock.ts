import { readFileSync } from "node:fs";
import { sync as writeFileAtomicSync } from "write-file-atomic";
import type { Clock, EpochMs } from "../domain/time.ts";

interface Anchor {
  readonly demo: EpochMs;
  readonly wall: EpochMs;
  readonly speed: number;
}

/** The demo's clock: it runs `speed` times faster than the wall clock from an anchor in a file, so that the bot and the shop agree. */
export class DemoClock implements Clock {
  readonly #anchor: Anchor;

  private constructor(anchor: Anchor) {
    this.#anchor = anchor;
  }

  get speed(): number {
    return this.#anchor.speed;
  }

  now(): EpochMs {
    return Math.floor(this.#anchor.demo + (Date.now() - this.#anchor.wall) * this.#anchor.speed);
  }

  /** Sets the clock to `demo` now and writes the anchor. */
  static set(file: string, demo: EpochMs, speed: number): DemoClock {
    const anchor: Anchor = { demo, wall: Date.now(), speed };
    writeFileAtomicSync(file, JSON.stringify(anchor), { mode: 0o600 });
    return new DemoClock(anchor);
  }

  /** The clock as the file has it, or null when there is none yet. */
  static read(file: string): DemoClock | null {
    try {
      return new DemoClock(JSON.parse(readFileSync(file, "utf8")) as Anchor);
    } catch {
      return null;
    }
  }
}
