/** Something the operator can put right: bad input, missing file, unreachable server. The message says what to do; no stack trace is shown. */
export class OperatorError extends Error {
  override readonly name = "OperatorError";
}
