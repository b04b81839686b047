import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SQLite from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { ConversationRepository } from "../../../src/store/conversations.ts";
import { FeedbackRepository } from "../../../src/store/feedback.ts";
import { InvestigationRepository } from "../../../src/store/investigations.ts";
import { KnowledgeRepository } from "../../../src/store/knowledge.ts";
import { ProposalRepository } from "../../../src/store/proposals.ts";
import { openStateDatabase } from "../../../src/store/state.ts";

const DUMP = join(import.meta.dirname, "../../support/first-schema.sql");
const T = Date.UTC(2026, 10, 24, 3);

/** A database as the first complete schema wrote it. */
function oldDatabase(): string {
  const file = join(mkdtempSync(join(tmpdir(), "vigil-old-")), "vigil.db");
  const sqlite = new SQLite(file);
  sqlite.exec(readFileSync(DUMP, "utf8"));
  sqlite.close();
  return file;
}

describe("the migrations from the first schema to the last", () => {
  it("keep what was stored, and say the same when they run again", async () => {
    const file = oldDatabase();
    for (let start = 1; start <= 2; start++) {
      const db = await openStateDatabase(file);
      const investigations = new InvestigationRepository(db);
      expect(await investigations.incident("IN-1")).toMatchObject({ state: "resolved", services: ["front"] });
      expect(await investigations.get("INV-1")).toMatchObject({ state: "done", report: { confidence: 0.86 } });
      expect((await investigations.list({ state: "running" })).map(({ id }) => id)).toEqual(["INV-2"]);
      expect(await investigations.picture("INV-1")).toMatchObject({ title: "front latency" });
      expect(await investigations.turns({ surface: "web", channel: "incidents", thread: "t1" }, 5)).toMatchObject([
        { text: "what changed?" },
      ]);
      expect(await investigations.recall("cursor/flags")).toEqual({ seen: ["a"] });
      const feedback = new FeedbackRepository(db);
      expect(await feedback.all()).toMatchObject([
        { user: "web:maya", verdict: "correct", realCause: "the key layout", actionEffective: true, at: T + 4_000, author: null },
      ]);
      expect((await feedback.history("INV-1")).map((edit) => edit.feedback?.verdict)).toEqual(["partly", "correct"]);
      const knowledge = new KnowledgeRepository(db);
      expect((await knowledge.documents()).map(({ key }) => key)).toEqual(["vigil/INV-1"]);
      expect([...((await knowledge.vectors("m", ["v1"])).get("v1") ?? [])]).toEqual([0.5, -1]);
      const proposals = await new ProposalRepository(db, () => T).list();
      expect(proposals).toMatchObject([{ id: "PRO-1", state: "approved", approvals: [{ user: "web:maya" }] }]);
      const conversations = new ConversationRepository(db);
      expect(await conversations.ref("investigation:INV-1", "web")).toEqual({
        channel: "incidents",
        message: "investigation:INV-1",
      });
      expect(await conversations.messagesSince(0, 9)).toMatchObject([{ id: "m1", author: "maya", body: "what changed?" }]);
      const audit = await db.selectFrom("audit").select(["seq", "kind", "prev_hash", "hash"]).orderBy("seq").execute();
      expect(audit.map(({ kind }) => kind)).toEqual(["proposed", "approve"]);
      expect(audit[1]?.prev_hash).toBe(audit[0]?.hash);
      await db.destroy();
    }
  });

  it("let what is new be written beside what is old", async () => {
    const db = await openStateDatabase(oldDatabase());
    const [investigations, feedback] = [new InvestigationRepository(db), new FeedbackRepository(db)];
    expect(await investigations.nextId("INV")).toBe("INV-3");
    const [old] = await feedback.all();
    await feedback.put({ ...old!, user: "slack:U1", author: { mind: "offline reasoner", prompts: ["investigate@3"] } });
    expect((await feedback.of("INV-1")).map(({ user, author }) => [user, author?.prompts ?? null]).sort()).toEqual([
      ["slack:U1", ["investigate@3"]],
      ["web:maya", null],
    ]);
    expect(await new ProposalRepository(db, () => T).nextProposalId()).toBe("PRO-2");
    await db.destroy();
  });
});
