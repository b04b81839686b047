import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { investigationCard } from "../../src/chat/cards/investigation.ts";
import { Presenter } from "../../src/chat/presenter.ts";
import { type SlackOptions, slackSurface } from "../../src/chat/slack/index.ts";
import type { Surface } from "../../src/chat/surface.ts";
import { ConversationRepository } from "../../src/store/conversations.ts";
import { openStateDatabase, type StateDatabase } from "../../src/store/state.ts";
import { answer, finished, HOSTILE, home, pending, proposal, running } from "../support/chat-samples.ts";
import { FakeHandlers, silentLog, until } from "../support/fake-handlers.ts";
import { BOT, eventOf, FakeSlack, type SlackPost } from "../support/fake-slack.ts";

let slack: FakeSlack;
let db: StateDatabase;
let store: ConversationRepository;
let handlers: FakeHandlers;
let surface: Surface;
let presenter: Presenter;

async function connect(changed: Partial<SlackOptions> = {}): Promise<void> {
  surface = slackSurface({
    botToken: "xoxb-test",
    appToken: "xapp-test",
    channel: "C0INC",
    apiUrl: slack.apiUrl,
    store,
    gap: 1,
    log: silentLog,
    ...changed,
  });
  presenter = new Presenter({ surfaces: [surface], store, log: silentLog });
  await surface.start(handlers);
}

beforeEach(async () => {
  slack = await FakeSlack.start();
  db = await openStateDatabase(":memory:");
  store = new ConversationRepository(db);
  handlers = new FakeHandlers();
  await connect();
});

afterEach(async () => {
  await presenter.close();
  await surface.stop();
  await db.destroy();
  await slack.stop();
  // Whatever a test did, Slack never saw a message that it would refuse.
  expect(slack.refused).toEqual([]);
});

const root = () => until("the investigation's message", () => slack.posts.find(({ text }) => /latency|Investigating/.test(text)));
const card = () =>
  until("the proposal's card", () => slack.posts.find(({ metadata }) => metadata?.event_payload.subject === "proposal:PRO-1"));
const texts = (post: SlackPost) => JSON.stringify(post.blocks);
/** A promise and what fulfils it. */
function gate(): [Promise<void>, () => void] {
  let open = () => {};
  const opened = new Promise<void>((done) => {
    open = done;
  });
  return [opened, () => open()];
}

