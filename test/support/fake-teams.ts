import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, exportJWK, type GenerateKeyPairResult, generateKeyPair, SignJWT } from "jose";
import type { TeamsOptions } from "../../src/chat/teams/index.ts";
import type { ConversationRepository } from "../../src/store/conversations.ts";
import type { StateDatabase } from "../../src/store/state.ts";
import { TeamsConversationRepository } from "../../src/store/teams.ts";
import { silentLog } from "./fake-handlers.ts";
import { judgeActivity, judgeCard } from "./fake-teams-cards.ts";

type Json = Record<string, unknown>;

export interface TeamsMessage {
  readonly conversation: string;
  readonly id: string;
  activity: Json;
  edits: number;
}

export interface TeamsPerson {
  readonly id: string;
  readonly aadObjectId: string;
  readonly name: string;
  readonly tenantId: string;
  readonly userRole: string;
}

/** How the next call misbehaves once. `lost` does the work and drops the connection; `drop` only drops it. */
export type TeamsFault = { readonly status: number; readonly retryAfter?: number; readonly code?: string } | "lost" | "drop";

export const TENANT = "11111111-2222-4333-8444-555555555555";
export const APP_ID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
export const CHANNEL = "19:incidents@thread.tacv2";
export const BOT = { id: `28:${APP_ID}`, name: "Vigil" };

const person = (name: string, changed: Partial<TeamsPerson> = {}): TeamsPerson => ({
  id: `29:${name.toLowerCase()}`,
  aadObjectId: `aad-${name.toLowerCase()}`,
  name,
  tenantId: TENANT,
  userRole: "user",
  ...changed,
});
export const ANA = person("Ana");
export const BEN = person("Ben");
export const GUS = person("Gus", { userRole: "guest" });
export const OLA = person("Ola", { tenantId: "99999999-0000-4000-8000-000000000000" });
const PERSONAL = "a:1-ana";

/** Made once: RSA keys take a while. */
let keys: Promise<readonly [GenerateKeyPairResult, GenerateKeyPairResult]> | null = null;

/** A signed token of the Bot Framework, as it is or spoilt. */
export interface TokenOptions {
  readonly audience?: string;
  readonly issuer?: string;
  readonly serviceUrl?: string;
  readonly expiresAt?: number;
  readonly foreignKey?: boolean;
}

/** A surface that talks to `teams` and to nobody else; nobody may approve unless the test says so. */
export const teamsOptions = (teams: FakeTeams, store: ConversationRepository, db: StateDatabase): TeamsOptions => ({
  appId: APP_ID,
  appSecret: "secret-of-the-app",
  tenantId: TENANT,
  channel: CHANNEL,
  serviceUrl: teams.serviceUrl,
  serviceHosts: [teams.host],
  host: "127.0.0.1",
  port: 0,
  mayApprove: async () => false,
  store,
  conversations: new TeamsConversationRepository(db),
  environment: "production",
  tokenForTests: async () => "token-of-the-bot",
  log: silentLog,
});

/**
 * Teams on this machine: the Bot Connector's REST interface, the roster, the signing keys, and people who write, press and react. Keeps the
 * messages, refuses what Teams would refuse, and misbehaves on request.
 */
export class FakeTeams {
  readonly messages: TeamsMessage[] = [];
  readonly typing: string[] = [];
  readonly calls: { method: string; path: string; authorization: string | null; body: Json; at: number }[] = [];
  /** Validation failures: a good client leaves this empty. */
  readonly refused: { path: string; wrong: string[] }[] = [];
  readonly members: TeamsPerson[] = [ANA, BEN, GUS, OLA];
  readonly streams = new Map<
    string,
    { conversation: string; texts: string[]; sequence: number; state: "open" | "stopped" | "final" }
  >();
  /** Where the bot listens; null signs nothing, as without an app id. */
  endpoint = "";
  signed = true;
  readonly #server: Server;
  readonly #key: CryptoKey;
  readonly #jwk: Json;
  readonly #foreign: CryptoKey;
  readonly #faults: TeamsFault[] = [];
  #rosterFails = false;
  #next = 1_700_000_000_000;

  private constructor(server: Server, key: CryptoKey, jwk: Json, foreign: CryptoKey) {
    this.#server = server;
    this.#key = key;
    this.#jwk = jwk;
    this.#foreign = foreign;
  }

