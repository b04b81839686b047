import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { takeFeedback } from "../../../src/flows/feedback.ts";
import { Learning } from "../../../src/flows/learn.ts";
import { type Knowledge, openKnowledge } from "../../../src/knowledge/index.ts";
import { FeedbackRepository } from "../../../src/store/feedback.ts";
import { InvestigationRepository } from "../../../src/store/investigations.ts";
import { KnowledgeRepository } from "../../../src/store/knowledge.ts";
import { LearningRepository } from "../../../src/store/learning.ts";
import { openStateDatabase } from "../../../src/store/state.ts";
import { BLAME, DAY, investigation, START } from "../../support/judged.ts";
import { WordEmbedder } from "../../support/word-embedder.ts";

/** Vigil's learning as it starts; `dies` lets it be killed while it puts a document among the past incidents. */
async function start(file: string, dies = false, enabled = true) {
  const db = await openStateDatabase(file);
  const [investigations, feedback] = [new InvestigationRepository(db), new FeedbackRepository(db)];
  const embedder = new WordEmbedder();
  const knowledge: Knowledge = await openKnowledge({ store: new KnowledgeRepository(db), embedder });
  const learning = new Learning({
    investigations,
    feedback,
    proposals: async () => [],
    undone: new LearningRepository(db),
    enabled,
    now: () => START + DAY,
    log: pino({ level: "silent" }),
  });
  await learning.publishTo({
    add: dies ? () => new Promise(() => {}) : (one) => knowledge.add(one),
    remove: (id) => knowledge.remove(id),
    search: (query) => knowledge.search(query),
    document: (id) => knowledge.document(id),
  });
  const say = (id: string, user: string, verdict: "correct" | "noise") =>
    takeFeedback(
      { investigations, feedback, learning, show: async () => {}, now: () => START },
      { investigationId: id, user: { surface: "slack", id: user, name: user }, verdict, via: "button" },
    );
  return { db, investigations, feedback, knowledge, learning, say };
}

describe("a restart in the middle of learning", () => {
  it("loses nothing: what a vote teaches follows from the vote, whatever was under way", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "vigil-restart-")), "vigil.db");
    const first = await start(file);
    for (const number of [1, 2, 3]) await first.investigations.save(investigation(`INV-${number}`));
    await first.say("INV-1", "U1", "noise");
    await first.say("INV-2", "U2", "noise");
    const series = { service: "shelf", signal: "latency" } as const;
    const { wait } = first.learning.patience(series);
    expect(wait).toBeGreaterThan(0);
    await first.db.destroy();

    // The vote is stored; the process dies before its document is among the past incidents.
    const second = await start(file, true);
    void second.say("INV-3", "U1", "correct");
    await expect.poll(() => second.feedback.of("INV-3")).toHaveLength(1);
    await expect.poll(() => second.learning.isFound("INV-3")).toBe(true);
    expect(await second.knowledge.document("INV-3")).toBeNull();
    await second.db.destroy();

    const third = await start(file);
    expect(await third.feedback.all()).toHaveLength(3);
    expect(await third.knowledge.document("INV-3")).toMatchObject({ kind: "incident" });
    expect(third.learning.patience(series).wait).toBeLessThan(wait);
    expect(third.learning.influences().map(({ id }) => id)).toEqual(
      expect.arrayContaining(["document/INV-3", "prior/shelf", "calibration"]),
    );

    // An undo survives as well.
    await third.learning.undo("INV-3", "cli:you", "was a test");
    await third.db.destroy();
    const fourth = await start(file);
    expect(await fourth.knowledge.document("INV-3")).toBeNull();
    expect(await fourth.learning.redo("INV-3")).toBe(true);
    expect(await fourth.knowledge.document("INV-3")).not.toBeNull();
    await fourth.db.destroy();
  });

  it("has no effect at all while it is switched off, and all of it again when it is on", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "vigil-off-")), "vigil.db");
    const on = await start(file);
    await on.investigations.save(investigation("INV-1", { quoted: "INC-31" }));
    await on.say("INV-1", "U1", "correct");
    const calibrated = on.learning.calibrate(0.3, BLAME);
    expect(await on.knowledge.document("INV-1")).not.toBeNull();
    await on.db.destroy();

    const off = await start(file, false, false);
    expect(await off.knowledge.document("INV-1")).toBeNull();
    expect(off.learning.influences()).toEqual([]);
    expect(off.learning.calibrate(0.3, BLAME)).toBe(0.3);
    expect(off.learning.boost("INC-31", ["shelf"]).value).toBe(0);
    expect(off.learning.priors(["shelf"])).toEqual([]);
    expect(await off.feedback.all()).toHaveLength(1);
    await off.db.destroy();

    const again = await start(file);
    expect(await again.knowledge.document("INV-1")).not.toBeNull();
    expect(again.learning.calibrate(0.3, BLAME)).toBe(calibrated);
    await again.db.destroy();
  });
});
