import type { Milliseconds } from "../../domain/time.ts";

const LONGEST_WAIT = 10_000;

/** Worth another try: rate limits, server failures, broken connections; not a timeout, which has cost enough. */
export function mayPass(error: unknown): boolean {
  const status = (error as { status?: unknown }).status;
  if (typeof status === "number") return status === 429 || status >= 500;
  const text = error instanceof Error ? `${error.name} ${error.message}` : "";
  return /connection|ECONN|socket|fetch failed|terminated|premature/i.test(text) && !/time(?:d )?out/i.test(text);
}

/** What the server asks for (Retry-After, RFC 9110), else exponential with half of it by chance (Brooker, "Exponential backoff and jitter", 2015). */
export function waitBefore(error: unknown, attempt: number, random: () => number): Milliseconds {
  const headers = (error as { headers?: unknown }).headers;
  const asked = headers instanceof Headers ? Number(headers.get("retry-after")) : Number.NaN;
  if (asked > 0) return Math.min(LONGEST_WAIT, asked * 1_000 * (1 + 0.1 * random()));
  return Math.min(4_000, 250 * 2 ** attempt) * (0.5 + random());
}

/** Rejects with the signal's reason when it is aborted. */
export function pause(length: Milliseconds, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, length);
    signal.addEventListener("abort", stop, { once: true });
  });
}
