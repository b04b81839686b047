import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Presenter } from "../../../src/chat/presenter.ts";
import { DEFAULT_EMOJI } from "../../../src/chat/reactions.ts";
import { type PageState, webSurface } from "../../../src/chat/web/index.ts";
import { ConversationRepository } from "../../../src/store/conversations.ts";
import { openStateDatabase, type StateDatabase } from "../../../src/store/state.ts";
import { answer, finished, HOSTILE, home, pending, picture, running } from "../../support/chat-samples.ts";
import { FakeHandlers, silentLog, until } from "../../support/fake-handlers.ts";

const state: PageState = {
  telemetryTime: 0,
  speed: 60,
  watchedSeries: 27,
  progress: null,
  stopped: null,
  mind: "offline reasoner",
  running: [],
  demo: { current: { scenario: "quiet", since: 0 } },
  replica: null,
};

let db: StateDatabase;
let store: ConversationRepository;
let handlers: FakeHandlers;
let server: Server;
let presenter: Presenter;
let web: ReturnType<typeof webSurface>;
let origin: string;
let token: string;
const played: string[] = [];
let role: PageState["replica"];

beforeEach(async () => {
  db = await openStateDatabase(":memory:");
  store = new ConversationRepository(db);
  handlers = new FakeHandlers();
  role = null;
  web = webSurface({
    store,
    picture: async (id) => (id === "INV-1" ? picture() : null),
    state: async () => state,
    role: () => role,
    emoji: () => DEFAULT_EMOJI,
    demo: { play: async (name) => void played.push(name) },
    host: "127.0.0.1",
    now: Date.now,
  });
  server = createServer(express().use(web.router));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  presenter = new Presenter({ surfaces: [web.surface], store, log: silentLog });
  await web.surface.start(handlers);
  token = ((await (await fetch(`${origin}/api/session`)).json()) as { token: string }).token;
});

afterEach(async () => {
  await presenter.close();
  await web.surface.stop();
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  await db.destroy();
});

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${origin}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-vigil-token": token, ...headers },
    body: JSON.stringify(body),
  });

/** Raw, since fetch does not let one lie about the host. */
const withHost = (host: string) =>
  new Promise<number>((done, failed) => {
    const { port } = server.address() as AddressInfo;
    request({ port, host: "127.0.0.1", path: "/api/state", headers: { host } }, (response) => {
      response.resume();
      done(response.statusCode ?? 0);
    })
      .on("error", failed)
      .end();
  });

interface Event {
  readonly id: string;
  readonly thread: string | null;
  readonly card: { kind: string; badge: string; tone: string; story: string; body: { type: string; src: string }[] } | null;
}

/** Reads server-sent events until one satisfies the test. */
async function follow(wanted: (event: { id: string; name: string; data: Event }) => boolean, since?: string) {
  const response = await fetch(`${origin}/api/events`, {
    headers: since ? { "last-event-id": since } : {},
  });
  const seen: { id: string; name: string; data: Event }[] = [];
  let text = "";
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString();
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const fields = Object.fromEntries(
        text
          .slice(0, end)
          .split("\n")
          .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
      );
      text = text.slice(end + 2);
      const event = { id: fields.id ?? "", name: fields.event ?? "", data: JSON.parse(fields.data ?? "null") };
      seen.push(event);
      if (wanted(event)) return seen;
    }
  }
  throw new Error("The stream ended");
}

describe("/readyz", () => {
  const ready = async () => {
    const response = await fetch(`${origin}/readyz`);
    return { status: response.status, body: await response.json() };
  };
  it("says yes alone, as leader and as follower, and no while no leader is known; /healthz goes on, so that nothing is restarted for it", async () => {
    expect(await ready()).toEqual({ status: 200, body: { name: "vigil", ready: true, role: "alone" } });
    role = { leads: true, self: "a", leader: "a" };
    expect(await ready()).toEqual({ status: 200, body: { name: "vigil", ready: true, role: "leader" } });
    role = { leads: false, self: "b", leader: "a" };
    expect(await ready()).toEqual({ status: 200, body: { name: "vigil", ready: true, role: "follower" } });
    role = { leads: false, self: "b", leader: null };
    const why = expect.stringContaining("is PostgreSQL reachable?");
    expect(await ready()).toEqual({ status: 503, body: { name: "vigil", ready: false, role: null, why } });
    expect((await fetch(`${origin}/healthz`)).status).toBe(200);
  });
});