describe("questions in Slack", () => {
  it("answers a mention in its thread, streaming the steps, with the evidence below", async () => {
    handlers.onAsk = async (_question, reply) => {
      await reply.step({ id: "s1", title: "Reading the metrics", state: "running", outcome: null, startedAt: 0, duration: null });
      await reply.step({ id: "s1", title: "Reading the metrics", state: "done", outcome: "224 ms", startedAt: 0, duration: 40 });
      await reply.answer(answer("catalog is slower since 02:41 UTC [E1]."));
    };
    const asked = await slack.mention("U1ANA", "why is checkout slow?");
    const reply = await until("an answer", () => slack.thread(asked.ts).find(({ stream }) => stream?.state === "stopped"));
    expect(reply.stream?.markdown).toContain("catalog is slower since 02:41 UTC `E1`");
    expect(reply.stream?.tasks.get("s1")).toMatchObject({ status: "complete", title: "Reading the metrics" });
    expect(JSON.stringify(reply.blocks)).toContain("Changes before the onset");
    expect(JSON.stringify(reply.blocks)).toContain("the offline reasoner");
    expect(handlers.questions[0]).toMatchObject({
      text: "why is checkout slow?",
      user: { surface: "slack", id: "U1ANA", name: "Person U1ANA" },
    });
    expect(handlers.questions[0]?.at).toEqual({ surface: "slack", channel: "C0INC", thread: asked.ts });
  });

  it("goes on in that thread without another mention, but not when people talk to each other", async () => {
    const asked = await slack.mention("U1ANA", "why is checkout slow?");
    await until("the first answer", () => slack.thread(asked.ts)[0]);
    await slack.event(eventOf("message", slack.write("U1ANA", "since when?", asked.ts)));
    await until("the follow-up", () => handlers.questions.length === 2);
    await slack.event(eventOf("message", slack.write("U1ANA", "<@U2BEN> can you look?", asked.ts)));
    await slack.event(eventOf("message", slack.write("U2BEN", "unrelated talk in the channel")));
    await new Promise((done) => setTimeout(done, 80));
    expect(handlers.questions.map(({ text }) => text)).toEqual(["why is checkout slow?", "since when?"]);
  });

  it("answers direct messages", async () => {
    const message = slack.write("U1ANA", "is anything unusual?", null, "D1ANA");
    await slack.event(eventOf("message", message));
    await until("an answer", () => slack.thread(message.ts, "D1ANA")[0]);
  });

  it("3, 4: the same event delivered again, and the same message as two events, is answered once", async () => {
    const post = slack.write("U1ANA", `<@${BOT.user_id}> why?`);
    const event = eventOf("app_mention", post);
    await slack.event(event, { eventId: "Ev1" });
    await slack.event(event, { eventId: "Ev1", retry: 1 });
    await slack.event({ ...event, type: "message" }, { eventId: "Ev2" });
    await slack.event(event, { eventId: "Ev3" });
    await until("an answer", () => slack.thread(post.ts)[0]);
    await new Promise((done) => setTimeout(done, 80));
    expect(handlers.questions).toHaveLength(1);
    expect(slack.thread(post.ts)).toHaveLength(1);
  });

  it("5: a slow handler does not delay the acknowledgement", async () => {
    const [acknowledged, goOn] = gate();
    handlers.onAsk = async (_question, reply) => {
      await acknowledged;
      await reply.answer(answer());
    };
    const post = slack.write("U1ANA", `<@${BOT.user_id}> why?`);
    await slack.event(eventOf("app_mention", post));
    goOn();
    await until("the answer", () => slack.thread(post.ts)[0]);
  });

  it("5: no call to Slack stands between an event and its acknowledgement", async () => {
    const asked = () => slack.calls.filter(({ method }) => method === "auth.test").length;
    const before = asked();
    slack.fail("auth.test", "drop", "drop", "drop");
    const posts = Array.from({ length: 3 }, (_, index) => slack.write(`U${index}`, `<@${BOT.user_id}> why?`));
    await Promise.all(posts.map((post) => slack.event(eventOf("app_mention", post))));
    await until("the answers", () => posts.every((post) => slack.thread(post.ts)[0]));
    expect(asked()).toBe(before);
  });

  it("6: an event that a crash left between acknowledgement and answer is taken up after the restart", async () => {
    await surface.stop();
    await presenter.close();
    const post = slack.write("U1ANA", `<@${BOT.user_id}> why?`);
    const body = {
      type: "event_callback",
      team_id: BOT.team_id,
      event: eventOf("app_mention", post),
      event_id: "Ev9",
      authorizations: [],
    };
    await store.takeIn("slack", "Ev9", body, Date.now());
    await connect();
    await until("the answer", () => slack.thread(post.ts)[0]);
    expect(handlers.questions).toHaveLength(1);
  });

  it("6: an event whose connection drops before the acknowledgement is answered all the same, and once", async () => {
    const post = slack.write("U1ANA", `<@${BOT.user_id}> why?`);
    const event = eventOf("app_mention", post);
    const first = slack.event(event, { eventId: "Ev6" }).catch(() => null);
    slack.dropConnections();
    await until("the reconnection", () => slack.connections > 0);
    await slack.event(event, { eventId: "Ev6", retry: 1 });
    await until("the answer", () => slack.thread(post.ts)[0]);
    await first;
    expect(handlers.questions).toHaveLength(1);
    expect(slack.thread(post.ts)).toHaveLength(1);
  });

  it("7: bots, edits and its own messages are ignored", async () => {
    const post = slack.write("U1ANA", `<@${BOT.user_id}> hello`);
    const event = eventOf("app_mention", post);
    await slack.event({ ...event, bot_id: "B0OTHER" });
    await slack.event({ ...event, type: "message", channel_type: "im", subtype: "message_changed" });
    await slack.event({ ...event, type: "message", channel_type: "im", subtype: "bot_message" });
    await slack.event({ ...event, type: "message", channel_type: "im", user: BOT.user_id });
    await new Promise((done) => setTimeout(done, 80));
    expect(handlers.questions).toEqual([]);
  });

  it("8: a workspace that is not allowed is not heard", async () => {
    const post = slack.write("U1ANA", `<@${BOT.user_id}> hello`);
    await slack.event(eventOf("app_mention", post), { team: "T0FOREIGN" });
    await new Promise((done) => setTimeout(done, 80));
    expect(handlers.questions).toEqual([]);
  });

  it.each(["unknown_method", "missing_scope"])("goes on with a plain message where streaming answers %s", async (error) => {
    slack.fail("chat.startStream", { error });
    const asked = await slack.mention("U1ANA", "why?");
    const reply = await until("an answer", () => slack.thread(asked.ts)[0]);
    expect(reply.stream).toBeNull();
    expect(texts(reply)).toContain("catalog is slower");
  });

  it("finishes by an edit when Slack ended the stream meanwhile", async () => {
    slack.fail("chat.stopStream", { error: "message_not_in_streaming_state" });
    handlers.onAsk = async (_question, reply) => {
      await reply.step({ id: "s1", title: "Looking", state: "running", outcome: null, startedAt: 0, duration: null });
      await reply.answer(answer());
    };
    const asked = await slack.mention("U1ANA", "why?");
    const reply = await until("the edit", () => slack.thread(asked.ts).find(({ edits }) => edits > 0));
    expect(texts(reply)).toContain("catalog is slower");
    expect(slack.thread(asked.ts).filter((post) => texts(post).includes("catalog is slower"))).toHaveLength(1);
  });

  it("goes on by edits when Slack ends the stream between two steps", async () => {
    slack.fail("chat.appendStream", { error: "message_not_in_streaming_state" });
    handlers.onAsk = async (_question, reply) => {
      for (const id of ["s1", "s2", "s3"])
        await reply.step({ id, title: `Step ${id}`, state: "done", outcome: null, startedAt: 0, duration: 4 });
      await reply.answer(answer());
    };
    const asked = await slack.mention("U1ANA", "why?");
    const reply = await until("the answer", () =>
      slack.thread(asked.ts).find((post) => texts(post).includes("catalog is slower")),
    );
    expect(reply.edits).toBeGreaterThan(0);
    expect(reply.stream?.state).toBe("stopped");
    expect(slack.thread(asked.ts).filter(({ stream }) => stream)).toHaveLength(1);
  });

  it("51: a stream whose start was not answered is found, and finished as the one answer", async () => {
    slack.fail("chat.startStream", "lost");
    const asked = await slack.mention("U1ANA", "why?");
    const reply = await until("the answer", () =>
      slack.thread(asked.ts).find((post) => texts(post).includes("catalog is slower")),
    );
    await until("the details", () => slack.thread(asked.ts).length === 2);
    expect(reply.stream).not.toBeNull();
    expect(slack.thread(asked.ts).filter((post) => texts(post).includes("catalog is slower"))).toHaveLength(1);
  });

  it("51: an answer that is ready while Slack is down comes when it is back, once", async () => {
    slack.fail("chat.startStream", "drop");
    slack.fail("conversations.replies", "drop");
    slack.fail("chat.postMessage", "drop", "drop");
    const asked = await slack.mention("U1ANA", "why?");
    const reply = await until("the answer", () => slack.thread(asked.ts)[0]);
    expect(texts(reply)).toContain("catalog is slower");
    await until("the details", () => slack.thread(asked.ts).length === 2);
    await new Promise((done) => setTimeout(done, 200));
    expect(slack.thread(asked.ts)).toHaveLength(2);
  });

  it("keeps the conversation over a restart: a follow-up without a mention is answered", async () => {
    const asked = await slack.mention("U1ANA", "why is checkout slow?");
    await until("the first answer", () => slack.thread(asked.ts)[0]);
    await presenter.close();
    await surface.stop();
    await connect();
    await slack.event(eventOf("message", slack.write("U1ANA", "since when?", asked.ts)));
    await until("the follow-up", () => handlers.questions.length === 2);
  });

  it("7: two bots that mention each other without end get no second word, whether they say that they are bots or not", async () => {
    slack.users.set("U8BOT", { id: "U8BOT", is_bot: true });
    await slack.mention("U8BOT", "your turn");
    for (let turn = 0; turn < 20; turn++) await slack.mention("U7ECHO", `your turn ${turn}`);
    await until("the answers before silence", () => handlers.questions.length === 12);
    await new Promise((done) => setTimeout(done, 150));
    expect(handlers.questions.filter(({ user }) => user.id === "U8BOT")).toEqual([]);
    expect(handlers.questions).toHaveLength(12);
  });

  it("8: a sender of another organisation in a shared channel is not answered, and it is audited", async () => {
    const post = slack.write("U6OUT", `<@${BOT.user_id}> hello`);
    await slack.event({ ...eventOf("app_mention", post), user_team: "T0OTHER" });
    await until("the audit", () => handlers.refusals.find(({ actor }) => actor === "slack:U6OUT"));
    expect(handlers.questions).toEqual([]);
  });

  it("ends the work when a person presses Slack's Stop button", async () => {
    let late: () => Promise<void> = async () => {};
    handlers.onAsk = async (_question, reply) => {
      await reply.step({ id: "s1", title: "Looking", state: "running", outcome: null, startedAt: 0, duration: null });
      await new Promise<void>((done) => {
        late = async () => {
          await reply.answer(answer());
          done();
        };
      });
    };
    const asked = await slack.mention("U1ANA", "why?");
    const stream = await until("a stream", () => slack.thread(asked.ts)[0]);
    await slack.event({
      type: "agent_session_stopped",
      channel: "C0INC",
      user: "U1ANA",
      thread_ts: asked.ts,
      streaming_message_ts: [stream.ts],
    });
    await until("the cancellation", () => handlers.cancelled[0]);
    await late();
    await until("the note", () => slack.find("Stopped, as you asked"));
    expect(slack.find("catalog is slower")).toBeUndefined();
    await until("the session's end", () => slack.statuses.some(({ args }) => args.status === "closed"));
  });

  it("41, 45: hostile and huge answers are shown inert, within every limit", async () => {
    slack.fail("chat.startStream", { error: "unknown_method" });
    const asked = await slack.mention("U1ANA", "why?");
    handlers.onAsk = async (_question, reply) => reply.answer(answer(`${HOSTILE}\n${"🦩".repeat(14_000)}`));
    const second = await slack.mention("U1ANA", "and now?");
    const reply = await until("the streamed answer", () => slack.thread(second.ts)[0]);
    await until("the first answer", () => slack.thread(asked.ts)[0]);
    const shown = JSON.stringify([reply.blocks, reply.stream?.markdown]);
    for (const live of ["<!channel>", "<@U1>", "<https://evil"]) expect(shown).not.toContain(live);
    expect(shown).toContain("&lt;!channel&gt;");
  });
});

