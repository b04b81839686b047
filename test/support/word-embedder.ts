import { createHash } from "node:crypto";
import type { Embedder } from "../../src/knowledge/index.ts";

/** A small, exact stand-in for a sentence model: texts that share words are near each other. It counts what it is asked. */
export class WordEmbedder implements Embedder {
  readonly model: string;
  readonly asked: string[] = [];
  failing = false;
  /** When set, each answer waits for it. */
  gate: Promise<void> | null = null;

  constructor(model = "words-64") {
    this.model = model;
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    await this.gate;
    if (this.failing) throw new Error("the embedding endpoint is down");
    this.asked.push(...texts);
    return texts.map((text) => {
      const vector = new Float32Array(64);
      for (const word of text.toLowerCase().match(/[a-z]{3,}/g) ?? ["empty"]) {
        const place = createHash("md5").update(word).digest()[0] ?? 0;
        vector[place % 64] = (vector[place % 64] ?? 0) + 1;
      }
      return vector;
    });
  }

  async close(): Promise<void> {}
}
