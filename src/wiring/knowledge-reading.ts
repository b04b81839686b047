import type { Logger } from "pino";
import { MINUTE } from "../domain/time.ts";
import type { DocumentSource, Knowledge } from "../knowledge/index.ts";
import type { Progress } from "./progress.ts";

export interface ReadingParts {
  readonly knowledge: Knowledge;
  readonly sources: readonly DocumentSource[];
  readonly progress: Progress;
  readonly log: Logger;
}

/** Reads every configured source; one that cannot be read keeps what is known of it, and is read at the next time. */
export async function readKnowledge({ knowledge, sources, progress, log }: ReadingParts): Promise<void> {
  for (const source of sources) {
    const onProgress = (done: number, total: number) => {
      if (progress.current) progress.current = { what: "reading past incidents and runbooks", done, total };
    };
    try {
      const { problems } = await knowledge.ingest(source, { onProgress });
      for (const problem of problems.slice(0, 20)) log.warn({ source: source.collection }, problem);
    } catch (error) {
      log.error({ err: error, source: source.collection }, "a source of knowledge could not be read; what is known of it stays");
    }
  }
}

/** Reads the sources again every so many minutes, never twice at once. Returns how to end it. */
export function keepReading(parts: ReadingParts, minutes: number): () => Promise<void> {
  let running: Promise<void> | null = null;
  const timer = setInterval(() => {
    running ??= readKnowledge(parts).finally(() => {
      running = null;
    });
  }, minutes * MINUTE);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await running;
  };
}
