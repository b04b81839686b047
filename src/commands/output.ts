export interface OutputOptions {
  /** Machine-readable output was asked for with `--json`. */
  readonly json?: boolean;
}

/** JSON for `--json` and for pipes that a program reads; text for a person at a terminal. */
export function print(options: OutputOptions, value: unknown, text: () => string): void {
  const machine = options.json === true || process.stdout.isTTY !== true;
  process.stdout.write(`${machine ? JSON.stringify(value) : text()}\n`);
}
