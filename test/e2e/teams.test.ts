import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { Presenter } from "../../src/chat/presenter.ts";
import { type TeamsOptions, type TeamsSurface, teamsSurface } from "../../src/chat/teams/index.ts";
import { ConversationRepository } from "../../src/store/conversations.ts";
import { openStateDatabase, type StateDatabase } from "../../src/store/state.ts";
import { TeamsConversationRepository } from "../../src/store/teams.ts";
import { answer, finished, HOSTILE, pending, running } from "../support/chat-samples.ts";
import { FakeHandlers, silentLog, until } from "../support/fake-handlers.ts";
import {
  ANA,
  APP_ID,
  actionsOf,
  BEN,
  BOT,
  CHANNEL,
  FakeTeams,
  GUS,
  OLA,
  TENANT,
  type TeamsMessage,
  teamsOptions,
  wordsOf,
} from "../support/fake-teams.ts";

let teams: FakeTeams;
let db: StateDatabase;
let store: ConversationRepository;
let handlers: FakeHandlers;
let surface: TeamsSurface;
let presenter: Presenter;
let approvers: Set<string>;

async function connect(changed: Partial<TeamsOptions> = {}): Promise<void> {
  surface = teamsSurface({
    ...teamsOptions(teams, store, db),
    mayApprove: async (id) => approvers.has(id),
    openIdMetadataUrl: teams.openIdMetadataUrl,
    pace: { gap: 0, sleep: async () => {} },
    ...changed,
  });
  presenter = new Presenter({ surfaces: [surface], store, log: silentLog });
  await surface.start(handlers);
  teams.endpoint = surface.url;
}

async function disconnect(): Promise<void> {
  await presenter.close();
  await surface.stop();
}

beforeEach(async () => {
  teams = await FakeTeams.start();
  db = await openStateDatabase(":memory:");
  store = new ConversationRepository(db);
  handlers = new FakeHandlers();
  approvers = new Set([ANA.aadObjectId, GUS.aadObjectId, OLA.aadObjectId]);
  await connect();
});

afterEach(async () => {
  await disconnect();
  await db.destroy();
  await teams.stop();
  // Whatever a test did, Teams never saw a message that it would refuse.
  expect(teams.refused).toEqual([]);
});

/** A message of Teams once it is known here which message it is: people press no sooner. */
const known = async (what: string, text: string | RegExp): Promise<TeamsMessage> => {
  const message = await until(what, () => teams.find(text));
  await until(what, () => store.subjectOf("teams", { channel: message.conversation, message: message.id }));
  return message;
};
const root = () => known("the investigation's card", /storefront latency/);
const cardWords = (message: TeamsMessage) => wordsOf(teams.cardOf(message));
const settled = () => new Promise((done) => setTimeout(done, 80));
const toast = (body: Record<string, unknown>) => (body.task ? (body.task as { value: unknown }).value : body.value);

