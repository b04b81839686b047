import { createHmac, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { judgeBlocks, judgeView } from "./fake-slack-blocks.ts";

type Json = Record<string, unknown>;

export interface SlackPost {
  readonly channel: string;
  readonly ts: string;
  readonly thread_ts: string | null;
  readonly user: string;
  /** When it came, in milliseconds; `ts` counts in a time of its own. */
  readonly at: number;
  text: string;
  blocks: Json[];
  metadata: { event_type: string; event_payload: Json } | null;
  /** Shown in the channel, too. */
  broadcast: boolean;
  edits: number;
  /** Text of a stream, and its tasks by id. */
  stream: { state: "streaming" | "stopped"; markdown: string; tasks: Map<string, Json> } | null;
}

/** How a method misbehaves once. `after` does the work when that has come; `lost` does it and drops the connection; `hang` never answers. */
export type Fault =
  | { readonly error: string }
  | { readonly retryAfter: number }
  | { readonly after: Promise<void> }
  | "lost"
  | "drop"
  | "hang";

export const BOT = { user_id: "U0VIGIL", bot_id: "B0VIGIL", team_id: "T0TEAM", app_id: "A0VIGIL" };

/**
 * A Slack that runs on this machine: Web API over HTTP and Socket Mode over WebSocket. It keeps messages, refuses blocks that Slack would
 * refuse, and misbehaves on request: 429, lost responses, dropped connections, events delivered twice.
 */
export class FakeSlack {
  readonly posts: SlackPost[] = [];
  readonly ephemerals: { channel: string; user: string; text: string }[] = [];
  readonly views: { kind: "open" | "publish" | "update"; user: string | null; view: Json }[] = [];
  readonly files: {
    id: string;
    name: string;
    altText: string;
    title: string;
    channel: string;
    thread: string | null;
    bytes: Buffer;
  }[] = [];
  readonly calls: { method: string; args: Json; at: number }[] = [];
  readonly statuses: { method: string; args: Json }[] = [];
  /** Validation failures: a good client leaves this empty. */
  readonly refused: { method: string; wrong: string[] }[] = [];
  readonly channels = new Map<string, { archived: boolean; member: boolean; private?: boolean; shared?: boolean }>([
    ["C0INC", { archived: false, member: true }],
  ]);
  readonly users = new Map<string, Json>();
  readonly groups = new Map<string, string[]>();
  readonly acks = new Map<string, { payload: unknown; after: number }>();
  readonly #faults = new Map<string, Fault[]>();
  readonly #uploads = new Map<string, { name: string; altText: string; bytes: Buffer }>();
  readonly #waiting = new Map<string, { sent: number; done: (payload: unknown) => void }>();
  readonly #sockets = new Set<WebSocket>();
  readonly #server: Server;
  readonly #link: WebSocketServer;
  #clock = 1_700_000_000;

  private constructor(server: Server) {
    this.#server = server;
    this.#link = new WebSocketServer({ server, path: "/link" });
    this.#link.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("message", (data) => this.#acked(JSON.parse(String(data)) as { envelope_id?: string; payload?: unknown }));
      socket.send(JSON.stringify({ type: "hello", num_connections: 1, debug_info: {}, connection_info: { app_id: BOT.app_id } }));
    });
  }

  static async start(): Promise<FakeSlack> {
    const server = createServer();
    const slack = new FakeSlack(server);
    server.on("request", (request, response) => void slack.#handle(request, response));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return slack;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get apiUrl(): string {
    return `${this.origin}/api/`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  async stop(): Promise<void> {
    this.dropConnections();
    this.#link.close();
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  /** The next call of a method misbehaves so; several wait in line. */
  fail(method: string, ...faults: Fault[]): void {
    this.#faults.set(method, [...(this.#faults.get(method) ?? []), ...faults]);
  }

  /** Asks its clients to connect anew, as Slack does every few hours. */
  refreshConnections(): void {
    for (const socket of this.#sockets) {
      socket.send(JSON.stringify({ type: "disconnect", reason: "refresh_requested", debug_info: {} }));
      setTimeout(() => socket.close(), 50).unref();
    }
    this.#sockets.clear();
  }

  dropConnections(): void {
    for (const socket of this.#sockets) socket.terminate();
    this.#sockets.clear();
  }

  /** Messages in a thread, or the roots of a channel. */
  thread(ts: string | null, channel = "C0INC"): SlackPost[] {
    return this.posts.filter((post) => post.channel === channel && post.thread_ts === ts);
  }

  find(text: string | RegExp): SlackPost | undefined {
    const hit = (post: SlackPost) => `${post.text}\n${JSON.stringify(post.blocks)}\n${post.stream?.markdown ?? ""}`;
    return this.posts.find((post) => (typeof text === "string" ? hit(post).includes(text) : text.test(hit(post))));
  }

  /** A person writes; returns the message's ts. Does not deliver any event. */
  write(user: string, text: string, thread: string | null = null, channel = "C0INC"): SlackPost {
    return this.#store({ channel, user, text, thread_ts: thread });
  }

  /** Delivers an Events API event over the socket and waits for its acknowledgement; resolves with the milliseconds it took. */
  async event(event: Json, options: { eventId?: string; retry?: number; team?: string } = {}): Promise<number> {
    const payload = {
      type: "event_callback",
      team_id: options.team ?? BOT.team_id,
      api_app_id: BOT.app_id,
      event,
      event_id: options.eventId ?? `Ev${randomUUID()}`,
      event_time: Math.floor(this.#clock),
      authorizations: [{ team_id: BOT.team_id, user_id: BOT.user_id, is_bot: true, is_enterprise_install: false }],
    };
    const retry = options.retry ? { retry_attempt: options.retry, retry_reason: "timeout" } : {};
    return (await this.#deliver({ type: "events_api", payload, accepts_response_payload: false, ...retry })).after;
  }

  /** What Slack sends for an event over HTTP: a signed POST. `skew` moves the time in seconds; `tamper` changes the body after signing. */
  async eventByHttp(
    to: { readonly port: number; readonly secret: string },
    event: Json,
    options: { eventId?: string; team?: string; skew?: number; tamper?: boolean; signature?: string | null } = {},
  ): Promise<{ status: number; after: number }> {
    const body = JSON.stringify({
      type: "event_callback",
      token: "legacy-verification-token",
      team_id: options.team ?? BOT.team_id,
      api_app_id: BOT.app_id,
      event,
      event_id: options.eventId ?? `Ev${randomUUID()}`,
      event_time: Math.floor(this.#clock),
      authorizations: [{ team_id: BOT.team_id, user_id: BOT.user_id, is_bot: true, is_enterprise_install: false }],
    });
    return this.#signed(to, body, "application/json", options);
  }

  async commandByHttp(
    to: { readonly port: number; readonly secret: string },
    user: string,
    text: string,
    trigger = `trigger.${randomUUID()}`,
  ): Promise<{ status: number; after: number }> {
    const body = new URLSearchParams({
      command: "/vigil",
      text,
      user_id: user,
      user_name: user.toLowerCase(),
      team_id: BOT.team_id,
      team_domain: "team",
      channel_id: "C0INC",
      channel_name: "incidents",
      trigger_id: trigger,
      response_url: `${this.origin}/response/1`,
      api_app_id: BOT.app_id,
    });
    return this.#signed(to, body.toString(), "application/x-www-form-urlencoded", {});
  }

  async #signed(
    { port, secret }: { readonly port: number; readonly secret: string },
    body: string,
    type: string,
    { skew = 0, tamper = false, signature }: { skew?: number; tamper?: boolean; signature?: string | null },
  ): Promise<{ status: number; after: number }> {
    const timestamp = String(Math.floor(Date.now() / 1_000) + skew);
    const right = `v0=${createHmac("sha256", secret).update(`v0:${timestamp}:${body}`).digest("hex")}`;
    const sent = performance.now();
    const response = await fetch(`http://127.0.0.1:${port}/slack/events`, {
      method: "POST",
      headers: {
        "content-type": type,
        "x-slack-request-timestamp": timestamp,
        ...(signature === null ? {} : { "x-slack-signature": signature ?? right }),
      },
      body: tamper ? body.replace("T0TEAM", "T0TEAN") : body,
    });
    await response.text();
    return { status: response.status, after: performance.now() - sent };
  }

  /** Mentions the bot in a channel; returns the post. */
  async mention(user: string, text: string, thread: string | null = null): Promise<SlackPost> {
    const post = this.write(user, `<@${BOT.user_id}> ${text}`, thread);
    await this.event(eventOf("app_mention", post, thread));
    return post;
  }

  /** Someone presses a button of a message. */
  async click(user: string, post: SlackPost, actionId: string, changed: Json = {}): Promise<{ payload: unknown; after: number }> {
    const action = elementsOf(post.blocks).find((element) => element.action_id === actionId);
    if (!action) throw new Error(`No element ${actionId} in ${JSON.stringify(post.blocks)}`);
    const payload = {
      type: "block_actions",
      team: { id: BOT.team_id, domain: "team" },
      user: { id: user, username: user.toLowerCase(), name: user.toLowerCase(), team_id: BOT.team_id },
      api_app_id: BOT.app_id,
      token: "",
      trigger_id: `trigger.${randomUUID()}`,
      container: { type: "message", message_ts: post.ts, channel_id: post.channel, is_ephemeral: false },
      channel: { id: post.channel, name: "incidents" },
      message: { ts: post.ts, thread_ts: post.thread_ts ?? undefined, user: post.user, blocks: post.blocks, text: post.text },
      actions: [{ ...action, block_id: "b", action_ts: "1", ...changed }],
    };
    return this.#deliver({ type: "interactive", payload, accepts_response_payload: false });
  }

  /** Someone presses a button of the App Home that was published last. */
  async press(user: string, actionId: string): Promise<void> {
    const view = this.views.findLast(({ kind }) => kind === "publish")?.view;
    const action = elementsOf((view?.blocks ?? []) as Json[]).find((element) => element.action_id === actionId);
    if (!action) throw new Error(`No element ${actionId} in the App Home`);
    const payload = {
      type: "block_actions",
      team: { id: BOT.team_id, domain: "team" },
      user: { id: user, username: user.toLowerCase(), name: user.toLowerCase(), team_id: BOT.team_id },
      api_app_id: BOT.app_id,
      token: "",
      trigger_id: `trigger.${randomUUID()}`,
      container: { type: "view", view_id: "V1" },
      view: { ...view, id: "V1", team_id: BOT.team_id },
      actions: [{ ...action, block_id: "b", action_ts: "1" }],
    };
    await this.#deliver({ type: "interactive", payload, accepts_response_payload: false });
  }

  /** Someone submits the modal that was opened last. */
  async submit(user: string, values: Json): Promise<{ payload: unknown; after: number }> {
    const view = this.views.findLast(({ kind }) => kind === "open")?.view;
    if (!view) throw new Error("No modal was opened");
    const payload = {
      type: "view_submission",
      team: { id: BOT.team_id, domain: "team" },
      user: { id: user, username: user.toLowerCase(), name: user.toLowerCase(), team_id: BOT.team_id },
      api_app_id: BOT.app_id,
      token: "",
      trigger_id: `trigger.${randomUUID()}`,
      view: { ...view, id: "V1", team_id: BOT.team_id, state: { values }, hash: "h", app_id: BOT.app_id, bot_id: BOT.bot_id },
    };
    return this.#deliver({ type: "interactive", payload, accepts_response_payload: true });
  }

  async shortcut(user: string, callbackId: string, post: SlackPost): Promise<void> {
    await this.#deliver({
      type: "interactive",
      accepts_response_payload: false,
      payload: {
        type: "message_action",
        callback_id: callbackId,
        team: { id: BOT.team_id, domain: "team" },
        user: { id: user, name: user.toLowerCase(), team_id: BOT.team_id },
        channel: { id: post.channel, name: "incidents" },
        message: { type: "message", ts: post.ts, text: post.text, user: post.user },
        message_ts: post.ts,
        trigger_id: `trigger.${randomUUID()}`,
        response_url: `${this.origin}/response/${randomUUID()}`,
        api_app_id: BOT.app_id,
        token: "",
      },
    });
  }

  /** Types a slash command; resolves with what came back in the acknowledgement. */
  async command(user: string, text: string): Promise<Json> {
    const { payload } = await this.#deliver({
      type: "slash_commands",
      accepts_response_payload: true,
      payload: {
        command: "/vigil",
        text,
        user_id: user,
        user_name: user.toLowerCase(),
        team_id: BOT.team_id,
        team_domain: "team",
        channel_id: "C0INC",
        channel_name: "incidents",
        trigger_id: `trigger.${randomUUID()}`,
        response_url: `${this.origin}/response/${randomUUID()}`,
        api_app_id: BOT.app_id,
        token: "",
      },
    });
    return (payload ?? {}) as Json;
  }

  /** Adds or removes a reaction on a message. */
  async react(kind: "reaction_added" | "reaction_removed", user: string, reaction: string, post: SlackPost): Promise<void> {
    await this.event({
      type: kind,
      user,
      reaction,
      item: { type: "message", channel: post.channel, ts: post.ts },
      item_user: post.user,
      event_ts: this.#nextTs(),
    });
  }

  async #deliver(envelope: Json): Promise<{ payload: unknown; after: number }> {
    for (let tries = 0; this.#sockets.size === 0 && tries < 200; tries++) await new Promise((done) => setTimeout(done, 25));
    const socket = [...this.#sockets].at(-1);
    if (!socket) throw new Error("Nobody is connected");
    const id = randomUUID();
    const sent = performance.now();
    const acked = new Promise<unknown>((done, failed) => {
      this.#waiting.set(id, { sent, done });
      setTimeout(
        () => failed(new Error(`Not acknowledged within 3 s: ${JSON.stringify(envelope).slice(0, 300)}`)),
        3_000,
      ).unref();
    });
    socket.send(JSON.stringify({ ...envelope, envelope_id: id }));
    const payload = await acked;
    return { payload, after: performance.now() - sent };
  }

  #acked({ envelope_id: id, payload }: { envelope_id?: string; payload?: unknown }): void {
    const waiting = id ? this.#waiting.get(id) : undefined;
    if (!id || !waiting) return;
    this.acks.set(id, { payload, after: performance.now() - waiting.sent });
    waiting.done(payload);
    this.#waiting.delete(id);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request);
    const url = new URL(request.url ?? "/", this.origin);
    if (url.pathname.startsWith("/upload/")) {
      const upload = this.#uploads.get(url.pathname.slice("/upload/".length));
      // The client sends the file as one part of a form.
      if (upload) upload.bytes = body.subarray(Math.max(0, body.indexOf("\r\n\r\n") + 4));
      return void response.end("OK");
    }
    if (!url.pathname.startsWith("/api/")) return void response.writeHead(404).end();
    const method = url.pathname.slice("/api/".length);
    const args = decode(String(request.headers["content-type"] ?? ""), body);
    this.calls.push({ method, args, at: Date.now() });
    const fault = this.#faults.get(method)?.shift();
    if (fault === "drop") return void request.socket.destroy();
    if (fault === "hang") return;
    if (typeof fault === "object" && "retryAfter" in fault) {
      return void response
        .writeHead(429, { "retry-after": String(fault.retryAfter) })
        .end(JSON.stringify({ ok: false, error: "ratelimited" }));
    }
    if (typeof fault === "object" && "after" in fault) await fault.after;
    const result = typeof fault === "object" && "error" in fault ? { ok: false, error: fault.error } : this.#call(method, args);
    if (fault === "lost") return void request.socket.destroy();
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
  }

  #call(method: string, args: Json): Json {
    switch (method) {
      case "auth.test":
        return { ok: true, url: this.origin, team: "team", user: "vigil", ...BOT };
      case "apps.connections.open":
        return { ok: true, url: `${this.origin.replace("http", "ws")}/link` };
      case "chat.postMessage":
        return this.#post(args);
      case "chat.update":
        return this.#update(args);
      case "chat.postEphemeral":
        this.ephemerals.push({ channel: String(args.channel), user: String(args.user), text: String(args.text) });
        return { ok: true, message_ts: this.#nextTs() };
      case "chat.startStream":
        return this.#startStream(args);
      case "chat.appendStream":
      case "chat.stopStream":
        return this.#continueStream(method, args);
      case "conversations.replies":
      case "conversations.history":
        return this.#history(args);
      case "conversations.info": {
        const channel = this.channels.get(String(args.channel));
        if (!channel) return { ok: false, error: "channel_not_found" };
        const { archived, private: hidden = false, shared = false } = channel;
        return {
          ok: true,
          channel: {
            id: args.channel,
            is_private: hidden,
            is_archived: archived,
            is_im: false,
            is_mpim: false,
            is_ext_shared: shared,
          },
        };
      }
      case "chat.getPermalink":
        return {
          ok: true,
          permalink: `https://team.slack.example/archives/${args.channel}/p${String(args.message_ts).replace(".", "")}`,
        };
      case "views.open":
      case "views.publish":
      case "views.update":
        return this.#view(method, args);
      case "users.info": {
        const user = this.users.get(String(args.user)) ?? {
          id: args.user,
          name: String(args.user).toLowerCase(),
          team_id: BOT.team_id,
        };
        return { ok: true, user: { profile: { display_name: "" }, real_name: `Person ${String(args.user)}`, ...user } };
      }
      case "usergroups.users.list": {
        const users = this.groups.get(String(args.usergroup));
        return users ? { ok: true, users } : { ok: false, error: "no_such_subteam" };
      }
      case "files.getUploadURLExternal": {
        const id = `F${this.#uploads.size + 1}`;
        this.#uploads.set(id, {
          name: String(args.filename),
          altText: String(args.alt_txt ?? args.alt_text ?? ""),
          bytes: Buffer.alloc(0),
        });
        return { ok: true, upload_url: `${this.origin}/upload/${id}`, file_id: id };
      }
      case "files.completeUploadExternal":
        return this.#complete(args);
      case "assistant.threads.setStatus":
      case "assistant.threads.setSuggestedPrompts":
      case "assistant.threads.setTitle":
      case "agents.sessions.setStatus":
        this.statuses.push({ method, args });
        return { ok: true };
      default:
        return { ok: false, error: "unknown_method" };
    }
  }

  #allowed(args: Json): string | null {
    const channel = this.channels.get(String(args.channel));
    if (!channel) return String(args.channel).startsWith("D") ? null : "channel_not_found";
    return channel.archived ? "is_archived" : channel.member ? null : "not_in_channel";
  }

  #judge(method: string, args: Json): Json | null {
    const wrong = args.blocks === undefined ? [] : judgeBlocks(args.blocks, "message");
    if (typeof args.text === "string" && [...args.text].length > 40_000) wrong.push("text: longer than 40000");
    if (args.blocks === undefined && !args.text && !args.markdown_text) return { ok: false, error: "no_text" };
    if (wrong.length === 0) return null;
    this.refused.push({ method, wrong });
    return { ok: false, error: "invalid_blocks", response_metadata: { messages: wrong } };
  }

  #post(args: Json): Json {
    const no = this.#allowed(args);
    if (no) return { ok: false, error: no };
    const refused = this.#judge("chat.postMessage", args);
    if (refused) return refused;
    const post = this.#store({
      channel: String(args.channel),
      user: BOT.user_id,
      text: String(args.text ?? ""),
      thread_ts: args.thread_ts ? String(args.thread_ts) : null,
      blocks: args.blocks as Json[] | undefined,
      metadata: args.metadata as SlackPost["metadata"],
      broadcast: String(args.reply_broadcast) === "true",
    });
    return { ok: true, channel: post.channel, ts: post.ts, message: messageOf(post) };
  }

  #update(args: Json): Json {
    const no = this.#allowed(args);
    if (no) return { ok: false, error: no };
    const refused = this.#judge("chat.update", args);
    if (refused) return refused;
    const post = this.posts.find(({ channel, ts }) => channel === args.channel && ts === args.ts);
    if (!post) return { ok: false, error: "message_not_found" };
    if (post.user !== BOT.user_id) return { ok: false, error: "cant_update_message" };
    if (post.stream?.state === "streaming") return { ok: false, error: "streaming_state_conflict" };
    post.text = String(args.text ?? post.text);
    if (args.blocks) post.blocks = args.blocks as Json[];
    if (args.metadata) post.metadata = args.metadata as SlackPost["metadata"];
    post.edits += 1;
    return { ok: true, channel: post.channel, ts: post.ts, text: post.text };
  }

  #startStream(args: Json): Json {
    if (!args.thread_ts) return { ok: false, error: "invalid_arguments" };
    if (String(args.channel).startsWith("C") && (!args.recipient_user_id || !args.recipient_team_id))
      return { ok: false, error: "missing_recipient_user_id" };
    const post = this.#store({ channel: String(args.channel), user: BOT.user_id, text: "", thread_ts: String(args.thread_ts) });
    post.stream = { state: "streaming", markdown: "", tasks: new Map() };
    return this.#chunk(post, args) ?? { ok: true, channel: post.channel, ts: post.ts };
  }

  #continueStream(method: string, args: Json): Json {
    const post = this.posts.find(({ channel, ts }) => channel === args.channel && ts === args.ts);
    if (!post?.stream) return { ok: false, error: "message_not_found" };
    if (post.stream.state !== "streaming") return { ok: false, error: "message_not_in_streaming_state" };
    const refused = this.#chunk(post, args);
    if (refused) return refused;
    if (method === "chat.stopStream") {
      if (args.blocks) {
        const wrong = judgeBlocks(args.blocks, "message");
        if (wrong.length > 0) {
          this.refused.push({ method, wrong });
          return { ok: false, error: "invalid_blocks" };
        }
        post.blocks = args.blocks as Json[];
      }
      post.stream.state = "stopped";
      post.text = post.stream.markdown;
    }
    return { ok: true, channel: post.channel, ts: post.ts };
  }

  #chunk(post: SlackPost, args: Json): Json | null {
    const stream = post.stream;
    if (!stream) return null;
    if (typeof args.markdown_text === "string") {
      if ([...args.markdown_text].length > 12_000) return { ok: false, error: "msg_too_long" };
      stream.markdown += args.markdown_text;
    }
    for (const chunk of (args.chunks as Json[] | undefined) ?? []) {
      if (chunk.type === "markdown_text") stream.markdown += String(chunk.text);
      else if (chunk.type === "task_update") {
        if (!["pending", "in_progress", "complete", "error"].includes(String(chunk.status)))
          return { ok: false, error: "invalid_chunks" };
        stream.tasks.set(String(chunk.id), chunk);
      } else if (!["plan_update", "blocks"].includes(String(chunk.type))) return { ok: false, error: "invalid_chunks" };
    }
    return null;
  }

  #history(args: Json): Json {
    const thread = args.ts ? String(args.ts) : null;
    const found = this.posts.filter(
      (post) =>
        post.channel === args.channel && (thread ? post.thread_ts === thread || post.ts === thread : post.thread_ts === null),
    );
    // Channels come newest first; threads come oldest first, page by page.
    const limit = Number(args.limit ?? 100);
    if (!thread) return { ok: true, messages: found.slice(-limit).map(messageOf).reverse(), has_more: found.length > limit };
    const from = Number(args.cursor ?? 0);
    const more = from + limit < found.length;
    return {
      ok: true,
      messages: found.slice(from, from + limit).map(messageOf),
      has_more: more,
      response_metadata: { next_cursor: more ? String(from + limit) : "" },
    };
  }

  #view(method: string, args: Json): Json {
    const view = args.view as Json;
    const wrong = judgeView(view);
    if (wrong.length > 0) {
      this.refused.push({ method, wrong });
      return { ok: false, error: "invalid_arguments", response_metadata: { messages: wrong } };
    }
    const kind = method.slice("views.".length) as "open" | "publish" | "update";
    this.views.push({ kind, user: args.user_id ? String(args.user_id) : null, view });
    return { ok: true, view: { id: "V1", ...view } };
  }

  #complete(args: Json): Json {
    for (const { id, title } of args.files as { id: string; title?: string }[]) {
      const upload = this.#uploads.get(id);
      if (!upload) return { ok: false, error: "file_not_found" };
      this.files.push({
        id,
        ...upload,
        title: title ?? "",
        channel: String(args.channel_id ?? ""),
        thread: args.thread_ts ? String(args.thread_ts) : null,
      });
    }
    return { ok: true, files: args.files };
  }

  #store(made: {
    channel: string;
    user: string;
    text: string;
    thread_ts: string | null;
    blocks?: Json[] | undefined;
    metadata?: SlackPost["metadata"];
    broadcast?: boolean;
  }): SlackPost {
    const post: SlackPost = {
      metadata: null,
      broadcast: false,
      edits: 0,
      stream: null,
      ...made,
      ts: this.#nextTs(),
      at: Date.now(),
      blocks: made.blocks ?? [],
    };
    this.posts.push(post);
    return post;
  }

  #nextTs(): string {
    this.#clock += 0.0001;
    return this.#clock.toFixed(6);
  }
}

