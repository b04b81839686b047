import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { slackSurface } from "../../src/chat/slack/index.ts";
import type { Surface } from "../../src/chat/surface.ts";
import { ConversationRepository } from "../../src/store/conversations.ts";
import { openStateDatabase, type StateDatabase } from "../../src/store/state.ts";
import { answer } from "../support/chat-samples.ts";
import { FakeHandlers, silentLog, until } from "../support/fake-handlers.ts";
import { BOT, eventOf, FakeSlack } from "../support/fake-slack.ts";

/** Slack over HTTP, with a signing secret instead of a socket. */

let slack: FakeSlack;
let db: StateDatabase;
let store: ConversationRepository;
let handlers: FakeHandlers;
let surface: Surface;
const to = { port: 0, secret: randomBytes(16).toString("hex") };

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

beforeEach(async () => {
  slack = await FakeSlack.start();
  db = await openStateDatabase(":memory:");
  store = new ConversationRepository(db);
  handlers = new FakeHandlers();
  to.port = await freePort();
  surface = slackSurface({
    botToken: "xoxb-test",
    signingSecret: to.secret,
    httpPort: to.port,
    channel: "C0INC",
    apiUrl: slack.apiUrl,
    store,
    gap: 1,
    log: silentLog,
  });
  await surface.start(handlers);
});

afterEach(async () => {
  await surface.stop();
  await db.destroy();
  await slack.stop();
  expect(slack.refused).toEqual([]);
});

const mention = () => eventOf("app_mention", slack.write("U1ANA", `<@${BOT.user_id}> why?`));
const rest = () => new Promise((done) => setTimeout(done, 80));

describe("Slack over HTTP", () => {
  it("answers a signed mention", async () => {
    const event = mention();
    const { status } = await slack.eventByHttp(to, event);
    expect(status).toBe(200);
    await until("the answer", () => slack.thread(String(event.ts))[0]);
  });

  it.each([
    ["no signature", { signature: null }],
    ["a wrong signature", { signature: `v0=${"0".repeat(64)}` }],
    ["a signature of another scheme", { signature: "v1=abc" }],
    ["a body that was changed by one byte", { tamper: true }],
  ])("1: a request with %s is 401, reaches no handler, and is audited", async (_what, options) => {
    expect((await slack.eventByHttp(to, mention(), options)).status).toBe(401);
    await rest();
    expect(handlers.questions).toEqual([]);
    expect(handlers.refusals).toMatchObject([{ kind: "auth_reject", actor: "slack" }]);
  });

  it("2: a right signature of 302 s ago, or of 302 s from now, is 401; within 298 s it counts", async () => {
    expect((await slack.eventByHttp(to, mention(), { skew: -302 })).status).toBe(401);
    expect((await slack.eventByHttp(to, mention(), { skew: 302 })).status).toBe(401);
    await rest();
    expect(handlers.questions).toEqual([]);
    expect(handlers.refusals).toHaveLength(2);
    expect((await slack.eventByHttp(to, mention(), { skew: -298 })).status).toBe(200);
    expect((await slack.eventByHttp(to, mention(), { skew: 298 })).status).toBe(200);
    await until("both answers", () => handlers.questions.length === 2);
  });

  it("3: the same signed event three times is one question and one answer; a replayed command runs once", async () => {
    const event = mention();
    for (let time = 0; time < 3; time++) expect((await slack.eventByHttp(to, event, { eventId: "Ev1" })).status).toBe(200);
    await until("the answer", () => slack.thread(String(event.ts))[0]);
    await rest();
    expect(handlers.questions).toHaveLength(1);
    expect(slack.thread(String(event.ts))).toHaveLength(1);
    for (let time = 0; time < 3; time++) expect((await slack.commandByHttp(to, "U1ANA", "stop", "trigger.1")).status).toBe(200);
    expect((await slack.commandByHttp(to, "U1ANA", "status", "trigger.2")).status).toBe(200);
    expect(handlers.commands.map(({ text }) => text)).toEqual(["stop", "status"]);
  });

  it("5: a handler that takes long delays no acknowledgement and runs once, though Slack tries again", async () => {
    let goOn = () => {};
    const acknowledged = new Promise<void>((done) => {
      goOn = done;
    });
    handlers.onAsk = async (_question, reply) => {
      await acknowledged;
      await reply.answer(answer());
    };
    const event = mention();
    for (let time = 0; time < 2; time++) expect((await slack.eventByHttp(to, event, { eventId: "Ev7" })).status).toBe(200);
    goOn();
    await until("the answer", () => slack.thread(String(event.ts))[0]);
    expect(handlers.questions).toHaveLength(1);
  });

  it("8: a workspace that is not allowed is dropped and audited", async () => {
    expect((await slack.eventByHttp(to, mention(), { team: "T0FOREIGN" })).status).toBe(200);
    await until("the audit", () => handlers.refusals.find(({ kind }) => kind === "foreign_workspace"));
    expect(handlers.questions).toEqual([]);
  });

  it("keeps neither the old verification token nor, once answered, the text of an event", async () => {
    const event = mention();
    await slack.eventByHttp(to, event, { eventId: "Ev8" });
    const kept = await until("the event", () =>
      db.selectFrom("inbox").selectAll().where("event_id", "=", "Ev8").executeTakeFirst(),
    );
    expect(String(kept.body)).not.toContain("legacy-verification-token");
    await until("the end", async () => {
      const row = await db.selectFrom("inbox").selectAll().where("event_id", "=", "Ev8").executeTakeFirst();
      return row?.settled === 1 && row.body === null;
    });
    expect(await store.forgetSettled(Date.now() + 1)).toBeGreaterThan(0);
  });

  it("answers nothing else, and refuses what is too large", async () => {
    expect((await fetch(`http://127.0.0.1:${to.port}/`)).status).toBe(404);
    const huge = { ...mention(), text: "x".repeat(1_200_000) };
    expect((await slack.eventByHttp(to, huge)).status).toBe(413);
  });
});