describe("investigations in Slack", () => {
  it("posts at once, edits the same message, and puts reasoning, evidence and picture into its thread", async () => {
    await presenter.showInvestigation(running());
    const post = await root();
    expect(post.text).toBe("Investigating: storefront latency +12 % since 02:41 UTC");
    await presenter.showInvestigation(finished());
    await until("the report", () => post.edits > 0);
    expect(post.text).toContain("storefront latency is +12 %, most likely because of the flag catalog-cache-v2-keys");
    expect(texts(post)).toContain("*91%*".replace("%", " %"));
    expect(texts(post)).toContain("95 % interval −12 % to −7.1 %");
    const details = await until("the details", () =>
      slack.thread(post.ts).find((reply) => texts(reply).includes("Four questions")),
    );
    expect(texts(details)).toContain("What would acting touch?");
    expect(texts(details)).toContain("Past incidents");
    const file = await until("the picture", () => slack.files[0]);
    expect(file).toMatchObject({ thread: post.ts, channel: "C0INC", title: "storefront latency" });
    expect(file.bytes.subarray(1, 4).toString()).toBe("PNG");
    expect(file.altText).toContain("left its expected band at 02:41 UTC");
    expect([...post.text].length).toBeLessThanOrEqual(200);
    expect(slack.thread(null).filter(({ user }) => user === BOT.user_id)).toHaveLength(1);
  });

  it("goes on in words when it may not upload files", async () => {
    slack.fail("files.getUploadURLExternal", { error: "missing_scope" });
    await presenter.showInvestigation(finished());
    const post = await root();
    await until("the details", () => slack.thread(post.ts)[0]);
    expect(slack.files).toEqual([]);
    expect(texts(post)).toContain("left its expected band");
  });

  it("shows the verdict as a new message of the thread, for edits do not notify", async () => {
    await presenter.showInvestigation(finished());
    await presenter.tell("INV-1", "**Verified.** It helped.");
    const post = await root();
    const verdict = await until("the verdict", () => slack.thread(post.ts).find((reply) => texts(reply).includes("*Verified.*")));
    expect(verdict.text).toBe("Verified. It helped.");
  });

  it("after a restart edits the same messages and posts nothing twice", async () => {
    await presenter.showInvestigation(finished());
    const post = await root();
    await until("the details", () => slack.thread(post.ts)[0]);
    await until("the picture", () => slack.files[0]);
    await presenter.close();
    await surface.stop();
    const before = slack.posts.length;
    await connect();
    await presenter.showInvestigation({ ...finished(), feedback: [vote("slack:U1ANA")] });
    await until("the edit", () => texts(post).includes("1 correct"));
    expect(slack.posts).toHaveLength(before);
    expect(slack.files).toHaveLength(1);
  });

  it("51: a card that changes while its details are being sent has them once, as of the newest", async () => {
    const first = { ...investigationCard(finished()), body: [] };
    const newest = { ...first, folds: [{ id: "new", title: "The newest", open: false, blocks: [] }] };
    const [details, release] = gate();
    slack.fail("chat.postMessage", { after: Promise.resolve() }, { after: details });
    const ref = await surface.post(first, null, false);
    const updated = surface.update(ref, newest, null);
    const post = await until("the edit", () => slack.posts.find(({ ts, edits }) => ts === ref.message && edits === 1));
    await new Promise((done) => setTimeout(done, 80));
    release();
    await updated;
    expect(slack.thread(post.ts).map(({ metadata }) => metadata?.event_payload.subject)).toEqual([`${first.subject}#0`]);
    expect(texts(slack.thread(post.ts)[0] as SlackPost)).toContain("The newest");
  });

  it("51: a card that changes while its picture is being sent has it once", async () => {
    const card = { ...investigationCard(finished()), folds: [] };
    const [upload, release] = gate();
    slack.fail("files.getUploadURLExternal", { after: upload });
    const ref = await surface.post(card, null, false);
    const updated = surface.update(ref, { ...card, context: ["later"] }, null);
    await until("the edit", () => slack.posts.find(({ ts, edits }) => ts === ref.message && edits === 1));
    await new Promise((done) => setTimeout(done, 80));
    release();
    await updated;
    // With everything that is still on its way.
    await surface.stop();
    expect(slack.files).toHaveLength(1);
  });

  it("51: details that were sent but not noted before a crash are found and edited, not sent again", async () => {
    const card = investigationCard(finished());
    const ref = await surface.post(card, null, false);
    const detail = await until("the details", () => slack.thread(ref.message)[0]);
    await surface.stop();
    await presenter.close();
    await store.forgetRef(`${card.subject}#0`, "slack");
    await connect();
    await surface.update(ref, { ...card, folds: [{ id: "new", title: "The newest", open: false, blocks: [] }] }, null);
    expect(slack.thread(ref.message)).toEqual([detail]);
    expect(texts(detail)).toContain("The newest");
    expect(await store.ref(`${card.subject}#0`, "slack")).toEqual({ channel: "C0INC", message: detail.ts });
  });

  it("51: waits as long as Slack asks, and a lost response makes no second message", async () => {
    slack.fail("chat.postMessage", { retryAfter: 1 }, "lost");
    await presenter.showInvestigation(running());
    await root();
    await presenter.showInvestigation(finished());
    await until("the report", () => slack.posts[0]?.edits);
    expect(slack.thread(null)).toHaveLength(1);
  });

  it("51: what could not be posted while Slack was down is posted when it is back, once and newest", async () => {
    slack.fail("chat.postMessage", "drop", "drop");
    await presenter.showInvestigation(running());
    await presenter.showInvestigation(finished());
    const post = await root();
    expect(post.text).toContain("most likely because");
    expect(slack.thread(null)).toHaveLength(1);
  });

  it("survives a dropped connection, and that Slack cannot be asked for another at once", async () => {
    slack.fail("apps.connections.open", "drop", { error: "internal_error" }, "drop");
    slack.dropConnections();
    // What nobody catches would end the process; here it fails the run.
    await until("the loss", () => slack.connections === 0);
    await until("the reconnection", () => slack.connections > 0);
    const asked = await slack.mention("U1ANA", "why?");
    await until("an answer", () => slack.thread(asked.ts)[0]);
  });

  it("follows when Slack asks it to connect anew, and loses nothing", async () => {
    slack.refreshConnections();
    const asked = await slack.mention("U1ANA", "why?");
    await until("an answer", () => slack.thread(asked.ts)[0]);
  });

  it("starts while Slack is down and listens when it is back; a wrong token is said at once", async () => {
    const start = async (changed: Partial<SlackOptions> = {}) => {
      await presenter.close();
      await surface.stop();
      await connect(changed);
    };
    slack.fail("auth.test", "drop", { error: "internal_error" });
    await start();
    await until("the old connection's end", () => slack.connections === 0);
    const asked = await slack.mention("U1ANA", "why?");
    await until("an answer", () => slack.thread(asked.ts)[0]);
    slack.fail("auth.test", { error: "invalid_auth" });
    await expect(start()).rejects.toThrow("Check SLACK_BOT_TOKEN");
  });

  it("waits for no answer for ever: a call that hangs is given up and tried again", async () => {
    await presenter.close();
    await surface.stop();
    await connect({ clientOptions: { timeout: 150 } });
    slack.fail("chat.postMessage", "hang");
    await presenter.showInvestigation(running());
    await root();
    expect(slack.thread(null)).toHaveLength(1);
  });

  it.each([
    ["is_archived", "unarchive"],
    ["channel_not_found", "invite"],
  ])("says what to do about %s, and does not hammer Slack", async (error, remedy) => {
    slack.fail("chat.postMessage", { error });
    const errors: string[] = [];
    await presenter.close();
    presenter = new Presenter({
      surfaces: [surface],
      store,
      log: { ...silentLog, error: (_facts, message) => errors.push(message) },
    });
    await presenter.showInvestigation(running());
    await until("the operator's message", () => errors[0]);
    expect(errors[0]?.toLowerCase()).toContain(remedy);
    expect(await presenter.undelivered()).toMatchObject([{ surface: "slack", count: 1, reason: expect.stringContaining(error) }]);
    expect(slack.calls.filter(({ method }) => method === "chat.postMessage")).toHaveLength(1);
  });
});

