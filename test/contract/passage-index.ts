import { describe, expect, it } from "vitest";
import type { PassageIndex } from "../../src/knowledge/passage-index.ts";
import { seededRandom } from "../support/synthetic-metrics.ts";

export const DIMENSIONS = 8;

/** Unit vectors around a circle of eight directions, so that neighbours are known: `p0` to `p63`, each a little off its direction. */
export const PASSAGES = Array.from({ length: 64 }, (_, at) => {
  const random = seededRandom(at + 1);
  const raw = Array.from({ length: DIMENSIONS }, (__, axis) => (axis === at % DIMENSIONS ? 1 : 0) + 0.2 * (random() - 0.5));
  const length = Math.hypot(...raw);
  return { hash: `passage-${at}/Ünïcode "quoted"`, vector: Float32Array.from(raw, (value) => value / length) };
});

const cosine = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);

/** Every index of passages gives the same neighbours, wherever it keeps them. */
export function passageIndexContract(open: () => PassageIndex): void {
  describe("as every index of passages", () => {
    it("knows what it was given, once", async () => {
      const index = open();
      expect(index.size).toBe(0);
      expect(await index.nearest(PASSAGES[0]?.vector ?? new Float32Array(), 3)).toEqual([]);
      await index.add(PASSAGES);
      await index.add(PASSAGES.slice(0, 5));
      expect(index.size).toBe(64);
      expect(index.has(PASSAGES[7]?.hash ?? "")).toBe(true);
      expect(index.has("nothing")).toBe(false);
    });

    it("finds the nearest by cosine, best first", async () => {
      const question = PASSAGES[3]?.vector ?? new Float32Array();
      const wanted = PASSAGES.map(({ hash, vector }) => ({ hash, similarity: cosine(question, vector) })).sort(
        (a, b) => b.similarity - a.similarity,
      );
      const found = await open().nearest(question, 5);
      expect(found.map(({ hash }) => hash)).toEqual(wanted.slice(0, 5).map(({ hash }) => hash));
      for (const [at, { similarity }] of found.entries()) expect(similarity).toBeCloseTo(wanted[at]?.similarity ?? Number.NaN, 3);
    });

    it("narrows to those that are wanted, however far", async () => {
      const question = PASSAGES[3]?.vector ?? new Float32Array();
      const far = new Set(PASSAGES.filter((_, at) => at % DIMENSIONS === 5).map(({ hash }) => hash));
      const found = await open().nearest(question, 4, (hash) => far.has(hash));
      expect(found).toHaveLength(4);
      expect(found.every(({ hash }) => far.has(hash))).toBe(true);
    });

    it("measures one passage", async () => {
      const [one, other] = [PASSAGES[1], PASSAGES[9]];
      if (!one || !other) throw new Error("no passages");
      expect(await open().similarity(one.vector, other.hash)).toBeCloseTo(cosine(one.vector, other.vector), 3);
      expect(await open().similarity(one.vector, "nothing")).toBeNull();
    });

    it("forgets what was removed, and takes it again", async () => {
      const index = open();
      const [, , gone] = PASSAGES;
      if (!gone) throw new Error("no passages");
      await index.remove(gone.hash);
      expect(index.has(gone.hash)).toBe(false);
      expect((await index.nearest(gone.vector, 3)).map(({ hash }) => hash)).not.toContain(gone.hash);
      await index.add([gone]);
      expect((await index.nearest(gone.vector, 1))[0]?.hash).toBe(gone.hash);
    });
  });
}