describe("the door of Teams", () => {
  // The SDK tells the console about every bad token.
  beforeAll(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

  const message = (changed: Record<string, unknown> = {}) => teams.activity(ANA, { text: "why?", ...changed });
  const bearer = async (options: Parameters<FakeTeams["token"]>[0]) => `Bearer ${await teams.token(options)}`;
  const none = () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { iss: "https://api.botframework.com", aud: APP_ID, serviceurl: teams.serviceUrl, exp: Date.now() };
    return `Bearer ${part({ alg: "none", kid: "key-1" })}.${part(claims)}.`;
  };

  it.each([
    ["no token", async () => null],
    ["a wrong audience", () => bearer({ audience: "ffffffff-0000-4000-8000-000000000000" })],
    ["a wrong issuer", () => bearer({ issuer: "https://sts.windows.net/evil/" })],
    ["an expired token", () => bearer({ expiresAt: Math.floor(Date.now() / 1_000) - 1_000 })],
    ["a token for another serviceUrl", () => bearer({ serviceUrl: "https://evil.example/" })],
    ["a token signed with another key", () => bearer({ foreignKey: true })],
    ["alg none", async () => none()],
    ["something that is no token", async () => "Bearer nonsense"],
    ["another scheme", async () => "Basic dXNlcjpwYXNz"],
  ])("9: answers 401 to %s, runs nothing and audits it", async (_what, authorization) => {
    const { status } = await teams.deliver(message(), await authorization());
    expect(status).toBe(401);
    await settled();
    expect(handlers.questions).toEqual([]);
    expect(handlers.refusals).toMatchObject([{ kind: "auth_reject" }]);
  });

  it("9: lets Teams' own token in", async () => {
    expect((await teams.deliver(message())).status).toBe(200);
    await until("the question", () => handlers.questions[0]);
    expect(handlers.refusals).toEqual([]);
  });

  it("9: refuses to start without an app id, but for tests on loopback", () => {
    const start = (changed: Partial<TeamsOptions>) => () =>
      teamsSurface({ ...optionsOf(), appId: null, environment: "production", ...changed });
    expect(start({})).toThrow(/TEAMS_APP_ID/);
    expect(start({ environment: undefined })).toThrow(/TEAMS_APP_ID/);
    expect(start({ environment: "test", host: "0.0.0.0" })).toThrow(/TEAMS_APP_ID/);
    expect(start({ environment: "test" })).not.toThrow();
  });

  it("9: the process ends with a word to the operator when Teams is configured without an app id", () => {
    const folder = mkdtempSync(join(tmpdir(), "vigil-refuses-"));
    const { status, stderr } = spawnSync(
      process.execPath,
      ["--import", "tsx", resolve(import.meta.dirname, "../../src/cli.ts"), "start"],
      {
        cwd: resolve(import.meta.dirname, "../.."),
        env: {
          ...process.env,
          NODE_ENV: "production",
          VIGIL_DATA_DIR: folder,
          VIGIL_PORT: "0",
          VIGIL_DEMO: "off",
          TEAMS_CHANNEL: CHANNEL,
        },
        encoding: "utf8",
        timeout: 20_000,
      },
    );
    expect(status).toBe(1);
    expect(stderr).toMatch(/^vigil: Teams needs teams\.appId \(TEAMS_APP_ID\)/m);
  });

  it.each([
    [{ tenantId: undefined }, /TEAMS_TENANT_ID/],
    [{ appSecret: undefined }, /TEAMS_APP_SECRET/],
    [{ serviceUrl: "https://evil.example/" }, /teams.serviceUrl https:\/\/evil.example\/ is not at one of teams.serviceHosts/],
  ])("says what is missing: %o", (changed, expected) => {
    expect(() => teamsSurface({ ...optionsOf(), ...changed })).toThrow(expected);
  });

  it.each([
    ["another tenant", { conversation: { id: CHANNEL, tenantId: OLA.tenantId, conversationType: "channel" } }],
    ["another tenant in the channel data", { channelData: { tenant: { id: OLA.tenantId } } }],
    ["no tenant", { conversation: { id: CHANNEL }, channelData: {} }],
  ])("8: drops what comes from %s, and audits it", async (_what, changed) => {
    expect((await teams.deliver(message(changed))).status).toBe(403);
    await settled();
    expect(handlers.questions).toEqual([]);
    expect(handlers.refusals).toMatchObject([{ actor: `teams:${ANA.aadObjectId}` }]);
    expect(await new TeamsConversationRepository(db).find(CHANNEL)).toBeNull();
  });

  it.each([
    "https://evil.example/",
    "http://smba.trafficmanager.net/",
    "https://smba.trafficmanager.net.evil.example/",
    "ftp://x/",
    "",
  ])(
    "10: refuses the foreign serviceUrl %j even with a good token, and does not keep it for proactive posts",
    async (serviceUrl) => {
      const { status } = await teams.deliver(message({ serviceUrl }), await bearer({ serviceUrl }));
      expect(status).toBe(403);
      await settled();
      expect(handlers.questions).toEqual([]);
      expect(handlers.refusals).toHaveLength(1);
      expect(await new TeamsConversationRepository(db).find(CHANNEL)).toBeNull();
    },
  );

  it("11: answers 400 to what is no activity and 413 to what is too large", async () => {
    expect((await teams.deliver({ hello: "there" })).status).toBe(401);
    expect((await teams.deliver({ channelId: "msteams", serviceUrl: teams.serviceUrl })).status).toBe(400);
    expect((await teams.deliver(message({ text: "x".repeat(400_000) }))).status).toBe(413);
    const response = await fetch(teams.endpoint, { method: "POST", headers: { "content-type": "application/json" }, body: "{" });
    expect(response.status).toBe(400);
  });

  it("lets no stranger fill the audit", async () => {
    for (let index = 0; index < 80; index++) await teams.deliver(message(), null);
    expect(handlers.refusals).toHaveLength(60);
  });

  it("keeps the serviceUrl of each conversation current", async () => {
    await teams.say(ANA, "why?");
    expect(await new TeamsConversationRepository(db).find(CHANNEL)).toMatchObject({
      kind: "channel",
      serviceUrl: teams.serviceUrl,
      tenantId: TENANT,
      teamId: "19:team@thread.tacv2",
    });
  });
});

