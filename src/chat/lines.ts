/** Work under one key is done one after the other, in the order in which it was asked for; different keys go side by side. */
export class Lines {
  readonly #last = new Map<string, Promise<void>>();

  /** @param rest holds the line after the work, whatever came of it */
  run<T>(key: string, work: () => Promise<T>, rest: () => Promise<void> = async () => {}): Promise<T> {
    const result = (this.#last.get(key) ?? Promise.resolve()).then(work);
    const ended = result.then(rest, rest);
    this.#last.set(key, ended);
    void ended.then(() => {
      if (this.#last.get(key) === ended) this.#last.delete(key);
    });
    return result;
  }
}