describe("the page's messages", () => {
  it("follow the investigation live, one message edited in place, with its proposal in the thread", async () => {
    const newest = new Map<string, Event>();
    const watching = follow(({ name, data }) => {
      if (name === "message") newest.set(data.id, data);
      return newest.size === 2 && newest.get("investigation:INV-1")?.card?.badge === "Cause found · 91 %";
    });
    await presenter.showInvestigation(running());
    await presenter.showInvestigation(finished());
    await presenter.showProposal(pending());
    await watching;
    expect(newest.get("proposal:PRO-1")).toMatchObject({
      thread: "investigation:INV-1",
      author: "vigil",
      card: { badge: "Awaits approval" },
    });
  });

  it("resume after the last one that the browser has", async () => {
    await presenter.showInvestigation(finished());
    const first = await follow(({ data }) => data?.id === "investigation:INV-1");
    await presenter.tell("INV-1", "**Verified.**");
    await until("the verdict", async () => (await store.messagesSince(0, 10)).length === 2);
    const then = await follow(({ name }) => name === "caught-up", first.at(-1)?.id);
    expect(then.filter(({ name }) => name === "message").map(({ data }) => data.card?.story)).toEqual(["Verified."]);
  });

  it("carry parsed text and never markup, and the picture by its address", async () => {
    await presenter.showInvestigation(finished({ headline: HOSTILE }));
    const [event] = (await follow(({ name }) => name === "message")).slice(-1);
    expect(JSON.stringify(event?.data)).not.toContain('"points"');
    const block = event?.data.card?.body.find(({ type }) => type === "picture");
    const image = await fetch(`${origin}${block?.src}`);
    expect(image.headers.get("content-type")).toContain("image/svg+xml");
    const svg = await image.text();
    expect(svg).toContain("catalog-cache-v2-keys: 1% on → 28% on");
    expect(svg).not.toContain("<script");
    expect((await fetch(`${origin}/api/pictures/INV-9.svg`)).status).toBe(404);
  });

  it("take a question and answer it in its thread, showing the steps meanwhile", async () => {
    handlers.onAsk = async (_question, reply) => {
      await reply.step({ id: "s", title: "Reading", state: "running", outcome: null, startedAt: 0, duration: null });
      await reply.answer(answer());
    };
    const watching = follow(({ data }) => data?.card?.kind === "answer" && data.card.tone !== "working");
    const asked = (await (await post("/api/messages", { text: "why?", user: "Ana" })).json()) as { id: string };
    const events = await watching;
    expect(events.some(({ data }) => data?.card?.badge === "Looking")).toBe(true);
    expect(events.at(-1)?.data).toMatchObject({ thread: asked.id, author: "vigil" });
    expect(handlers.questions[0]).toMatchObject({
      text: "why?",
      at: { channel: "incidents", thread: asked.id },
      user: { name: "Ana" },
    });
  });

  it("an answer that a restart cut off says so", async () => {
    handlers.onAsk = async (_question, reply) =>
      reply.step({ id: "s", title: "Reading", state: "running", outcome: null, startedAt: 0, duration: null });
    await post("/api/messages", { text: "why?" });
    await until("the step", async () => (await store.messagesSince(0, 10)).length === 2);
    await web.surface.start(handlers);
    expect(JSON.stringify(await store.messagesSince(0, 10))).toContain("I was restarted while answering");
  });

  it("52: run commands", async () => {
    await post("/api/messages", { text: "/vigil status" });
    await until("the answer", async () => JSON.stringify(await store.messagesSince(0, 10)).includes("Ready"));
    expect(handlers.commands[0]?.text).toBe("/vigil status");
    expect(handlers.questions).toEqual([]);
  });
});

describe("what people decide on the page", () => {
  it("reaches the handlers with the card that carried the button", async () => {
    const decision = { proposalId: "PRO-1", rev: 1, nonce: "n", verdict: "approve", message: "proposal:PRO-1", user: "Ana" };
    expect(await (await post("/api/decisions", decision)).json()).toMatchObject({ accepted: true });
    expect(handlers.decisions[0]).toMatchObject({
      via: "button",
      message: { channel: "incidents", id: "proposal:PRO-1" },
      user: { surface: "web", id: "Ana" },
    });
    handlers.onDecide = async () => ({ accepted: false, text: "Too late." });
    const late = await post("/api/decisions", decision);
    expect(late.status).toBe(409);
    expect(await late.json()).toEqual({ accepted: false, text: "Too late." });
  });

  it("feedback and stories arrive", async () => {
    await post("/api/feedback", { investigationId: "INV-1", verdict: "partly", missed: "the cron job", via: "form" });
    expect(handlers.verdicts[0]).toMatchObject({ verdict: "partly", missed: "the cron job", via: "form", user: { id: "you" } });
    await post("/api/demo/flag", {});
    expect(played).toContain("flag");
  });

  it("bad input is refused with the key and the reason", async () => {
    const wrong = await post("/api/decisions", { proposalId: "PRO-1", rev: "x", nonce: "n", verdict: "maybe", message: "m" });
    expect(wrong.status).toBe(400);
    expect(JSON.stringify(await wrong.json())).toMatch(/rev.*verdict/);
    const said = async (text: string) => {
      const response = await post("/api/messages", { text });
      return { status: response.status, ...((await response.json()) as object) };
    };
    expect(await said("x".repeat(9_000))).toEqual({
      status: 400,
      error: "Your message has more than 8000 characters; please say it in fewer",
    });
    for (const empty of ["", " \n"])
      expect(await said(empty)).toEqual({
        status: 400,
        error: "Your message is empty; ask me something, for instance: why is checkout slow?",
      });
    expect((await post("/api/messages", { text: "hi", user: "<b>" })).status).toBe(400);
    expect(handlers.decisions).toEqual([]);
  });
});