const optionsOf = (): TeamsOptions => teamsOptions(teams, store, db);

describe("questions in Teams", () => {
  const step = (id: string, title: string, state: "running" | "done" = "running") => ({
    id,
    title,
    state,
    outcome: null,
    startedAt: 0,
    duration: null,
  });

  it("answers a mention in its thread: typing, one message that is edited, citations, the label", async () => {
    let go = () => {};
    handlers.onAsk = async (_question, reply) => {
      await reply.step(step("s1", "Reading the metrics"));
      await new Promise<void>((done) => {
        go = done;
      });
      await reply.answer(answer("catalog is slower since 02:41 UTC [E1]."));
    };
    const asked = await teams.say(ANA, "why is checkout slow?");
    const looking = await until("the first sign", () => teams.find("Reading the metrics"));
    expect(teams.typing).toEqual([asked.conversation]);
    go();
    await until("the answer", () => looking.edits > 0);
    expect(looking.activity.text).toContain("catalog is slower since 02:41 UTC [1]");
    expect(looking.activity.entities).toMatchObject([
      {
        "@type": "Message",
        additionalType: ["AIGeneratedContent"],
        citation: [{ position: 1, appearance: { name: "E1 Changes before the onset" } }],
      },
    ]);
    expect(cardWords(looking)).toContain("Evidence, 1 item");
    expect(cardWords(looking)).toContain("the offline reasoner");
    expect(teams.messages).toHaveLength(1);
    expect(handlers.questions[0]).toMatchObject({
      text: "why is checkout slow?",
      user: { surface: "teams", id: ANA.aadObjectId, name: "Ana" },
      at: { surface: "teams", channel: asked.conversation, thread: asked.id },
    });
  });

  it("43: says where a question was asked, so that what is said in a private place stays there", async () => {
    await teams.say(ANA, "why?");
    await teams.say(ANA, "why?", "personal");
    await teams.say(ANA, "why?", "19:other@thread.tacv2;messageid=1");
    await until("the questions", () => handlers.questions.length === 3);
    expect(handlers.questions.map(({ audience }) => audience)).toEqual([null, "teams:a:1-ana", "teams:19:other@thread.tacv2"]);
  });

  it("streams in a one-to-one chat and nowhere else", async () => {
    handlers.onAsk = async (_question, reply) => {
      await reply.step(step("s1", "Reading the metrics"));
      await reply.step(step("s1", "Reading the metrics", "done"));
      await reply.step(step("s2", "Looking at changes"));
      await reply.answer(answer("catalog is slower since 02:41 UTC [E1]."));
    };
    await teams.say(ANA, "why?", "personal");
    const final = await until("the end of the stream", () => teams.find("catalog is slower"));
    const [stream] = [...teams.streams.values()];
    expect(stream).toMatchObject({ state: "final" });
    expect(stream?.texts.at(-1)).toBe("Looking at changes…");
    expect(final.id).toMatch(/^stream-/);
    expect(final.activity.entities).toMatchObject([{ "@type": "Message" }, { type: "streaminfo", streamType: "final" }]);
    await teams.say(ANA, "and here?");
    await until("the second answer", () => teams.messages.length === 2);
    expect(teams.streams.size).toBe(1);
  });

  it("ends the work when the person presses the stream's Stop button", async () => {
    let go = () => {};
    handlers.onAsk = async (_question, reply) => {
      await reply.step(step("s1", "Reading the metrics"));
      await new Promise<void>((done) => {
        go = done;
      });
      await reply.step(step("s2", "Looking at changes"));
      await reply.answer(answer());
    };
    const asked = await teams.say(ANA, "why?", "personal");
    await until("the stream", () => teams.streams.size > 0);
    teams.pressStop();
    go();
    await until("the cancellation", () => handlers.cancelled[0]);
    expect(handlers.cancelled).toEqual([{ surface: "teams", channel: asked.conversation, thread: null }]);
    await settled();
    expect(teams.messages).toEqual([]);
  });

  it("goes on with a message where streaming is refused", async () => {
    handlers.onAsk = async (_question, reply) => {
      await reply.step(step("s1", "Reading the metrics"));
      await reply.answer(answer());
    };
    teams.fail({ status: 400, code: "BadSyntax" });
    await teams.say(ANA, "why?", "personal");
    await until("the answer", () => teams.find("catalog is slower"));
    expect(teams.streams.size).toBe(0);
  });

  it("3, 4: the same activity delivered again is answered once", async () => {
    const activity = teams.activity(ANA, { text: "why?" });
    await teams.deliver(activity);
    await teams.deliver(activity);
    await until("the answer", () => teams.messages[0]);
    await teams.deliver(activity);
    await settled();
    expect(handlers.questions).toHaveLength(1);
    expect(teams.messages).toHaveLength(1);
  });

  it("5: a slow handler does not delay Teams' answer", async () => {
    let goOn = () => {};
    const answered = new Promise<void>((done) => {
      goOn = done;
    });
    handlers.onAsk = async (_question, reply) => {
      await answered;
      await reply.answer(answer());
    };
    await teams.say(ANA, "why?");
    expect(teams.messages).toEqual([]);
    goOn();
    await until("the answer", () => teams.messages[0]);
  });

  it("6: an activity that a crash left unanswered is taken up after the restart", async () => {
    await disconnect();
    const activity = teams.activity(ANA, { text: "why?" }, `${CHANNEL};messageid=7`);
    await store.takeIn("teams", "event-7", activity, Date.now());
    await connect();
    await until("the answer", () => teams.messages[0]);
    expect(handlers.questions).toHaveLength(1);
    await until("the end of the work", async () => (await store.open("teams", 0)).length === 0);
  });

  it("7: other bots are ignored, and a loop of questions falls silent", async () => {
    await teams.deliver(teams.activity(ANA, { text: "hello", from: { id: "28:other-bot", name: "Bot" } }));
    await teams.deliver(teams.activity(ANA, { text: "hello", from: { ...BOT, role: "bot" } }));
    await settled();
    expect(handlers.questions).toEqual([]);
    for (let index = 0; index < 15; index++)
      await teams.deliver(teams.activity(ANA, { text: `again ${index}` }, "19:x@thread.tacv2;messageid=1"));
    await settled();
    expect(handlers.questions).toHaveLength(12);
  });

  it.each([
    ["status", "status"],
    ["/vigil investigate checkout", "investigate checkout"],
    ["Help!", "Help"],
    ["/vigil stop the database is burning", "stop the database is burning"],
  ])("%j is a command", async (text, command) => {
    await teams.say(ANA, text);
    await until("the answer", () => teams.find("Ready"));
    expect(handlers.commands.map((one) => one.text)).toEqual([command]);
    expect(handlers.questions).toEqual([]);
  });

  it.each(["status of checkout?", "investigate why checkout is slow", "what does stop mean?", "stop guessing"])(
    "%j is a question",
    async (text) => {
      await teams.say(ANA, text);
      await until("the question", () => handlers.questions[0]);
      expect(handlers.commands).toEqual([]);
    },
  );

  it("greets with help when added to a one-to-one chat, and is quiet in channels", async () => {
    await teams.deliver(teams.activity(ANA, { type: "conversationUpdate", membersAdded: [{ id: BOT.id }] }));
    await teams.deliver(teams.activity(ANA, { type: "conversationUpdate", membersAdded: [{ id: BOT.id }] }, "a:1-ana"));
    await until("the greeting", () => teams.messages[0]);
    await settled();
    expect(teams.messages).toHaveLength(1);
    expect(handlers.commands.map(({ text }) => text)).toEqual(["help"]);
  });

  it("41, 45: hostile and huge answers are shown inert, within every limit", async () => {
    handlers.onAsk = async (_question, reply) => reply.answer(answer(`${HOSTILE}\n${"🦩".repeat(14_000)}`));
    await teams.say(ANA, "why?");
    const message = await until("the answer", () => teams.messages[0]);
    const { text, attachments } = message.activity;
    const shown = JSON.stringify([text, attachments]);
    const live = ["https://evil", "<script", "<img", "\u202e", "\u200b"].filter((one) => shown.includes(one));
    expect(live).toEqual([]);
    expect(shown.includes("&lt;script&gt;")).toBe(true);
  });
});

