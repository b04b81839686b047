import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import express, { type NextFunction, type Request, type Response, Router } from "express";
import { z } from "zod";
import type { InvestigationStep } from "../../domain/investigation.ts";
import { redact } from "../../domain/untrusted.ts";
import { type AnomalyPicture, type ChatHandlers, type ChatUser, OPERATOR } from "../../flows/ports.ts";
import type { Card } from "../card.ts";
import { answerCard, note, workingCard } from "../cards/answer.ts";
import { Lines } from "../lines.ts";
import { pictureSvg } from "../picture.ts";
import { type EmojiMeanings, takeReaction } from "../reactions.ts";
import type { ChatStore, MessageRef, StoredMessage } from "../store.ts";
import type { Surface } from "../surface.ts";
import { plain } from "../text.ts";
import { guard } from "./guard.ts";
import { escaped, pageHtml } from "./html.ts";
import { OpenPages } from "./open-pages.ts";

/** What the page's header shows. */
export interface PageState {
  readonly telemetryTime: number;
  readonly speed: number;
  readonly watchedSeries: number;
  readonly progress: { readonly what: string; readonly done: number; readonly total: number } | null;
  readonly stopped: string | null;
  readonly mind: string;
  readonly running: readonly string[];
  readonly demo: { readonly current: { readonly scenario: string; readonly since: number } } | null;
  /** Which of several replicas on one state this is; null where it is the only one. */
  readonly replica: ReplicaRole | null;
}

export interface ReplicaRole {
  /** Whether it watches, investigates and posts for all. */
  readonly leads: boolean;
  readonly self: string;
  /** Null while that is not known. */
  readonly leader: string | null;
}

export interface WebOptions {
  /** What reactions mean; null while that is not known, and then only buttons count. */
  readonly emoji?: () => EmojiMeanings | null;
  readonly store: ChatStore;
  readonly picture: (investigationId: string) => Promise<AnomalyPicture | null>;
  readonly state: () => Promise<PageState>;
  readonly role?: () => ReplicaRole | null;
  readonly demo: { readonly play: (scenario: string) => Promise<void> } | null;
  /** Address that the server listens on; requests must name it, or loopback. */
  readonly host: string;
  readonly now: () => number;
  /** Told of what nobody expected to fail. */
  readonly failed?: (error: Error) => void;
  /** Further pages, behind the same checks of Host and Origin. */
  readonly pages?: Router;
}