/** The event that Slack sends for a message. */
export function eventOf(type: string, post: SlackPost, thread: string | null = post.thread_ts): Json {
  return {
    type,
    user: post.user,
    text: post.text,
    ts: post.ts,
    ...(thread ? { thread_ts: thread } : {}),
    channel: post.channel,
    channel_type: post.channel.startsWith("D") ? "im" : "channel",
    event_ts: post.ts,
    team: BOT.team_id,
  };
}

const messageOf = (post: SlackPost): Json => ({
  type: "message",
  user: post.user,
  ...(post.user === BOT.user_id ? { bot_id: BOT.bot_id, app_id: BOT.app_id } : {}),
  text: post.text,
  ts: post.ts,
  ...(post.thread_ts ? { thread_ts: post.thread_ts } : {}),
  blocks: post.blocks,
  ...(post.metadata ? { metadata: post.metadata } : {}),
});

function elementsOf(blocks: readonly Json[]): Json[] {
  return blocks.flatMap((block) => [
    ...((block.elements as Json[] | undefined) ?? []),
    ...(block.accessory ? [block.accessory as Json] : []),
  ]);
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Slack takes forms whose complex values are JSON, and plain JSON. */
function decode(type: string, body: Buffer): Json {
  if (type.startsWith("application/json")) return JSON.parse(body.toString() || "{}") as Json;
  const structured = new Set(["blocks", "metadata", "view", "chunks", "files", "prompts", "loading_messages"]);
  return Object.fromEntries(
    [...new URLSearchParams(body.toString())].map(([key, value]) => [key, structured.has(key) ? JSON.parse(value) : value]),
  );
}
