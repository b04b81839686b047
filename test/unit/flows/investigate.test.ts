import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, it, vi } from "vitest";
import type { SreAgent } from "../../../src/agent/types.ts";
import { investigationCard } from "../../../src/chat/cards/investigation.ts";
import type { Investigation } from "../../../src/domain/investigation.ts";
import { takeFeedback } from "../../../src/flows/feedback.ts";
import { Investigator } from "../../../src/flows/investigate.ts";
import { Learning } from "../../../src/flows/learn.ts";
import type { ChatUser } from "../../../src/flows/ports.ts";
import { Learned } from "../../../src/learning/learned.ts";
import type { LearnedDocument } from "../../../src/learning/lessons.ts";
import { FeedbackRepository } from "../../../src/store/feedback.ts";
import { InvestigationRepository } from "../../../src/store/investigations.ts";
import { LearningRepository } from "../../../src/store/learning.ts";
import { openStateDatabase } from "../../../src/store/state.ts";
import { anomaly, report } from "../../support/domain-samples.ts";
import { RecordingChannel } from "../../support/recording-channel.ts";

const quiet = pino({ level: "silent" });
const maya: ChatUser = { surface: "web", id: "maya", name: "Maya" };
const onAnomaly = { trigger: "anomaly" as const, incidentId: "IN-1", anomalies: [anomaly()], question: null, requester: "vigil" };

async function world(
  investigate: SreAgent["investigate"],
  file = join(mkdtempSync(join(tmpdir(), "vigil-")), "vigil.db"),
  runsHere = () => true,
) {
  const db = await openStateDatabase(file);
  const store = new InvestigationRepository(db);
  const feedback = new FeedbackRepository(db);
  const channel = new RecordingChannel();
  const agent: SreAgent = { investigate, answer: () => Promise.reject(new Error("not asked")) };
  const investigator = new Investigator({
    store,
    feedback,
    agent,
    channel,
    picture: async () => null,
    memory: store,
    runsHere,
    now: () => 1_000,
    log: quiet,
  });
  return { file, db, store, feedback, channel, investigator };
}

