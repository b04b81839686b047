import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { forgetIncident, forgetUser, retain } from "../../../src/flows/forget.ts";
import { Learning } from "../../../src/flows/learn.ts";
import type { LearnedDocument } from "../../../src/learning/lessons.ts";
import { ConversationRepository } from "../../../src/store/conversations.ts";
import { FeedbackRepository } from "../../../src/store/feedback.ts";
import { InvestigationRepository } from "../../../src/store/investigations.ts";
import { LearningRepository } from "../../../src/store/learning.ts";
import { postmortemFiles } from "../../../src/store/postmortem-files.ts";
import { PrivacyRepository } from "../../../src/store/privacy.ts";
import { RecordingRepository } from "../../../src/store/recordings.ts";
import { openStateDatabase } from "../../../src/store/state.ts";
import { DAY, investigation, START, vote } from "../../support/judged.ts";

const SECRET = "the key layout of the lookaside store";
const thread = { surface: "slack", channel: "C1", thread: "T1" };

async function world() {
  const file = join(mkdtempSync(join(tmpdir(), "vigil-forget-")), "vigil.db");
  const db = await openStateDatabase(file);
  const [investigations, feedback, conversations] = [
    new InvestigationRepository(db),
    new FeedbackRepository(db),
    new ConversationRepository(db),
  ];
  for (const [number, state] of [
    [1, "resolved"],
    [2, "resolved"],
    [3, "open"],
  ] as const) {
    await investigations.saveIncident({
      id: `IN-${number}`,
      state,
      openedAt: START,
      resolvedAt: state === "resolved" ? START + number * DAY : null,
      services: ["shelf"],
      anomalies: [],
      title: "slow",
    });
    await investigations.save({ ...investigation(`INV-${number}`), incidentId: `IN-${number}` });
  }
  await feedback.put(vote("INV-1", "slack:U1", "correct", { realCause: SECRET }));
  await feedback.put(vote("INV-1", "slack:U2", "correct"));
  await feedback.put(vote("INV-2", "slack:U1", "incorrect"));
  await conversations.saveRef("investigation:INV-1", "slack", { channel: "C1", message: "T1" });
  await investigations.addTurn(thread, { id: "m1", at: START, from: "engineer", author: "slack:U1", text: `perhaps ${SECRET}` });
  await investigations.addTurn(thread, { id: "m2", at: START + 300 * DAY, from: "engineer", author: "slack:U2", text: "no" });
  const library = new Map<string, LearnedDocument>();
  const learning = new Learning({
    investigations,
    feedback,
    proposals: async () => [],
    undone: new LearningRepository(db),
    enabled: true,
    now: () => START + DAY,
    log: pino({ level: "silent" }),
  });
  await learning.publishTo({
    add: async (one) => void library.set(one.id, one),
    remove: async (id) => void library.delete(id),
    search: async () => [],
    document: async () => null,
  });
  return {
    file,
    db,
    investigations,
    feedback,
    library,
    learning,
    deps: { privacy: new PrivacyRepository(db), investigations, learning },
  };
}

describe("forgetting a person", () => {
  it("takes votes, their history and messages, and what was learned from them, down to the bytes on disk", async () => {
    const { file, db, investigations, feedback, library, deps } = await world();
    expect(library.get("INV-1")?.text).toContain(SECRET);
    const result = await forgetUser(deps, "slack:U1");
    expect(result).toMatchObject({ ok: true, forgotten: { deleted: { votes: 2, history: 2, turns: 1 } } });
    expect((await feedback.all()).map(({ user }) => user)).toEqual(["slack:U2"]);
    expect((await investigations.turns(thread, 9)).map(({ id }) => id)).toEqual(["m2"]);
    expect(library.get("INV-1")?.text).not.toContain(SECRET);
    await db.destroy();
    for (const part of ["", "-wal"]) {
      const bytes = (() => {
        try {
          return readFileSync(file + part);
        } catch {
          return Buffer.alloc(0);
        }
      })();
      expect(bytes.includes(SECRET)).toBe(false);
    }
  });

  it("refuses what is no person", async () => {
    const { deps } = await world();
    expect(await forgetUser(deps, "vigil:outcome")).toMatchObject({ ok: false });
    expect(await forgetUser(deps, "maya")).toMatchObject({ ok: false, reason: expect.stringContaining("slack:U0123") });
  });
});