describe("who may speak to the page's server", () => {
  it("refuses changes without the page's token or from another origin", async () => {
    const body = { text: "hello" };
    expect((await post("/api/messages", body, { "x-vigil-token": "" })).status).toBe(403);
    expect((await post("/api/messages", body, { "x-vigil-token": "x".repeat(token.length) })).status).toBe(403);
    expect((await post("/api/messages", body, { origin: "https://evil.example" })).status).toBe(403);
    expect((await post("/api/messages", body, { origin: "null" })).status).toBe(403);
    expect((await post("/api/messages", body, { origin })).status).toBe(200);
    expect(handlers.questions).toHaveLength(1);
  });

  it("does not answer to another name, against DNS rebinding", async () => {
    expect(await withHost("evil.example")).toBe(421);
    expect(await withHost("127.0.0.1.evil.example:3978")).toBe(421);
    expect(await withHost("localhost:3978")).toBe(200);
  });

  it("serves the page with a strict policy and everything from itself", async () => {
    const page = await fetch(`${origin}/`);
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    const html = await page.text();
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    for (const [, file] of html.matchAll(/(?:src|href)="([\w./-]+\.(?:js|css|svg))"/g))
      expect((await fetch(`${origin}/${file}`)).status).toBe(200);
  });

  it("says that it is still starting instead of failing", async () => {
    const early = webSurface({
      store,
      picture: async () => null,
      state: async () => state,
      demo: null,
      host: "127.0.0.1",
      now: Date.now,
    });
    const starting = createServer(express().use(early.router));
    await new Promise<void>((done) => starting.listen(0, "127.0.0.1", done));
    const at = `http://127.0.0.1:${(starting.address() as AddressInfo).port}`;
    const session = (await (await fetch(`${at}/api/session`)).json()) as { token: string };
    const headers = { "content-type": "application/json", "x-vigil-token": session.token };
    const answered = await fetch(`${at}/api/messages`, { method: "POST", headers, body: JSON.stringify({ text: "hi" }) });
    expect(answered.status).toBe(503);
    expect((await fetch(`${at}/api/demo/flag`, { method: "POST", headers, body: "{}" })).status).toBe(404);
    await early.surface.stop();
    await new Promise((done) => starting.close(done));
  });
});

describe("the page's reactions and overview", () => {
  const shown = async () => {
    await presenter.showInvestigation(finished());
    await presenter.showProposal(pending());
    // A card is live once its message is noted, just after it was stored.
    for (const subject of ["investigation:INV-1", "proposal:PRO-1"]) await until(subject, () => store.ref(subject, "web"));
  };

  it("an emoji is the same decision or vote as everywhere; on anything else it means nothing", async () => {
    await shown();
    const react = (message: string, emoji: string, present = true) =>
      post("/api/reactions", { message, emoji, present, user: "Maya" });
    expect((await react("proposal:PRO-1", "white_check_mark")).status).toBe(200);
    expect(handlers.decisions).toMatchObject([
      { via: "emoji", verdict: "approve", message: { id: "proposal:PRO-1" }, user: { id: "Maya" } },
    ]);
    expect((await react("proposal:PRO-1", "+1")).status).toBe(409);
    expect((await react("investigation:INV-1", "+1")).status).toBe(200);
    expect((await react("investigation:INV-1", "+1", false)).status).toBe(200);
    expect(handlers.verdicts.map(({ verdict, via }) => [verdict, via])).toEqual([
      ["correct", "reaction"],
      [null, "reaction"],
    ]);
    expect((await react("investigation:INV-1", "tada")).status).toBe(409);
    expect((await post("/api/reactions", { message: "x", emoji: "<script>" })).status).toBe(400);
    expect(handlers.decisions).toHaveLength(1);
  });

  it("18: an emoji from another origin, or without the page's token, decides nothing", async () => {
    await shown();
    const body = { message: "proposal:PRO-1", emoji: "white_check_mark" };
    expect((await post("/api/reactions", body, { origin: "https://evil.example" })).status).toBe(403);
    expect((await post("/api/reactions", body, { "x-vigil-token": "wrong" })).status).toBe(403);
    expect(handlers.decisions).toEqual([]);
  });

  it("the overview says what waits, runs and was not delivered, and holds no secret of a button", async () => {
    handlers.onHome = () => home({ undelivered: [{ surface: "slack", count: 1, reason: "is_archived" }] });
    const response = await fetch(`${origin}/api/home?user=Maya`);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({
      awaiting: [
        { id: "PRO-1", yours: true, message: "proposal:PRO-1" },
        { id: "PRO-2", yours: false },
      ],
      running: [{ id: "INV-2" }],
      undelivered: [{ surface: "slack" }],
    });
    expect(text).not.toContain("nonce");
    expect((await fetch(`${origin}/api/home?user=%3Cscript%3E`)).status).toBe(400);
  });
});