describe("an investigation", () => {
  it("is posted before the agent has said anything, then updated, then stored with its report", async () => {
    let speak: () => void = () => {};
    const silence = new Promise<void>((resolve) => {
      speak = resolve;
    });
    const { channel, store, investigator } = await world(async (_request, events) => {
      await silence;
      events.onStep({ id: "S1", title: "What changed?", state: "done", outcome: "one flag", startedAt: 1, duration: 5 });
      return report();
    });

    const opened = await investigator.open(onAnomaly);
    expect(channel.investigations.map(({ investigation }) => investigation.state)).toEqual(["running"]);

    speak();
    const finished = await investigator.finished(opened.id);
    expect(finished).toMatchObject({ id: "INV-1", state: "done", incidentId: "IN-1", report: { outcome: "cause_found" } });
    expect(finished?.steps).toHaveLength(1);
    expect(channel.investigations.at(-1)?.investigation.report?.headline).toContain("12 %");
    expect(await store.list({ state: "running" })).toEqual([]);
  });

  it("goes on after a crash under the same id", async () => {
    const first = await world(() => new Promise(() => {}));
    const opened = await first.investigator.open(onAnomaly);
    await first.db.destroy();

    const second = await world(async () => report(), first.file);
    expect(await second.investigator.resume()).toBe(1);
    expect(await second.investigator.finished(opened.id)).toMatchObject({ id: opened.id, state: "done" });
  });

  it("counts what was spent before a crash against the same budget, and says that it began anew", async () => {
    const spent = { inputTokens: 900, outputTokens: 100, dollars: 0.2, toolCalls: 3, modelCalls: 2, duration: 4_000 };
    const first = await world((_request, events) => {
      events.onStep({ id: "S1", title: "What changed?", state: "done", outcome: "one flag", startedAt: 1, duration: 5 });
      events.onProgress?.({ hypotheses: [], cost: spent });
      return new Promise(() => {});
    });
    const opened = await first.investigator.open(onAnomaly);
    await vi.waitUntil(async () => (await first.store.get(opened.id))?.cost !== undefined);
    await first.db.destroy();

    const given: unknown[] = [];
    const second = await world(async (request) => {
      given.push(request.spent);
      return report();
    }, first.file);
    await second.investigator.resume();
    expect(await second.investigator.finished(opened.id)).toMatchObject({ state: "done", interruptions: 1 });
    expect(given).toEqual([spent]);
    const shown = second.channel.investigations.at(-1);
    expect(shown && investigationCard(shown).context.join(" ")).toContain("begun anew after an interruption");
    // A later look at the same trouble is another one, with a budget of its own.
    await second.investigator.again(opened.id);
    await second.investigator.finished(opened.id);
    expect(given).toEqual([spent, null]);
  });

  it("ends as failed, still in the channel, when the agent breaks", async () => {
    const { channel, investigator } = await world(async () => {
      throw new Error("boom");
    });
    const { id } = await investigator.open(onAnomaly);
    expect(await investigator.finished(id)).toMatchObject({ state: "failed", report: null });
    expect(channel.investigations.at(-1)?.investigation.state).toBe("failed");
  });

  it("stops when people say so", async () => {
    const { investigator } = await world(
      (_request, _events, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    );
    const { id } = await investigator.open(onAnomaly);
    await investigator.cancel(id);
    expect(await investigator.finished(id)).toMatchObject({ state: "cancelled" });
  });
});

describe("an investigation among several replicas", () => {
  const never: SreAgent["investigate"] = async () => expect.unreachable("it does not lead");

  it("is run by the one that leads, for who asked, and shown by both; each runs once", async () => {
    const requests: string[] = [];
    const leader = await world(async ({ requester, channel }) => {
      requests.push(`${requester} in ${channel}`);
      return report();
    });
    const other = await world(never, leader.file, () => false);
    const { id } = await other.investigator.open({ ...onAnomaly, requester: "slack:U1ANA", channel: "slack:C0INC" });
    expect(other.channel.investigations).toHaveLength(1);
    expect(other.investigator.running).toEqual([]);
    // Both look at the same moment for what is running and nowhere taken up.
    await Promise.all([leader.investigator.resume(), leader.investigator.resume()]);
    expect(await leader.investigator.finished(id)).toMatchObject({ state: "done" });
    expect(requests).toEqual(["slack:U1ANA in slack:C0INC"]);
    expect(await leader.store.recall(`asked/${id}/`)).toBeNull();
  });

  it("keeps its requester across a crash: a wish of theirs is not theirs to approve afterwards either", async () => {
    const first = await world(() => new Promise(() => {}));
    const { id } = await first.investigator.open({ ...onAnomaly, requester: "slack:U1ANA" });
    await first.db.destroy();
    const requesters: string[] = [];
    const second = await world(async ({ requester }) => {
      requesters.push(requester);
      return report();
    }, first.file);
    await second.investigator.resume();
    await second.investigator.finished(id);
    expect(requesters).toEqual(["slack:U1ANA"]);
  });

  it("stops wherever it runs when people say so to another", async () => {
    const leader = await world(
      (_request, _events, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    );
    const other = await world(never, leader.file, () => false);
    const { id } = await leader.investigator.open(onAnomaly);
    await leader.investigator.lookAfterAll();
    await other.investigator.cancelAll();
    expect(await leader.investigator.finished(id)).toMatchObject({ state: "cancelled" });
    expect(await leader.store.recall(`stop-investigation/${id}/`)).toBeNull();
    await leader.investigator.close();
  });
});

describe("feedback on an investigation", () => {
  async function judged() {
    const { db, store, feedback, investigator } = await world(async () => report());
    const { id } = await investigator.open(onAnomaly);
    await investigator.finished(id);
    const library = new Map<string, LearnedDocument>();
    const learning = new Learning({
      investigations: store,
      feedback,
      proposals: async () => [],
      undone: new LearningRepository(db),
      enabled: true,
      now: () => 2_000,
      log: quiet,
    });
    await learning.publishTo({
      add: async (document) => void library.set(document.id, document),
      remove: async (key) => void library.delete(key),
      search: async () => [],
      document: async () => null,
    });
    const deps = {
      investigations: store,
      feedback,
      learning,
      show: (one: Investigation) => investigator.show(one),
      now: () => 2_000,
    };
    const say = (verdict: "correct" | "incorrect" | "noise" | null, more: object = {}, user = maya) =>
      takeFeedback(deps, { investigationId: id, user, verdict, via: "button", ...more });
    return { id, feedback, library, say };
  }

  it("makes a confirmed one a past incident at once, with the cause that the responder named", async () => {
    const { id, library, say } = await judged();
    const reply = await say("correct", { realCause: "key layout of the lookaside store" });
    expect(reply).toMatchObject({ accepted: true, text: expect.stringContaining("past incident") });
    expect(library.get(id)).toMatchObject({ metadata: { root_cause: "key layout of the lookaside store" } });
  });

  it("counts one vote a person, lets it change, and takes the document back", async () => {
    const { id, feedback, library, say } = await judged();
    await say("correct");
    await say("incorrect");
    expect((await feedback.of(id)).map(({ verdict }) => verdict)).toEqual(["incorrect"]);
    expect(library.size).toBe(0);
  });

  it("keeps what was typed before when only the verdict changes, and forgets the vote on retraction", async () => {
    const { id, feedback, say } = await judged();
    await say("correct", { missed: "the cache's own metrics" });
    await say("noise");
    expect(await feedback.of(id)).toMatchObject([{ verdict: "noise", missed: "the cache's own metrics" }]);
    await say(null);
    expect(await feedback.of(id)).toEqual([]);
  });

  it("refuses a verdict on something unknown", async () => {
    const { store, feedback } = await world(async () => report());
    const learning = {
      refresh: async () => {},
      isFound: () => false,
      learned: new Learned({ investigations: [], feedback: [], proposals: [], undone: [] }),
    };
    const reply = await takeFeedback(
      { investigations: store, feedback, learning, show: async () => {}, now: () => 1 },
      { investigationId: "INV-99", user: maya, verdict: "correct", via: "button" },
    );
    expect(reply).toEqual({ accepted: false, text: "I know no investigation INV-99." });
  });
});