describe("forgetting an incident", () => {
  it("takes its investigations, votes, threads and what was learned, and nothing else", async () => {
    const { investigations, feedback, library, learning, deps } = await world();
    expect(await forgetIncident(deps, "IN-1")).toMatchObject({
      ok: true,
      forgotten: { deleted: { investigations: 1, incidents: 1, votes: 2, turns: 2 } },
    });
    expect(await investigations.get("INV-1")).toBeNull();
    expect((await feedback.all()).map(({ investigationId }) => investigationId)).toEqual(["INV-2"]);
    expect([...library.keys()]).toEqual([]);
    expect(learning.influences().flatMap(({ because }) => because)).not.toContain("INV-1");
    expect(await investigations.get("INV-2")).not.toBeNull();
  });

  it("refuses one that goes on, and one that is not there", async () => {
    const { deps } = await world();
    expect(await forgetIncident(deps, "IN-3")).toMatchObject({ ok: false, reason: expect.stringContaining("not over") });
    expect(await forgetIncident(deps, "IN-99")).toMatchObject({ ok: false });
  });
});

describe("retention", () => {
  it("deletes resolved incidents and conversations that are old enough, and keeps what is not over", async () => {
    const { investigations, deps } = await world();
    const before = { incidents: START + 1.5 * DAY, conversations: START + DAY };
    expect(await retain(deps, before)).toEqual({ incidents: 1, conversations: 0 });
    expect((await investigations.incidents()).map(({ id }) => id)).toEqual(["IN-2", "IN-3"]);
    expect(await retain(deps, { incidents: START + 900 * DAY, conversations: START + 900 * DAY })).toMatchObject({
      incidents: 1,
    });
    expect((await investigations.incidents()).map(({ id }) => id)).toEqual(["IN-3"]);
  });

  it("reaches pictures of answers and forecasts, what was told in the channel, and handed-in post-mortems", async () => {
    const { db, file, deps } = await world();
    let wall = START;
    const recordings = new RecordingRepository(db, () => wall);
    const conversations = new ConversationRepository(db);
    const picture = { title: "disk", alt: "", unit: "1", points: [], band: [], anomalyFrom: 0, anomalyTo: null, changes: [] };
    const told = (id: string, at: number) =>
      conversations.putMessage({ id, thread: null, at, author: "vigil", kind: "card", body: "{}" });
    await recordings.saveAnswerPicture("forecast-1", picture);
    await recordings.saveAnswerPicture("answer-m1", picture);
    await told("told:1", START);
    await told("proposal:PRO-1", START);
    wall += 400 * DAY;
    await recordings.saveAnswerPicture("forecast-2", picture);
    await told("told:2", wall);
    mkdirSync(join(dirname(file), "postmortems"));
    const handedIn = join(dirname(file), "postmortems/PM-INV-1.md");
    writeFileSync(handedIn, "a secret");
    await retain(
      { ...deps, files: postmortemFiles(dirname(file)) },
      { incidents: START + 1.5 * DAY, conversations: START + 30 * DAY },
    );
    expect(existsSync(handedIn)).toBe(false);
    expect(await recordings.answerPicture("forecast-1")).toBeNull();
    expect(await recordings.answerPicture("answer-m1")).toBeNull();
    expect(await recordings.answerPicture("forecast-2")).toEqual(picture);
    const left = await db.selectFrom("channel_messages").select("id").orderBy("id").execute();
    expect(left.map(({ id }) => id)).toEqual(["proposal:PRO-1", "told:2"]);
  });

  it("takes the pictures of what a forgotten person asked", async () => {
    const { db, deps } = await world();
    const recordings = new RecordingRepository(db);
    const picture = { title: "p95", alt: "", unit: "s", points: [], band: [], anomalyFrom: 0, anomalyTo: null, changes: [] };
    await recordings.saveAnswerPicture("answer-m1", picture);
    await recordings.saveAnswerPicture("answer-m2", picture);
    await forgetUser(deps, "slack:U1");
    expect(await recordings.answerPicture("answer-m1")).toBeNull();
    expect(await recordings.answerPicture("answer-m2")).toEqual(picture);
  });
});
