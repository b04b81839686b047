import type { Milliseconds } from "../domain/time.ts";

/** Runs a task at most once in each interval, never twice at a time, and once more after the last request. A failing task is reported, not thrown. */
export class Refresher {
  readonly #every: Milliseconds;
  readonly #task: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #wanted = false;
  #loop: Promise<void> | null = null;
  #wake: () => void = () => {};

  constructor(every: Milliseconds, task: () => Promise<void>, failed: (error: unknown) => void) {
    this.#every = every;
    this.#task = task;
    this.#failed = failed;
  }

  request(): void {
    this.#wanted = true;
    this.#loop ??= this.#drain().finally(() => {
      this.#loop = null;
    });
  }

  /** Drops requests not yet begun and waits for the one in progress. */
  async settle(): Promise<void> {
    this.#wanted = false;
    this.#wake();
    await this.#loop;
  }

  async #drain(): Promise<void> {
    while (this.#wanted) {
      this.#wanted = false;
      await this.#task().catch(this.#failed);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#every);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
