/** A configured system that can be tried without changing anything there. */
export interface Probe {
  /** What Vigil uses it for, as the configuration calls it: `flags`, `metrics`. */
  readonly concern: string;
  /**
   * One read-only call. Resolves to what was found, in one line: `Unleash 7.4.1 at flags.example: 12 flags`.
   *
   * @throws an error whose message names the remedy
   */
  check(): Promise<string>;
}
