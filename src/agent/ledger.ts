import type { Hypothesis } from "../domain/investigation.ts";

/** A hypothesis as a mind states it; `id` says which held one it updates. */
export type Held = Omit<Hypothesis, "id" | "trail"> & { readonly id?: string | undefined };

/** The rivals of one investigation as state: each keeps its id and the course of its confidence for as long as it is held. */
export class Ledger {
  #held: readonly Hypothesis[] = [];
  #lastId = 0;

  /** Best first. */
  get hypotheses(): readonly Hypothesis[] {
    return this.#held;
  }

  /** Starts from what an earlier investigation held. */
  restore(hypotheses: readonly Hypothesis[]): void {
    this.#held = [...hypotheses];
    this.#lastId = Math.max(0, ...hypotheses.map(({ id }) => Number(id.slice(1)) || 0));
  }

  /** Updates the rivals that are stated. The others stay as they were, or go when `only` these are left. */
  hold(stated: readonly Held[], { only = false }: { readonly only?: boolean } = {}): readonly Hypothesis[] {
    const taken = new Set<string>();
    const updated = stated.map((one): Hypothesis => {
      const known = this.#held.find((held) => !taken.has(held.id) && isSame(held, one));
      const id = known?.id ?? `H${++this.#lastId}`;
      taken.add(id);
      const predictions = one.predictions?.length ? one.predictions : known?.predictions;
      return { ...one, id, ...(predictions ? { predictions } : {}), trail: [...(known?.trail ?? []), one.confidence] };
    });
    const others = only ? [] : this.#held.filter(({ id }) => !taken.has(id));
    this.#held = [...updated, ...others].sort((a, b) => b.confidence - a.confidence);
    return this.#held;
  }
}

/** By id where one is given, else by the change that is blamed, else by the kind of cause and where it starts. */
function isSame(held: Hypothesis, stated: Held): boolean {
  if (stated.id !== undefined) return held.id === stated.id;
  if (held.cause !== stated.cause) return false;
  if (held.changeId !== null || stated.changeId !== null) return held.changeId === stated.changeId;
  return held.service === stated.service;
}