const vote = (user: string) => ({
  investigationId: "INV-1",
  user,
  verdict: "correct" as const,
  realCause: null,
  missed: null,
  actionEffective: null,
  via: "button" as const,
  at: 1,
});

describe("proposals in Slack", () => {
  const show = async (changed = {}) => {
    await presenter.showInvestigation(finished());
    await presenter.showProposal(pending(changed));
    return card();
  };

  it("stand in the investigation's thread with the change, the way back and the criterion", async () => {
    const post = await show();
    expect(post.thread_ts).toBe((await root()).ts);
    for (const words of ["`28% on` → `1% on`", "restore catalog-cache-v2-keys to 28%", "falls by at least 4 %", "61eb7732fbed"])
      expect(texts(post)).toContain(words);
    expect(texts(post)).toContain(":white_check_mark: approves");
  });

  it("are approved by the button: decided before the acknowledgement, told privately, shown on the same message", async () => {
    const post = await show();
    let acknowledged = false;
    handlers.onDecide = async () => {
      acknowledged = slack.acks.size > 0;
      return { accepted: true, text: "Approved PRO-1; running it now." };
    };
    const { after } = await slack.click("U1ANA", post, "vigil_approve");
    expect(after).toBeLessThan(1_000);
    expect(acknowledged).toBe(false);
    expect(handlers.decisions[0]).toMatchObject({
      proposalId: "PRO-1",
      rev: 1,
      nonce: "nonce-of-22-characters",
      verdict: "approve",
      via: "button",
      user: { id: "U1ANA" },
      message: { channel: "C0INC", id: post.ts },
    });
    await until("the private word", () => slack.ephemerals.find(({ text }) => text.includes("running it now")));
    await presenter.showProposal({ proposal: proposal({ state: "verified", outcome: "latency fell by 9 %" }), nonce: null });
    await until("the end", () => texts(post).includes("Verified"));
    expect(texts(post)).not.toContain("vigil_approve");
    expect(await presenter.isCardOf("PRO-1", "slack", { channel: "C0INC", id: post.ts })).toBe(true);
    expect(await presenter.isCardOf("PRO-1", "slack", { channel: "C0OTHER", id: post.ts })).toBe(false);
  });

  it("12: a refusal is told to the one who clicked and to nobody else", async () => {
    const post = await show();
    handlers.onDecide = async () => ({ accepted: false, text: "You are not among the approvers; nothing was done." });
    await slack.click("U2BEN", post, "vigil_approve");
    const told = await until("the refusal", () => slack.ephemerals[0]);
    expect(told).toMatchObject({ user: "U2BEN", text: "You are not among the approvers; nothing was done." });
  });

  it.each([
    ["guests", { is_restricted: true }],
    ["single-channel guests", { is_ultra_restricted: true }],
    ["deactivated people", { deleted: true }],
    ["bots", { is_bot: true }],
    ["people of other organisations", { team_id: "T0FOREIGN" }],
  ])("14: %s do not decide", async (_who, user) => {
    slack.users.set("U3CAL", { id: "U3CAL", ...user });
    await slack.click("U3CAL", await show(), "vigil_approve");
    await until("the refusal", () => slack.ephemerals.find(({ user: told }) => told === "U3CAL"));
    expect(handlers.decisions).toEqual([]);
  });

  it("15: whoever cannot be checked does not decide", async () => {
    const post = await show();
    slack.fail("users.info", { error: "internal_error" }, "drop");
    await slack.click("U3CAL", post, "vigil_approve");
    await until("the refusal", () => slack.ephemerals.find(({ text }) => text.includes("cannot check who you are")));
    expect(handlers.decisions).toEqual([]);
  });

  it("17, 18: words and a thumbs-up approve nothing", async () => {
    const post = await show();
    await slack.react("reaction_added", "U1ANA", "+1", post);
    await slack.event(eventOf("message", slack.write("U1ANA", "I approve", post.thread_ts)));
    await new Promise((done) => setTimeout(done, 80));
    expect(handlers.decisions).toEqual([]);
    expect(handlers.verdicts).toEqual([]);
  });

  it("an emoji decides on the live card, as the same decision; afterwards it is too late", async () => {
    const post = await show();
    await slack.react("reaction_added", "U1ANA", "white_check_mark", post);
    await until("the decision", () => handlers.decisions[0]);
    expect(handlers.decisions[0]).toMatchObject({
      verdict: "approve",
      via: "emoji",
      nonce: "nonce-of-22-characters",
      message: { id: post.ts },
    });
    await presenter.showProposal({ proposal: proposal({ state: "denied" }), nonce: null });
    await until("the end", () => texts(post).includes("Denied"));
    await slack.react("reaction_added", "U2BEN", "no_entry", post);
    await until("the hint", () => slack.ephemerals.find(({ text }) => text.includes("too late")));
    expect(handlers.decisions).toHaveLength(1);
  });

  it("a card of a higher tier says that it needs the button", async () => {
    const post = await show({ risk: { tier: "T3", score: 9, lines: [] } });
    expect(texts(post)).toContain("T3 needs the button");
  });

  it("22: a button with altered contents is refused here already", async () => {
    await slack.click("U1ANA", await show(), "vigil_approve", { value: "PRO-1;DROP.1.x" });
    await until("the refusal", () => slack.ephemerals.find(({ text }) => text.includes("not one of mine")));
    expect(handlers.decisions).toEqual([]);
  });

  it("24: are denied with a reason; a form that comes too late shows the error and decides nothing", async () => {
    const post = await show();
    await slack.click("U1ANA", post, "vigil_deny");
    await until("the form", () => slack.views.find(({ kind }) => kind === "open"));
    handlers.onDecide = async () => ({ accepted: false, text: "It expired at 14:05." });
    const late = await slack.submit("U1ANA", { reason: { text: { type: "plain_text_input", value: "not now" } } });
    expect(late.payload).toMatchObject({ response_action: "errors", errors: { reason: "It expired at 14:05." } });
    handlers.onDecide = async () => ({ accepted: true, text: "Denied PRO-1." });
    const inTime = await slack.submit("U1ANA", { reason: { text: { type: "plain_text_input", value: "not now" } } });
    expect(inTime.payload ?? {}).not.toHaveProperty("errors");
    expect(handlers.decisions.at(-1)).toMatchObject({
      verdict: "deny",
      reason: "not now",
      message: { channel: "C0INC", id: post.ts },
    });
  });

  it("show exactly what will run behind Details", async () => {
    await slack.click("U1ANA", await show(), "vigil_details");
    const opened = await until("the details", () => slack.views[0]);
    const shown = JSON.stringify(opened.view);
    expect(shown).toContain("61eb7732fbed496c7b1fd65712b885a1235864bf252f72b423622e5dc8e56425");
    expect(shown).toContain("toggle_feature_flag");
    expect(shown).toContain("way back");
  });
});

