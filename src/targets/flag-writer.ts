import { createHash } from "node:crypto";
import type { FlagState, WriteContext } from "../actions/ports.ts";
import { StateMovedError, TargetError } from "../actions/ports.ts";

/** A flag as its system gives it, and what Vigil makes of it. */
export interface ReadFlag<Flag> {
  readonly flag: Flag;
  readonly state: FlagState;
}

/** Idempotency keys that are remembered; the executor never sends a write again after a restart but reads the target first. */
const KEYS = 1_000;

/** Writes to flags that are kept behind an API: one at a time, each key once, only while the flag is as expected, and read back. */
export class FlagWriter<Flag> {
  readonly #read: (key: string) => Promise<ReadFlag<Flag>>;
  readonly #done = new Set<string>();
  #queue: Promise<unknown> = Promise.resolve();

  /** @param read rejects with `TargetError` when there is no such flag */
  constructor(read: (key: string) => Promise<ReadFlag<Flag>>) {
    this.#read = read;
  }

  /**
   * @param reached whether a state is as it is wanted: then nothing is sent, and it must be true when the flag is read back
   * @throws StateMovedError when the flag is not as expected; TargetError of unknown outcome when it reads back otherwise
   */
  change(
    key: string,
    write: WriteContext,
    reached: (state: FlagState) => boolean,
    change: (flag: Flag) => Promise<void>,
  ): Promise<FlagState> {
    const work = async (): Promise<FlagState> => {
      const before = await this.#read(key);
      if (this.#done.has(write.idempotencyKey)) return before.state;
      if (write.expected !== null && before.state.fingerprint !== write.expected) throw moved(key);
      if (!reached(before.state)) await change(before.flag);
      const after = await this.#read(key);
      if (!reached(after.state)) {
        throw new TargetError(`${key} does not read back as it was set; somebody may have changed it at the same time.`, {
          outcomeUnknown: true,
        });
      }
      this.#remember(write.idempotencyKey);
      return after.state;
    };
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  #remember(key: string): void {
    this.#done.add(key);
    const [oldest] = this.#done;
    if (this.#done.size > KEYS && oldest !== undefined) this.#done.delete(oldest);
  }
}

export const moved = (key: string): StateMovedError =>
  new StateMovedError(`${key} is not as it was when this was decided; look again and propose anew.`);

/** JSON with sorted keys and without empty values: a system may reorder the former and drop the latter. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    const entries = Object.entries(part).filter(([, one]) => one !== null && one !== undefined);
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** Of a text that is equal for equal behaviour. */
export const fingerprintOf = (behaviour: string): string => createHash("sha256").update(behaviour).digest("hex").slice(0, 16);