describe("investigations in Teams", () => {
  it("posts a thread of its own at once, and edits the same message", async () => {
    await presenter.showInvestigation(running());
    const message = await root();
    expect(message.activity.summary).toBe("Investigating: storefront latency +12 % since 02:41 UTC");
    expect(message.conversation).toBe(`${CHANNEL};messageid=${message.id}`);
    await presenter.showInvestigation(finished());
    await until("the report", () => message.edits > 0);
    const words = cardWords(message);
    for (const part of [
      "most likely because of the flag catalog-cache-v2-keys",
      "91 %",
      "95 % interval −12 % to −7.1 %",
      "Four questions",
      "Past incidents",
    ])
      expect(words).toContain(part);
    expect(JSON.stringify(message.activity)).toContain('"type":"Image","url":"data:image/png;base64,');
    expect(message.activity.entities).toMatchObject([{ additionalType: ["AIGeneratedContent"] }]);
    expect(message.activity.channelData).toEqual({ feedbackLoop: { type: "custom" } });
    expect(teams.messages).toHaveLength(1);
  });

  it("shows the verdict as a new message of the thread, for edits do not notify", async () => {
    await presenter.showInvestigation(finished());
    await presenter.tell("INV-1", "**Verified.** It helped.");
    const post = await root();
    const verdict = await until("the verdict", () => teams.find("**Verified.**"));
    expect(verdict.conversation).toBe(post.conversation);
  });

  it("after a restart edits the same message", async () => {
    await presenter.showInvestigation(running());
    const post = await root();
    await disconnect();
    await connect();
    await presenter.showInvestigation(finished());
    await until("the edit", () => post.edits === 1);
    expect(teams.messages).toHaveLength(1);
  });

  it.each([412, 429, 502, 504])("51: tries again after %i", async (status) => {
    teams.fail({ status }, { status });
    await presenter.showInvestigation(running());
    await root();
    expect(teams.messages).toHaveLength(1);
  });

  it("51: what could not be posted while Teams was down is posted when it is back, once and newest", async () => {
    teams.fail("drop", { status: 503 });
    await presenter.showInvestigation(running());
    await presenter.showInvestigation(finished());
    const post = await root();
    expect(post.activity.summary).toContain("most likely because");
    expect(teams.messages).toHaveLength(1);
  });

  it("a message that was deleted is posted anew", async () => {
    await presenter.showInvestigation(running());
    await root();
    teams.messages.length = 0;
    await presenter.showInvestigation(finished());
    await until("the new message", () => teams.messages[0]);
  });

  it.each([
    [{ status: 403, code: "BotNotInConversationRoster" }, "Add the app"],
    [{ status: 401, code: "Unauthorized" }, "TEAMS_APP_SECRET"],
    [{ status: 404, code: "ConversationNotFound" }, "teams.channel"],
  ])("says what to do about %o, and does not hammer Teams", async (fault, remedy) => {
    await presenter.close();
    const errors: string[] = [];
    presenter = new Presenter({ surfaces: [surface], store, log: { ...silentLog, error: (_facts, text) => errors.push(text) } });
    teams.fail(fault);
    await presenter.showInvestigation(running());
    await until("the operator's message", () => errors[0]);
    expect(errors[0]).toContain(remedy);
    await settled();
    expect(teams.calls.filter(({ method }) => method === "POST")).toHaveLength(1);
  });

  it("answers with the app's token", async () => {
    await presenter.showInvestigation(running());
    await root();
    expect(teams.calls[0]?.authorization).toBe("Bearer token-of-the-bot");
  });
});