describe("feedback in Slack", () => {
  const show = async () => {
    await presenter.showInvestigation(finished());
    const post = await root();
    await until("the details", () => slack.thread(post.ts)[0]);
    return post;
  };

  it("by buttons", async () => {
    const post = await show();
    await slack.click("U1ANA", post, "vigil_feedback", { value: "INV-1.correct" });
    await slack.click("U2BEN", post, "vigil_feedback_partly");
    expect(handlers.verdicts).toMatchObject([
      { investigationId: "INV-1", verdict: "correct", via: "button", user: { id: "U1ANA" } },
      { investigationId: "INV-1", verdict: "partly", via: "button", user: { id: "U2BEN" } },
    ]);
  });

  it("by the form, with the real cause", async () => {
    const post = await show();
    await slack.click("U1ANA", post, "vigil_feedback_form");
    await until("the form", () => slack.views[0]);
    await slack.submit("U1ANA", {
      verdict: { choice: { type: "radio_buttons", selected_option: { value: "incorrect" } } },
      cause: { text: { type: "plain_text_input", value: "a cron job" } },
      missed: { text: { type: "plain_text_input", value: null } },
      helped: { choice: { type: "radio_buttons", selected_option: { value: "no" } } },
    });
    expect(handlers.verdicts).toMatchObject([
      { verdict: "incorrect", realCause: "a cron job", missed: null, actionEffective: false, via: "form" },
    ]);
  });

  it("by reactions: one vote for each person, and taking it back withdraws it", async () => {
    const post = await show();
    await slack.react("reaction_added", "U1ANA", "thumbsup::skin-tone-3", post);
    await slack.react("reaction_added", "U1ANA", "mute", post);
    await slack.react("reaction_removed", "U1ANA", "mute", post);
    await slack.react("reaction_removed", "U1ANA", "thumbsup", post);
    await slack.react("reaction_added", "U1ANA", "tada", post);
    await until("the withdrawal", () => handlers.verdicts.length === 4);
    expect(handlers.verdicts.map(({ verdict }) => verdict)).toEqual(["correct", "noise", "correct", null]);
    expect(handlers.verdicts[0]).toMatchObject({ via: "reaction", user: { id: "U1ANA" } });
  });

  it("a reaction on somebody else's message is none of ours", async () => {
    const post = slack.write("U2BEN", "lunch?");
    await slack.react("reaction_added", "U1ANA", "+1", post);
    await new Promise((done) => setTimeout(done, 50));
    expect(handlers.verdicts).toEqual([]);
  });
});