  static async start(): Promise<FakeTeams> {
    keys = keys ?? Promise.all([generateKeyPair("RS256"), generateKeyPair("RS256")]);
    const [own, foreign] = await keys;
    const jwk = { ...(await exportJWK(own.publicKey)), kid: "key-1", use: "sig", endorsements: ["msteams"] };
    const server = createServer();
    const teams = new FakeTeams(server, own.privateKey, jwk, foreign.privateKey);
    server.on("request", (request, response) => void teams.#handle(request, response));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return teams;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get serviceUrl(): string {
    return `http://${this.host}/`;
  }

  get openIdMetadataUrl(): string {
    return `http://${this.host}/openid`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  /** The next call that writes misbehaves so; several wait in line. */
  fail(...faults: TeamsFault[]): void {
    this.#faults.push(...faults);
  }

  failRoster(fails: boolean): void {
    this.#rosterFails = fails;
  }

  /** The next informative update is refused, as when the person pressed Stop. */
  pressStop(): void {
    for (const stream of this.streams.values()) if (stream.state === "open") stream.state = "stopped";
  }

  find(text: string | RegExp): TeamsMessage | undefined {
    return this.messages.find(({ activity }) => {
      const words = JSON.stringify(activity);
      return typeof text === "string" ? words.includes(text) : text.test(words);
    });
  }

  cardOf(message: TeamsMessage): Json | null {
    const [attachment] = (message.activity.attachments as { content: Json }[] | undefined) ?? [];
    return attachment?.content ?? null;
  }

  async token(options: TokenOptions = {}): Promise<string> {
    const {
      audience = APP_ID,
      issuer = "https://api.botframework.com",
      serviceUrl = this.serviceUrl,
      expiresAt,
      foreignKey,
    } = options;
    const now = Math.floor(Date.now() / 1_000);
    return new SignJWT({ serviceurl: serviceUrl })
      .setProtectedHeader({ alg: "RS256", kid: "key-1" })
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt(now - 3_600)
      .setExpirationTime(expiresAt ?? now + 600)
      .sign(foreignKey ? this.#foreign : this.#key);
  }

  /** Delivers an activity to the bot. */
  async deliver(activity: Json, authorization?: string | null): Promise<{ status: number; body: Json | null }> {
    const header = authorization === undefined ? (this.signed ? `Bearer ${await this.token()}` : null) : authorization;
    const response = await fetch(this.endpoint, {
      method: "POST",
      headers: { "content-type": "application/json", ...(header ? { authorization: header } : {}) },
      body: JSON.stringify(activity),
    });
    const text = await response.text();
    return { status: response.status, body: text ? (JSON.parse(text) as Json) : null };
  }

  /** An activity as Teams would send it. */
  activity(from: TeamsPerson, changed: Json = {}, conversation = CHANNEL): Json {
    const personal = conversation === PERSONAL;
    return {
      type: "message",
      id: this.#id(),
      timestamp: new Date().toISOString(),
      channelId: "msteams",
      serviceUrl: this.serviceUrl,
      from: { id: from.id, name: from.name, aadObjectId: from.aadObjectId },
      recipient: BOT,
      conversation: {
        id: conversation,
        tenantId: TENANT,
        conversationType: personal ? "personal" : "channel",
        ...(personal ? {} : { isGroup: true }),
      },
      channelData: {
        tenant: { id: TENANT },
        ...(personal ? {} : { team: { id: "19:team@thread.tacv2" }, channel: { id: CHANNEL } }),
      },
      ...changed,
    };
  }

  /** Writes to the bot: by a mention in a channel, in a new thread unless one is named, or in the one-to-one chat. */
  async say(
    from: TeamsPerson,
    text: string,
    where: "personal" | "channel" | string = "channel",
  ): Promise<{ conversation: string; id: string; status: number }> {
    const id = this.#id();
    const conversation = where === "personal" ? PERSONAL : where === "channel" ? `${CHANNEL};messageid=${id}` : where;
    const mention = { type: "mention", text: "<at>Vigil</at>", mentioned: BOT };
    const spoken = where === "personal" ? { text } : { text: `<at>Vigil</at> ${text}`, entities: [mention] };
    const { status } = await this.deliver(this.activity(from, { id, ...spoken }, conversation));
    return { conversation, id, status };
  }

  /** The card as one person sees it: their client asks for their own view when the card says so. */
  async seenBy(viewer: TeamsPerson, message: TeamsMessage): Promise<Json> {
    const card = this.cardOf(message) ?? {};
    const refresh = card.refresh as { action: Json; userIds: string[] } | undefined;
    if (!refresh?.userIds.includes(viewer.id)) return card;
    const { body } = await this.#invoke(viewer, message, "adaptiveCard/action", { action: refresh.action, trigger: "automatic" });
    return (body?.value as Json | undefined) ?? card;
  }

  /** Presses the action of that title on the card as this person sees it. */
  async press(who: TeamsPerson, message: TeamsMessage, title: string): Promise<Json> {
    const action = actionsOf(await this.seenBy(who, message)).find((one) => one.title === title);
    if (!action)
      throw new Error(`${who.name} sees no ${title} in ${JSON.stringify(await this.seenBy(who, message)).slice(0, 2_000)}`);
    return this.pressAction(who, message, action);
  }

  async pressAction(who: TeamsPerson, message: TeamsMessage, action: Json): Promise<Json> {
    const data = action.data as Json;
    const dialog = (data.msteams as Json | undefined)?.type === "task/fetch";
    const { status, body } = dialog
      ? await this.#invoke(who, message, "task/fetch", { data, context: { theme: "default" } })
      : await this.#invoke(who, message, "adaptiveCard/action", { action, trigger: "manual" });
    if (status !== 200 || !body) throw new Error(`${String(action.title)}: ${status}`);
    const shown = dialog
      ? (((body.task as Json).value as Json).card as { content: Json }).content
      : body.type === "application/vnd.microsoft.card.adaptive"
        ? (body.value as Json)
        : null;
    if (shown) this.#judge("invoke", judgeCard(shown));
    return body;
  }

  /** Fills in the dialog that came back from a press, and sends it. */
  async submit(who: TeamsPerson, message: TeamsMessage, opened: Json, inputs: Json): Promise<Json> {
    const form = (((opened.task as Json).value as Json).card as { content: Json }).content;
    const [action] = actionsOf(form);
    const { body } = await this.#invoke(who, { ...message, id: "" }, "task/submit", {
      data: { ...(action?.data as Json), ...inputs },
    });
    return body ?? {};
  }

  invoke(who: TeamsPerson, message: TeamsMessage, name: string, value: Json): Promise<{ status: number; body: Json | null }> {
    return this.#invoke(who, message, name, value);
  }

  async react(who: TeamsPerson, message: TeamsMessage, kind: "reactionsAdded" | "reactionsRemoved", type: string): Promise<void> {
    await this.deliver(
      this.activity(who, { type: "messageReaction", replyToId: message.id, [kind]: [{ type }] }, message.conversation),
    );
  }

  #invoke(who: TeamsPerson, message: TeamsMessage, name: string, value: Json) {
    const reply = message.id ? { replyToId: message.id } : {};
    return this.deliver(this.activity(who, { type: "invoke", name, value, ...reply }, message.conversation));
  }