describe("feedback in Teams", () => {
  const show = async () => {
    await presenter.showInvestigation(finished());
    return root();
  };

  it("counts the verdict buttons", async () => {
    const post = await show();
    expect(toast(await teams.press(BEN, post, "≈ Partly"))).toBe("Thank you, noted as partly.");
    expect(handlers.verdicts).toMatchObject([
      { investigationId: "INV-1", verdict: "partly", via: "button", user: { surface: "teams", id: BEN.aadObjectId } },
    ]);
  });

  it("asks for the real cause in a dialog", async () => {
    const post = await show();
    const opened = await teams.press(BEN, post, "What was it really?");
    const closed = await teams.submit(BEN, post, opened, {
      verdict: "incorrect",
      cause: "a full disk",
      missed: "the alert",
      helped: "no",
    });
    expect(toast(closed)).toBe("Thank you, noted as incorrect.");
    expect(handlers.verdicts).toMatchObject([
      { verdict: "incorrect", realCause: "a full disk", missed: "the alert", actionEffective: false, via: "form" },
    ]);
  });

  it("takes Teams' own thumbs: the form opens with the verdict chosen, and its content comes back", async () => {
    const post = await show();
    const { body } = await teams.invoke(BEN, post, "message/fetchTask", {
      actionName: "feedback",
      actionValue: { reaction: "dislike" },
    });
    expect(JSON.stringify(body)).toContain('"value":"incorrect"');
    const sent = { vigil: "feedbackForm", value: "INV-1", verdict: "incorrect", cause: "DNS" };
    const answer = await teams.invoke(BEN, post, "message/submitAction", {
      actionName: "feedback",
      actionValue: { reaction: "dislike", feedback: JSON.stringify(sent) },
    });
    expect(answer).toEqual({ status: 200, body: {} });
    expect(handlers.verdicts).toMatchObject([{ investigationId: "INV-1", verdict: "incorrect", realCause: "DNS" }]);
  });

  it("takes the default feedback form, too", async () => {
    const post = await show();
    await teams.invoke(BEN, post, "message/submitAction", {
      actionName: "feedback",
      actionValue: { reaction: "like", feedback: '{"feedbackText":"spot on"}' },
    });
    expect(handlers.verdicts).toMatchObject([{ verdict: "correct", missed: "spot on" }]);
  });

  it("counts reactions, retracts removed ones, and ignores those that say nothing", async () => {
    const post = await show();
    await teams.react(BEN, post, "reactionsAdded", "like");
    await until("the vote", () => handlers.verdicts.length === 1);
    await teams.react(BEN, post, "reactionsAdded", "laugh");
    await teams.react(BEN, post, "reactionsRemoved", "like");
    await until("the retraction", () => handlers.verdicts.length === 2);
    expect(handlers.verdicts.map(({ verdict, via }) => [verdict, via])).toEqual([
      ["correct", "reaction"],
      [null, "reaction"],
    ]);
  });

  it("44: fifty reactions of one person are one person's", async () => {
    const post = await show();
    for (let index = 0; index < 50; index++) await teams.react(BEN, post, "reactionsAdded", "like");
    await until("the votes", () => handlers.verdicts.length > 0);
    await settled();
    expect(new Set(handlers.verdicts.map(({ user }) => user.id))).toEqual(new Set([BEN.aadObjectId]));
  });
});

