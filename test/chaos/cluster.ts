import {
  type Cohort,
  type FlagProvider,
  type FlagState,
  StateMovedError,
  TargetError,
  type WriteContext,
} from "../../src/actions/ports.ts";

/** What becomes of a write on its way: it arrives, is refused, is lost before or after it took effect, comes late, or is never answered. */
export type Fate = "arrives" | "refused" | "request lost" | "answer lost" | "late" | "hangs";

export interface Applied {
  readonly key: string;
  /** Wall clock. */
  readonly at: number;
  readonly by: "vigil" | "person";
  readonly kind: "execute" | "undo" | "pin" | "person";
  readonly percent: number;
  readonly pinned: boolean;
}

export interface Asked {
  readonly key: string;
  readonly at: number;
  readonly kind: Applied["kind"];
  readonly percent: number | null;
}

const KEY = "new-layout";

/** The flag that all simulated processes act on: outside of every one of them, so that it survives their deaths and remembers what really happened. */
export class Cluster {
  readonly environment = "production";
  readonly history: Applied[] = [];
  readonly asked: Asked[] = [];
  readonly #now: () => number;
  readonly #done = new Set<string>();
  readonly #late: { readonly at: number; readonly run: () => void }[] = [];
  percent = 25;
  pinned = false;
  down = false;
  fate: () => Fate = () => "arrives";

  constructor(now: () => number) {
    this.#now = now;
  }

  get state(): FlagState {
    return {
      key: KEY,
      description: "",
      enabled: true,
      percent: this.percent,
      pinnedOff: this.pinned ? ["test"] : [],
      services: ["shelf"],
      fingerprint: `${this.percent}/${this.pinned}`,
    };
  }

  /** What was on its way arrives. */
  tick(): void {
    const due = this.#late.filter(({ at }) => at <= this.#now());
    for (const one of due) {
      this.#late.splice(this.#late.indexOf(one), 1);
      one.run();
    }
  }

  get quiet(): boolean {
    return this.#late.length === 0;
  }

  /** Setting what is set already changes nothing, and nobody could tell it. */
  personSets(percent: number): void {
    if (percent === this.percent) return;
    this.percent = percent;
    this.#record({ key: "person", by: "person", kind: "person" });
  }

  /** The provider as one process reaches it; a dead process's calls do nothing and never come back. */
  provider(alive: () => boolean): FlagProvider {
    const never = new Promise<never>(() => {});
    const read = async <T>(value: () => T): Promise<T> => {
      if (!alive()) return never;
      if (this.down) throw new TargetError("the provider is down", { outcomeUnknown: false });
      return value();
    };
    const write = async (
      kind: Applied["kind"],
      percent: number | null,
      to: WriteContext,
      change: () => void,
    ): Promise<FlagState> => {
      if (!alive()) return never;
      this.asked.push({ key: to.idempotencyKey, at: this.#now(), kind, percent });
      const apply = () => this.#apply(kind, to, change);
      const fate = this.down ? "request lost" : this.fate();
      switch (fate) {
        case "refused":
          throw new TargetError("the provider refused", { outcomeUnknown: false });
        case "request lost":
          throw new TargetError("connection reset", { outcomeUnknown: true });
        case "hangs":
          return never;
        case "late":
          this.#late.push({
            at: this.#now() + 20_000,
            run: () => {
              try {
                apply();
              } catch {
                // Refused when it came: nobody is there to hear it.
              }
            },
          });
          throw new TargetError("no answer", { outcomeUnknown: true });
        case "answer lost":
          apply();
          throw new TargetError("the answer was lost", { outcomeUnknown: true });
        default:
          apply();
          return this.state;
      }
    };
    return {
      environment: this.environment,
      list: () => read(() => [this.state]),
      get: (key) => read(() => (key === KEY ? this.state : null)),
      snapshot: () => read(() => String(this.percent)),
      setPercent: (_key, percent, to) =>
        write("execute", percent, to, () => {
          this.percent = percent;
        }),
      setEnabled: () => Promise.reject(new TargetError("not here", { outcomeUnknown: false })),
      pinCohort: (_key: string, _cohort: Cohort, pinned: boolean, to) =>
        write("pin", null, to, () => {
          this.pinned = pinned;
        }),
      restore: (_key, snapshot, to) =>
        write("undo", Number(snapshot), to, () => {
          this.percent = Number(snapshot);
        }),
    };
  }

  #apply(kind: Applied["kind"], to: WriteContext, change: () => void): void {
    if (this.#done.has(to.idempotencyKey)) return;
    if (to.expected !== null && to.expected !== this.state.fingerprint) throw new StateMovedError("moved");
    this.#done.add(to.idempotencyKey);
    change();
    this.#record({ key: to.idempotencyKey, by: "vigil", kind });
  }

  #record(what: Pick<Applied, "key" | "by" | "kind">): void {
    this.history.push({ ...what, at: this.#now(), percent: this.percent, pinned: this.pinned });
  }
}