describe("the rest of Slack", () => {
  it("52: /vigil answers in its acknowledgement", async () => {
    const answered = await slack.command("U1ANA", "status");
    expect(answered).toMatchObject({ response_type: "ephemeral", text: "*Ready.* You said status." });
    expect(await slack.command("U1ANA", "stop too risky")).toMatchObject({ response_type: "in_channel" });
    expect(handlers.commands[1]).toMatchObject({ text: "stop too risky", user: { surface: "slack", id: "U1ANA" } });
  });

  it("investigates a message by its shortcut, in that message's thread", async () => {
    const post = slack.write("U2BEN", "checkout feels slow &amp; odd");
    await slack.shortcut("U1ANA", "vigil_investigate", post);
    await until("an answer", () => slack.thread(post.ts)[0]);
    expect(handlers.questions[0]?.text).toBe("Investigate this: checkout feels slow & odd");
  });

  it("52: has an App Home with what awaits approval, what runs, the figures and the kill switch", async () => {
    await presenter.showInvestigation(finished());
    await presenter.showProposal(pending());
    const post = await card();
    handlers.onHome = () => home();
    const opened = async () => {
      const before = slack.views.length;
      await slack.event({ type: "app_home_opened", user: "U1ANA", channel: "D1ANA", tab: "home", event_ts: "1" });
      return until("the App Home", () => slack.views.slice(before).find(({ kind }) => kind === "publish"));
    };
    const first = await opened();
    expect(first.user).toBe("U1ANA");
    const shown = JSON.stringify(first.view);
    for (const words of [
      "Awaits your approval · 1",
      "flag catalog-cache-v2-keys",
      "PRO-2",
      "not yours to approve",
      "INV-2",
      "86 %",
    ])
      expect(shown).toContain(words);
    expect(shown).toContain(`archives/C0INC/p${post.ts.replace(".", "")}`);
    await slack.press("U1ANA", "vigil_stop");
    await until("the stop", () => handlers.commands.find(({ text }) => text.startsWith("stop")));
    handlers.onHome = () =>
      home({ stopped: "stopped by slack:U1ANA: fire", undelivered: [{ surface: "slack", count: 2, reason: "is_archived" }] });
    await opened();
    const second = await until("the stopped App Home", () =>
      slack.views.map(({ view }) => JSON.stringify(view)).find((view) => view.includes("stopped by slack:U1ANA")),
    );
    expect(second).toContain("vigil_resume");
    expect(second).not.toContain("vigil_stop");
    expect(second).toContain("2 messages to slack could not be delivered");
  });

  it("refuses a configuration in which one emoji would both vote and approve", () => {
    const wrong = { emoji: { approve: "+1" } };
    expect(() =>
      slackSurface({ botToken: "xoxb-1", appToken: "xapp-1", channel: "C1", store, log: silentLog, ...wrong }),
    ).toThrow(/\+1 cannot both/);
  });

  it("says what is missing when it has neither an app token nor a signing secret", () => {
    expect(() => slackSurface({ botToken: "xoxb-1", channel: "C1", store, log: silentLog })).toThrow(/SLACK_APP_TOKEN/);
  });
});