describe("proposals in Teams", () => {
  const show = async () => {
    await presenter.showInvestigation(finished());
    await presenter.showProposal(pending());
    return known("the proposal's card", "Awaits approval");
  };
  const titles = async (who: typeof ANA, message: TeamsMessage) =>
    actionsOf(await teams.seenBy(who, message)).map(({ title }) => title);

  it("stand in the investigation's thread, with buttons for approvers only", async () => {
    const card = await show();
    expect(card.conversation).toBe((await root()).conversation);
    for (const words of ["28% on → 1% on", "restore catalog-cache-v2-keys to 28%", "falls by at least 4 %", "61eb7732fbed"])
      expect(cardWords(card)).toContain(words);
    expect(await titles(ANA, card)).toEqual(["Approve…", "Yes, approve", "Deny…", "Details"]);
    expect(await titles(BEN, card)).toEqual(["Approver? Show the buttons", "Details"]);
    // The secret that a click needs is nowhere in what everybody gets.
    expect(JSON.stringify(card.activity)).not.toContain("nonce-of-22-characters");
    expect(teams.cardOf(card)?.refresh).toMatchObject({ userIds: [ANA.id, OLA.id] });
  });

  it("are approved by the button and its confirmation, through the same handler as everywhere", async () => {
    const card = await show();
    expect(toast(await teams.press(ANA, card, "Yes, approve"))).toBe("Approved PRO-1; running it now.");
    expect(handlers.decisions).toMatchObject([
      {
        proposalId: "PRO-1",
        rev: 1,
        nonce: "nonce-of-22-characters",
        verdict: "approve",
        via: "button",
        user: { surface: "teams", id: ANA.aadObjectId, name: "Ana" },
        message: { channel: card.conversation, id: card.id },
      },
    ]);
  });

  it("are denied with a reason asked for in a dialog", async () => {
    const card = await show();
    const opened = await teams.press(ANA, card, "Deny…");
    handlers.onDecide = async () => ({ accepted: true, text: "Denied PRO-1." });
    expect(toast(await teams.submit(ANA, card, opened, { reason: "wait for Ben" }))).toBe("Denied PRO-1.");
    expect(handlers.decisions).toMatchObject([
      { verdict: "deny", reason: "wait for Ben", message: { channel: card.conversation, id: card.id } },
    ]);
  });

  it("are approved with a reason asked for in a dialog where one is needed", async () => {
    await presenter.showInvestigation(finished());
    await presenter.showProposal(pending({ reasonNeeded: true, neededApprovals: 2 }));
    const card = await known("the proposal's card", "Awaits approval");
    expect(cardWords(card)).toContain("0 of 2, each with a reason that everyone reads");
    expect(await titles(ANA, card)).toEqual(["Approve…", "Deny…", "Details"]);
    const opened = await teams.press(ANA, card, "Approve…");
    expect(JSON.stringify(opened)).toContain("28% on → 1% on");
    handlers.onDecide = async ({ reason }) => ({
      accepted: Boolean(reason),
      text: reason ? "Noted, 1 more approval needed." : "needs a reason",
    });
    expect(toast(await teams.submit(ANA, card, opened, { reason: "errors doubled" }))).toBe("Noted, 1 more approval needed.");
    expect(handlers.decisions).toMatchObject([
      { verdict: "approve", reason: "errors doubled", message: { channel: card.conversation, id: card.id }, via: "button" },
    ]);
    // Too long for the gate is not too long to be told so.
    await teams.submit(ANA, card, opened, { reason: "x".repeat(30_000) });
    expect(handlers.decisions.at(-1)?.reason?.length).toBe(2_000);

    await presenter.showProposal(
      pending({
        reasonNeeded: true,
        neededApprovals: 2,
        approvals: [
          {
            user: "teams:ana",
            at: Date.UTC(2026, 10, 24, 14, 3),
            reason: "see [this](https://evil.example) <at>all</at> **now**",
          },
        ],
      }),
    );
    await until("the first voice on the card", () =>
      cardWords(card).includes("1 of 2 approvals, by somebody else, with a reason"),
    );
    expect(cardWords(card)).toContain("see [this](https:\u2060//evil.example) <at>all</at> **now**");
    expect(await titles(OLA, card)).toEqual(["Approve…", "Deny…", "Details"]);

    // What was open when the card was decided says that it is too late.
    await presenter.showProposal({ ...pending({ reasonNeeded: true, state: "denied" }), nonce: null });
    await until("the decided card", () => cardWords(card).includes("Denied"));
    const late = await teams.invoke(ANA, card, "task/fetch", {
      data: { vigil: "approve", value: "PRO-1.1.nonce-of-22-characters", msteams: { type: "task/fetch" } },
    });
    expect(JSON.stringify(late)).toContain("too late for that");
  });

  it("24: a form that comes too late says so", async () => {
    const card = await show();
    const opened = await teams.press(ANA, card, "Deny…");
    handlers.onDecide = async () => ({
      accepted: false,
      text: "It expired at 14:05:00 UTC; press “Propose it anew” on its card.",
    });
    expect(toast(await teams.submit(ANA, card, opened, {}))).toContain("It expired");
  });

  it("12: who is no approver sees no buttons, and pressing for them is refused", async () => {
    const card = await show();
    expect(toast(await teams.press(BEN, card, "Approver? Show the buttons"))).toContain("not among the approvers");
    expect(handlers.decisions).toEqual([]);
  });

  it("an approver whose client does not refresh presses for the buttons", async () => {
    teams.failRoster(true);
    const card = await show();
    expect(teams.cardOf(card)?.refresh).toBeUndefined();
    const [button] = actionsOf(teams.cardOf(card) ?? {});
    const own = (await teams.pressAction(ANA, card, button ?? {})).value as Record<string, unknown>;
    expect(actionsOf(own).map(({ title }) => title)).toContain("Yes, approve");
  });

  it.each([
    ["a guest", GUS, "Guests"],
    ["somebody of another organisation", OLA, "other organisations"],
  ])("14: %s may not decide, even on the list", async (_what, who, refusal) => {
    const card = await show();
    const yes = actionsOf(await teams.seenBy(ANA, card)).find(({ title }) => title === "Yes, approve");
    expect(toast(await teams.pressAction(who, card, yes ?? {}))).toContain(refusal);
    expect(handlers.decisions).toEqual([]);
    expect(handlers.refusals).toMatchObject([{ kind: "refused", actor: `teams:${who.aadObjectId}`, subject: "PRO-1" }]);
  });

  it("14, 15: nobody decides while Teams cannot say who they are", async () => {
    const card = await show();
    const yes = actionsOf(await teams.seenBy(ANA, card)).find(({ title }) => title === "Yes, approve");
    teams.failRoster(true);
    expect(toast(await teams.pressAction(ANA, card, yes ?? {}))).toContain("cannot check who you are");
    const nobody = { ...ANA, aadObjectId: "" };
    expect(toast(await teams.pressAction(nobody, card, yes ?? {}))).toContain("does not say who you are");
    expect(handlers.decisions).toEqual([]);
  });

  it("17, 18: neither a thumbs-up nor words approve anything", async () => {
    const card = await show();
    await teams.react(ANA, card, "reactionsAdded", "like");
    await teams.say(ANA, "I approve PRO-1", card.conversation);
    await until("the question", () => handlers.questions[0]);
    expect(handlers.decisions).toEqual([]);
    expect(handlers.verdicts).toEqual([]);
  });

  it("22: a button with altered content is refused before anything is asked", async () => {
    const card = await show();
    for (const data of [
      { vigil: "approve", value: "PRO-1" },
      { vigil: "approve", value: "../../x.1.y" },
      { vigil: "drop" },
      null,
    ]) {
      expect(toast(await teams.pressAction(ANA, card, { type: "Action.Execute", verb: "approve", data: data ?? {} }))).toContain(
        "not one of mine",
      );
    }
    expect(handlers.decisions).toEqual([]);
  });

  it("22: a deny form cannot point at a message of another conversation", async () => {
    const card = await show();
    const data = { vigil: "deny", value: "PRO-1.1.nonce-of-22-characters", conversation: "19:other@thread.tacv2", message: "1" };
    const { body } = await teams.invoke(ANA, { ...card, id: "" }, "task/submit", { data });
    expect(toast(body ?? {})).toContain("not one of mine");
  });

  it("old clients, which know no Action.Execute, decide by Action.Submit", async () => {
    const card = await show();
    const yes = actionsOf(await teams.seenBy(ANA, card)).find(({ title }) => title === "Yes, approve");
    const fallback = yes?.fallback as { data: Record<string, unknown> } | undefined;
    await teams.deliver(teams.activity(ANA, { value: fallback?.data, replyToId: card.id }, card.conversation));
    await until("the answer", () => teams.find("Approved PRO-1"));
    expect(handlers.decisions).toMatchObject([{ verdict: "approve", message: { id: card.id } }]);
  });

  it("lose their buttons for everybody once they are decided, on the same message", async () => {
    const card = await show();
    await presenter.showProposal({
      ...pending({ state: "executing", approvals: [{ user: "teams:aad-ana", at: Date.now() }] }),
      nonce: null,
    });
    await until("the edit", () => card.edits > 0);
    expect(await titles(ANA, card)).toEqual(["Details"]);
    expect(cardWords(card)).toContain("Executing");
  });

  it("show their details, and only their own", async () => {
    const card = await show();
    const opened = JSON.stringify(await teams.press(BEN, card, "Details"));
    expect(opened).toContain("Exactly what will run");
    const other = {
      type: "Action.Submit",
      title: "Details",
      data: { vigil: "details", value: "investigation:INV-1", msteams: { type: "task/fetch" } },
    };
    expect(JSON.stringify(await teams.pressAction(BEN, card, other))).toContain("nothing more to show");
  });

  it("20: a double-click asks twice and is decided once, by the compare-and-set behind the handler", async () => {
    const card = await show();
    await Promise.all([teams.press(ANA, card, "Yes, approve"), teams.press(ANA, card, "Yes, approve")]);
    expect(handlers.decisions).toHaveLength(2);
    expect(new Set(handlers.decisions.map(({ nonce, rev }) => `${nonce}.${rev}`)).size).toBe(1);
  });
});