  #id(): string {
    this.#next += 1;
    return String(this.#next);
  }

  #judge(path: string, wrong: string[]): boolean {
    if (wrong.length > 0) this.refused.push({ path, wrong });
    return wrong.length === 0;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const url = new URL(request.url ?? "/", this.serviceUrl);
    const method = request.method ?? "GET";
    const send = (status: number, body: unknown, headers: Record<string, string> = {}) =>
      void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
    if (url.pathname === "/openid")
      return send(200, { issuer: "https://api.botframework.com", jwks_uri: `${this.serviceUrl}keys` });
    if (url.pathname === "/keys") return send(200, { keys: [this.#jwk] });
    const body = text ? (JSON.parse(text) as Json) : {};
    this.calls.push({ method, path: url.pathname, authorization: request.headers.authorization ?? null, body, at: Date.now() });
    if (this.signed && request.headers.authorization !== "Bearer token-of-the-bot")
      return send(401, { error: { code: "Unauthorized" } });
    if (method === "GET") return this.#roster(url, send);
    const fault = this.#faults.shift();
    if (fault === "drop") return void request.socket.destroy();
    if (typeof fault === "object")
      return send(
        fault.status,
        { error: { code: fault.code ?? "Fault", message: "asked for by a test" } },
        fault.retryAfter ? { "retry-after": String(fault.retryAfter) } : {},
      );
    const [status, answer] = this.#write(method, url.pathname, body);
    if (fault === "lost") return void request.socket.destroy();
    send(status, answer);
  }

  #write(method: string, path: string, body: Json): [number, Json] {
    const [, , , rawConversation, , rawActivity] = path.split("/");
    const conversation = decodeURIComponent(rawConversation ?? "");
    if (method === "POST" && !rawConversation) {
      const channel = ((body.channelData as Json)?.channel as Json)?.id;
      if (channel !== CHANNEL) return [404, { error: { code: "ConversationNotFound" } }];
      const activity = body.activity as Json;
      if (!this.#judge(path, judgeActivity(activity, false))) return [400, { error: { code: "BadSyntax" } }];
      const id = this.#id();
      this.messages.push({ conversation: `${CHANNEL};messageid=${id}`, id, activity, edits: 0 });
      return [201, { id: `${CHANNEL};messageid=${id}`, activityId: id }];
    }
    const named = (body.conversation as Json | undefined)?.id === conversation ? [] : ["conversation.id is not where it goes"];
    const spoken = !this.signed || (body.from as Json | undefined)?.id === BOT.id ? [] : ["from is not the bot"];
    if (!this.#judge(path, [...judgeActivity(body, conversation === PERSONAL), ...named, ...spoken]))
      return [400, { error: { code: "BadSyntax" } }];
    if (method === "PUT") {
      const message = this.messages.find(
        (one) => one.conversation === conversation && one.id === decodeURIComponent(rawActivity ?? ""),
      );
      if (!message) return [404, { error: { code: "ActivityNotFoundInConversation" } }];
      message.activity = body;
      message.edits += 1;
      return [200, { id: message.id }];
    }
    const info = ((body.entities as Json[] | undefined) ?? []).find(({ type }) => type === "streaminfo");
    if (info) return this.#streamed(conversation, body, info);
    if (body.type === "typing") {
      this.typing.push(conversation);
      return [202, { id: this.#id() }];
    }
    const id = this.#id();
    this.messages.push({ conversation, id, activity: body, edits: 0 });
    return [201, { id }];
  }

  #streamed(conversation: string, activity: Json, info: Json): [number, Json] {
    if (info.streamId === undefined) {
      if (info.streamSequence !== 1 || activity.type !== "typing") return [400, { error: { code: "BadSyntax" } }];
      const id = `stream-${this.#id()}`;
      this.streams.set(id, { conversation, texts: [String(activity.text)], sequence: 1, state: "open" });
      return [201, { id }];
    }
    const stream = this.streams.get(String(info.streamId));
    if (stream?.state !== "open")
      return [403, { error: { code: "ContentStreamNotAllowed", message: "Content stream was canceled by user." } }];
    if (info.streamType === "final") {
      if (info.streamSequence !== undefined || activity.type !== "message") return [400, { error: { code: "BadSyntax" } }];
      stream.state = "final";
      this.messages.push({ conversation, id: String(info.streamId), activity, edits: 0 });
      return [202, { id: info.streamId }];
    }
    if (Number(info.streamSequence) <= stream.sequence)
      return [403, { error: { code: "ContentStreamSequenceOrderPreConditionFailed" } }];
    stream.sequence = Number(info.streamSequence);
    stream.texts.push(String(activity.text));
    return [202, {}];
  }

  #roster(url: URL, send: (status: number, body: unknown) => void): void {
    if (this.#rosterFails) send(500, { error: { code: "ServiceError" } });
    else if (url.pathname.endsWith("/pagedmembers")) send(200, { members: this.members });
    else {
      const id = decodeURIComponent(url.pathname.split("/").at(-1) ?? "");
      const found = this.members.find((one) => one.id === id);
      if (found) send(200, found);
      else send(404, { error: { code: "MemberNotFoundInConversation" } });
    }
  }
}

/** Every action of a card, also in action sets and unfolded cards. */
export function actionsOf(card: Json): Json[] {
  const inner = (list: unknown): Json[] =>
    ((list as Json[] | undefined) ?? []).flatMap((one) =>
      one.type === "Action.ShowCard" ? [one, ...actionsOf(one.card as Json)] : [one],
    );
  const inBody = (list: unknown): Json[] =>
    ((list as Json[] | undefined) ?? []).flatMap((one) => [...inner(one.actions), ...inBody(one.items)]);
  return [...inBody(card.body), ...inner(card.actions)];
}

/** All text of a card, as a person reads it. */
export function wordsOf(card: unknown): string {
  if (Array.isArray(card)) return card.map(wordsOf).join("\n");
  if (typeof card !== "object" || card === null) return "";
  const one = card as Json;
  if (one.type === "RichTextBlock") return (one.inlines as Json[]).map(({ text }) => String(text)).join("");
  return [one.body, one.items, one.actions, one.card, one.title, one.text]
    .map((part) => (typeof part === "string" ? part : wordsOf(part)))
    .filter(Boolean)
    .join("\n");
}
