import type { Milliseconds } from "../domain/time.ts";
import { TargetError } from "./ports.ts";

/**
 * Gives up on a call to a target after a time-out (wall clock). A read that is given up tells nothing; a write that is given up may still
 * take effect, so its outcome is unknown.
 */
export async function withDeadline<T>(work: Promise<T>, within: Milliseconds, what: string, kind: "read" | "write"): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new TargetError(`${what} gave no answer within ${within / 1_000} s.`, { outcomeUnknown: kind === "write" });
      reject(error);
    }, within);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