const CHANNEL = "incidents";
/** Messages that are looked over for what a restart cut off. */
const LOOKED_BACK = 300;
const STATE_EVERY = 1_000;
const LONGEST_MESSAGE = 8_000;
const person = z
  .string()
  .trim()
  .min(1)
  .max(60)
  .regex(/^[\p{L}\p{N} .'’_-]+$/u, "may have letters, digits, spaces, dots, dashes and apostrophes")
  .default("you");
/** Fields that people fill in, in the words of a sentence. */
const FIELDS: Readonly<Record<string, string>> = { text: "Your message", user: "Your name", reason: "The reason" };
const messageBody = z.object({
  text: z
    .string()
    .max(LONGEST_MESSAGE, `has more than ${LONGEST_MESSAGE} characters; please say it in fewer`)
    .refine((text) => text.trim() !== "", "is empty; ask me something, for instance: why is checkout slow?"),
  thread: z.string().max(200).nullable().default(null),
  user: person,
});
const decisionBody = z.object({
  proposalId: z.string().max(40),
  rev: z.number().int(),
  nonce: z.string().max(60),
  verdict: z.enum(["approve", "deny", "again"]),
  /** How long it may be is for the gate to say. */
  reason: z.string().max(20_000).nullable().default(null),
  message: z.string().max(200),
  user: person,
});
const feedbackBody = z.object({
  investigationId: z.string().max(40),
  verdict: z.enum(["correct", "partly", "incorrect", "noise"]).nullable(),
  realCause: z.string().max(2_000).nullish(),
  missed: z.string().max(2_000).nullish(),
  actionEffective: z.boolean().nullish(),
  via: z.enum(["button", "form"]).default("button"),
  user: person,
});

const reactionBody = z.object({
  message: z.string().min(1).max(200),
  emoji: z.string().regex(/^[a-z0-9_+'-]{1,100}$/),
  present: z.boolean().default(true),
  user: person,
});

/**
 * The incident channel in a browser, for trying Vigil and for teams without a chat platform. It has no login: whoever reaches it is the
 * operator, so it listens on loopback, checks Host and Origin (DNS rebinding, CSRF) and wants the page's token with every change.
 */
export function webSurface(options: WebOptions): { readonly surface: Surface; readonly router: Router } {
  const channel = new WebChannel(options);
  return { surface: channel, router: channel.router() };
}

class WebChannel implements Surface {
  readonly name = "web";
  readonly #options: WebOptions;
  readonly #token = randomBytes(24).toString("base64url");
  readonly #pages: OpenPages;
  /** Of reactions. */
  readonly #lines = new Lines();
  #handlers: ChatHandlers | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: WebOptions) {
    this.#options = options;
    this.#pages = new OpenPages({
      messagesSince: (seq, limit) => options.store.messagesSince(seq, limit),
      state: () => this.#state(),
    });
    this.#timer = setInterval(() => {
      void this.#pages.sendState();
      if (options.role?.()) void this.#pages.sendWhatOthersPut().catch(() => undefined);
    }, STATE_EVERY);
    this.#timer.unref();
  }

  async start(handlers: ChatHandlers): Promise<void> {
    this.#handlers = handlers;
    await this.#endInterrupted();
  }

  /** Answers that a restart cut off say so instead of looking busy for ever. */
  async #endInterrupted(): Promise<void> {
    for (const message of await this.#options.store.messagesSince(0, LOOKED_BACK)) {
      const card = message.kind === "card" ? (message.body as Card) : null;
      if (card?.kind === "answer" && card.tone === "working") {
        const { seq: _, ...rest } = message;
        await this.#put({
          ...rest,
          body: { ...note("I was restarted while answering. Please ask again."), subject: card.subject },
        });
      }
    }
  }

  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    this.#pages.close();
  }

  /** The subject is the message's id, so that posting the same card twice is one message. */
  async post(card: Card, thread: MessageRef | null): Promise<MessageRef> {
    await this.#put({
      id: card.subject,
      thread: thread?.message ?? null,
      at: this.#options.now(),
      author: "vigil",
      kind: "card",
      body: card,
    });
    return { channel: CHANNEL, message: card.subject };
  }

  async update(ref: MessageRef, card: Card): Promise<void> {
    // An edit keeps the place and the time of the message.
    await this.#put({ id: ref.message, thread: null, at: this.#options.now(), author: "vigil", kind: "card", body: card });
  }

  router(): Router {
    const router = Router();
    const json = express.json({ limit: "64kb" });
    router.use(guard(this.#options.host, this.#token));
    router.get("/healthz", (_request, response) => {
      const replica = this.#options.role?.() ?? null;
      response.json({ name: "vigil", ok: true, ...(replica ? { replica } : {}) });
    });
    // A follower serves chat and approvals, so it is ready as the leader is; one that knows of no leader has lost the shared state.
    router.get("/readyz", (_request, response) => {
      const replica = this.#options.role?.() ?? null;
      const role = !replica ? "alone" : replica.leads ? "leader" : replica.leader !== null ? "follower" : null;
      const why = role ? {} : { why: "no replica is known to lead; is PostgreSQL reachable?" };
      response.status(role ? 200 : 503).json({ name: "vigil", ready: role !== null, role, ...why });
    });
    router.get(
      "/api/session",
      (_request, response) => void response.set("cache-control", "no-store").json({ token: this.#token }),
    );
    router.get("/api/state", async (_request, response) => void response.json(await this.#state()));
    router.get("/api/events", (request, response) => this.#pages.open(request, response));
    router.get("/api/pictures/:file", async (request, response) => {
      const picture = await this.#options.picture(String(request.params.file).replace(/\.svg$/, ""));
      if (!picture) return void response.status(404).json({ error: "There is no such picture." });
      response.type("image/svg+xml").set("cache-control", "no-store").send(pictureSvg(picture));
    });
    router.post("/api/messages", json, (request, response) => this.#say(request, response));
    router.post("/api/decisions", json, (request, response) => this.#decide(request, response));
    router.post("/api/feedback", json, (request, response) => this.#feedback(request, response));
    router.post("/api/reactions", json, (request, response) => this.#react(request, response));
    router.get("/api/home", (request, response) => this.#home(request, response));
    router.post("/api/demo/:scenario", json, async (request, response) => {
      if (!this.#options.demo) return void response.status(404).json({ error: "The demo is off." });
      await this.#options.demo.play(String(request.params.scenario));
      response.json({ ok: true });
    });
    if (this.#options.pages) router.use(this.#options.pages);
    router.use(express.static(join(import.meta.dirname, "page"), { index: "index.html", cacheControl: false }));
    router.use((error: Error, request: Request, response: Response, next: NextFunction) => {
      if (response.headersSent) return next(error);
      const bad = error instanceof z.ZodError;
      const expected =
        bad ||
        ["OperatorError", "SourceError", "SourceUnavailable"].includes(error.name) ||
        (error as { type?: string }).type?.startsWith("entity.");
      const text = bad
        ? error.issues.map(({ path, message }) => `${FIELDS[path.join(".")] ?? `${path.join(".")}:`} ${message}`).join("; ")
        : expected
          ? error.message
          : "Something failed here.";
      if (!expected) this.#options.failed?.(error);
      const status = bad ? 400 : expected ? (request.path.startsWith("/api/") ? 400 : 503) : 500;
      response.status(status);
      if (request.path.startsWith("/api/") || !request.accepts("html")) return void response.json({ error: text });
      const nav = '<a href="/">channel</a>';
      response.send(
        pageHtml({ title: "Vigil: not now", heading: "This cannot be shown now", nav, main: `<p>${escaped(plain(text))}</p>` }),
      );
    });
    return router;
  }

  async #state(): Promise<object> {
    return { ...(await this.#options.state()), emoji: this.#options.emoji?.() ?? null };
  }

  async #put(message: Omit<StoredMessage, "seq">): Promise<void> {
    this.#pages.send(await this.#options.store.putMessage(message));
  }

  async #say(request: Request, response: Response): Promise<void> {
    const { text, thread, user: name } = messageBody.parse(request.body);
    const handlers = this.#ready(response);
    if (!handlers) return;
    const id = randomUUID();
    const user: ChatUser = { surface: this.name, id: name, name };
    await this.#put({ id, thread, at: this.#options.now(), author: name, kind: "text", body: redact(text) });
    // An answer to a message in the channel makes that message a thread.
    const place = thread ?? id;
    response.json({ id, thread: place });
    const at = { surface: this.name, channel: CHANNEL, thread: place };
    const reply = (kind: StoredMessage["kind"], body: unknown) =>
      this.#put({ id: `reply:${id}`, thread: place, at: this.#options.now(), author: "vigil", kind, body });
    if (/^\/vigil\b/i.test(text.trim())) {
      await reply("text", await handlers.command(text, user, at).catch(() => "That command failed; the reason was logged."));
      return;
    }
    const steps = new Map<string, InvestigationStep>();
    await handlers.ask(
      { messageId: id, at, user, text, audience: OPERATOR },
      {
        step: async (step) => {
          steps.set(step.id, step);
          await reply("card", workingCard(id, [...steps.values()]));
        },
        answer: (answer) => reply("card", answerCard(id, answer)),
        sorry: (sorry) => reply("card", note(sorry, "attention")),
      },
    );
  }

  async #decide(request: Request, response: Response): Promise<void> {
    const { user: name, message, ...decision } = decisionBody.parse(request.body);
    const handlers = this.#ready(response);
    if (!handlers) return;
    const reply = await handlers.decide({
      ...decision,
      user: { surface: this.name, id: name, name },
      message: { channel: CHANNEL, id: message },
      via: "button",
    });
    response.status(reply.accepted ? 200 : 409).json(reply);
  }

  async #feedback(request: Request, response: Response): Promise<void> {
    const { user: name, realCause = null, missed = null, actionEffective = null, ...feedback } = feedbackBody.parse(request.body);
    const handlers = this.#ready(response);
    if (!handlers) return;
    const reply = await handlers.feedback({
      ...feedback,
      realCause,
      missed,
      actionEffective,
      user: { surface: this.name, id: name, name },
    });
    response.status(reply.accepted ? 200 : 409).json(reply);
  }

  /** An emoji means here what it means in every chat, and is checked the same way. */
  async #react(request: Request, response: Response): Promise<void> {
    const { message, emoji: name, present, user: id } = reactionBody.parse(request.body);
    const handlers = this.#ready(response);
    if (!handlers) return;
    const { store, now } = this.#options;
    const emoji = this.#options.emoji?.() ?? null;
    const user: ChatUser = { surface: this.name, id, name: id };
    const reply =
      emoji &&
      (await takeReaction(
        {
          surface: this.name,
          store,
          handlers,
          emoji,
          named: async () => user,
          member: async () => ({ ok: true, user }),
          audience: async () => OPERATOR,
          lines: this.#lines,
          now,
        },
        { channel: CHANNEL, message, user: id, emoji: name },
        present,
      ));
    if (!reply) return void response.status(409).json({ accepted: false, text: "That emoji means nothing on this message." });
    response.status(reply.accepted ? 200 : 409).json(reply);
  }

  async #home(request: Request, response: Response): Promise<void> {
    const id = person.parse(request.query.user);
    const handlers = this.#ready(response);
    if (!handlers) return;
    const { awaiting, running, ...facts } = await handlers.home({ surface: this.name, id, name: id });
    response.set("cache-control", "no-store").json({
      ...facts,
      awaiting: awaiting.map(({ proposal, yours }) => ({
        id: proposal.id,
        title: plain(proposal.summary, 200),
        tier: proposal.risk.tier,
        given: proposal.approvals.length,
        needed: proposal.neededApprovals,
        expiresAt: proposal.expiresAt,
        yours,
        message: `proposal:${proposal.id}`,
      })),
      running: running.map((one) => ({ ...one, title: plain(one.title, 200), message: `investigation:${one.id}` })),
    });
  }

  #ready(response: Response): ChatHandlers | null {
    if (!this.#handlers) response.status(503).json({ error: "Vigil is still starting; try again in a moment." });
    return this.#handlers;
  }
}
