import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Verdict } from "../../domain/feedback.ts";
import type { Log } from "../../flows/log.ts";
import type { ChatHandlers } from "../../flows/ports.ts";
import type { Card } from "../card.ts";
import type { ChatStore, MessageRef } from "../store.ts";
import type { MayGo, Surface } from "../surface.ts";
import { baseOf, type IncomingActivity, type InvokeAnswer, type OutgoingActivity, readActivity, threadOf } from "./activity.ts";
import { type BotFramework, type BotFrameworkOptions, botFramework } from "./botbuilder.ts";
import { type Connector, httpConnector, type Place } from "./connector.ts";
import type { ListenerContext } from "./context.ts";
import { type ConversationBook, conversationOf } from "./conversations.ts";
import { teamsDoor } from "./door.ts";
import { isLoopback, Refusals, SERVICE_HOSTS, serviceAllowed } from "./gate.ts";
import { Invokes } from "./invokes.ts";
import { LIMITS } from "./limits.ts";
import { Listeners } from "./listeners.ts";
import { cardMessage } from "./messages.ts";
import { Pace, type PaceOptions } from "./pace.ts";
import { People } from "./people.ts";
import { Pictures } from "./picture.ts";
import { TeamsReply } from "./reply.ts";

export interface TeamsOptions {
  /** Entra application id of the bot. Without it nobody is authenticated: only in tests, and on loopback. */
  readonly appId: string | null;
  readonly appSecret?: string | undefined;
  readonly appType?: BotFrameworkOptions["appType"];
  readonly tenantId?: string | undefined;
  /** Tenants besides `tenantId` whose people may speak to Vigil. */
  readonly allowedTenants?: readonly string[];
  /** Where proactive posts go: the id of a channel or of a group chat. */
  readonly channel: string;
  /** For a channel from which no activity has come yet. */
  readonly serviceUrl: string;
  /** Hosts that activities may come from and answers go to. */
  readonly serviceHosts?: readonly string[] | undefined;
  readonly host: string;
  readonly port: number;
  /** Whether a person is shown a proposal's buttons, by their Entra object id. */
  readonly mayApprove: (aadObjectId: string, proposalId: string) => Promise<boolean>;
  /** What a reaction says of an investigation. */
  readonly reactions?: Readonly<Record<string, Verdict>> | undefined;
  /** Address of the page as responders reach it, for links to evidence. */
  readonly pageUrl?: string | null;
  readonly store: ChatStore;
  readonly conversations: ConversationBook;
  /** `NODE_ENV`. */
  readonly environment: string | undefined;
  readonly openIdMetadataUrl?: string | undefined;
  readonly tokenForTests?: (() => Promise<string>) | undefined;
  readonly connector?: Connector;
  readonly pace?: PaceOptions;
  readonly now?: () => number;
  readonly log: Log;
}

/** Teams' six classic reactions; whatever else people press says nothing. */
const DEFAULT_REACTIONS: Readonly<Record<string, Verdict>> = {
  like: "correct",
  heart: "correct",
  sad: "incorrect",
  angry: "incorrect",
};

/** Older events are not taken up after a restart: nobody waits for them any more. */
const REPLAY_WITHIN = 30 * 60_000;

export interface TeamsSurface extends Surface {
  /** Address of the endpoint once it was started. */
  readonly url: string;
  /** One activity that was authenticated and let in, as a turn of the SDK delivers it. */
  receive(activity: IncomingActivity): Promise<InvokeAnswer | null>;
}

/**
 * Microsoft Teams as a surface. Has a listener of its own, so that a tunnel or proxy shows Teams' endpoint to the world and not the page.
 *
 * @throws when the configuration would let strangers in; the message says what to set.
 */
export function teamsSurface(options: TeamsOptions): TeamsSurface {
  return new Teams(options);
}

class Teams implements TeamsSurface {
  readonly name = "teams";
  readonly #options: TeamsOptions;
  readonly #framework: BotFramework;
  readonly #connector: Connector;
  readonly #pace: Pace;
  readonly #people: People;
  readonly #pictures = new Pictures();
  readonly #tenants: ReadonlySet<string>;
  readonly #serviceHosts: readonly string[];
  readonly #now: () => number;
  readonly #background = new Set<Promise<void>>();
  #listeners: Listeners | null = null;
  #invokes: Invokes | null = null;
  #server: Server | null = null;

  constructor(options: TeamsOptions) {
    this.#options = options;
    const {
      appId,
      appSecret,
      appType = "SingleTenant",
      tenantId,
      allowedTenants = [],
      openIdMetadataUrl,
      tokenForTests,
    } = options;
    if (appId === null) refuseUnauthenticated(options);
    else if (!tenantId)
      throw new Error("Teams needs teams.tenantId (TEAMS_TENANT_ID), the directory that the app is registered in.");
    else if (appType === "SingleTenant" && !appSecret)
      throw new Error("Teams needs teams.appSecret (TEAMS_APP_SECRET), or teams.appType UserAssignedMSI for a managed identity.");
    this.#now = options.now ?? Date.now;
    this.#tenants = new Set([...(tenantId ? [tenantId] : []), ...allowedTenants]);
    this.#serviceHosts = options.serviceHosts ?? SERVICE_HOSTS;
    if (!serviceAllowed(options.serviceUrl, this.#serviceHosts))
      throw new Error(
        `teams.serviceUrl ${options.serviceUrl} is not at one of teams.serviceHosts (${this.#serviceHosts.join(", ")}).`,
      );
    this.#framework = botFramework({ appId, appSecret, appType, tenantId, openIdMetadataUrl, tokenForTests });
    this.#connector = options.connector ?? httpConnector({ appId, token: () => this.#framework.token() });
    this.#pace = new Pace({ now: this.#now, ...options.pace });
    this.#people = new People(this.#connector, this.#tenants, this.#now);
  }

  get url(): string {
    const address = this.#server?.address() as AddressInfo | null | undefined;
    return address ? `http://${this.#options.host}:${address.port}/api/messages` : "";
  }

  async start(handlers: ChatHandlers): Promise<void> {
    const { store, channel, mayApprove, reactions = DEFAULT_REACTIONS, host, port, log } = this.#options;
    const [connector, pace] = [this.#connector, this.#pace];
    const context: ListenerContext = {
      connector,
      pace,
      store,
      handlers,
      people: this.#people,
      // Everybody may know what is said where Vigil speaks first; every other place is its own.
      audienceOf: (conversation) => (baseOf(conversation) === channel ? null : `teams:${baseOf(conversation)}`),
      mayApprove,
      reactions,
      pageUrl: this.#options.pageUrl ?? null,
      replyTo: (place, onStopped) =>
        new TeamsReply({ connector, pace, place, log, pageUrl: this.#options.pageUrl ?? null, onStopped }),
      now: this.#now,
      log,
    };
    this.#invokes = new Invokes(context);
    this.#listeners = new Listeners(context, this.#invokes);
    const door = teamsDoor({
      framework: this.#framework,
      rules: { tenants: this.#tenants, serviceHosts: this.#serviceHosts },
      refusals: new Refusals((refusal) => handlers.refused(refusal), this.#now),
      receive: (activity) => this.receive(activity),
      log,
    });
    const server = createServer(door);
    await new Promise<void>((done, failed) => {
      server.once("error", (error) =>
        failed(new Error(`Teams' endpoint cannot listen on ${host}:${port} (${error.message}); set TEAMS_HOST and TEAMS_PORT.`)),
      );
      server.listen(port, host, done);
    });
    this.#server = server;
    this.#inBackground(() => this.#replay());
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server) {
      const closed = new Promise((done) => server.close(done));
      server.closeIdleConnections();
      await closed;
    }
    await Promise.allSettled(this.#background);
    this.#listeners = null;
    this.#invokes = null;
  }

  /** Teams has no way to look for a message, so that one whose answer was lost may come twice; only the last one's buttons are live. */
  async post(card: Card, thread: MessageRef | null, _again = false, mayGo?: MayGo): Promise<MessageRef> {
    const conversation = thread?.channel ?? this.#options.channel;
    const place = await this.#placeOf(conversation);
    const message = await this.#drawn(card, place);
    const begins = threadOf(conversation) === null && (await this.#isChannel(conversation));
    if (begins) {
      const { conversation: channel, id } = await this.#call(place, () => this.#connector.open(place, message), mayGo);
      return { channel, message: id };
    }
    return { channel: conversation, message: await this.#call(place, () => this.#connector.send(place, message), mayGo) };
  }

  async update(ref: MessageRef, card: Card, _thread: MessageRef | null = null, mayGo?: MayGo): Promise<void> {
    const place = await this.#placeOf(ref.channel);
    const message = await this.#drawn(card, place);
    await this.#call(place, () => this.#connector.update(place, ref.message, message), mayGo);
  }

  async receive(activity: IncomingActivity): Promise<InvokeAnswer | null> {
    const { store, conversations } = this.#options;
    const [listeners, invokes] = [this.#listeners, this.#invokes];
    if (!listeners || !invokes) return { status: 503 };
    await conversations.save(conversationOf(activity), this.#now());
    if (activity.type === "invoke") return invokes.answer(activity);
    // Stored before Teams gets its answer; what a crash leaves open is taken up at the next start.
    const eventId = `${activity.conversation.id}:${activity.type}:${activity.id ?? ""}`;
    if (activity.id && (await store.takeIn(this.name, eventId, activity, this.#now())) !== "new") return null;
    this.#inBackground(async () => {
      await listeners.hear(activity);
      if (activity.id) await store.settle(this.name, eventId);
    });
    return null;
  }

  /** The card as everybody gets it. */
  async #drawn(card: Card, place: Place): Promise<OutgoingActivity> {
    const picture = await this.#pictures.of(card).catch((error) => {
      this.#options.log.warn({ err: error }, "a picture could not be drawn; its words are in the card");
      return null;
    });
    const pageUrl = this.#options.pageUrl ?? null;
    return cardMessage(card, { approver: false, refreshFor: await this.#refreshFor(card, place), picture, pageUrl });
  }

  async #placeOf(conversation: string): Promise<Place> {
    const known = await this.#options.conversations.find(baseOf(conversation));
    return { serviceUrl: known?.serviceUrl ?? this.#options.serviceUrl, conversation };
  }

  async #isChannel(conversation: string): Promise<boolean> {
    const known = await this.#options.conversations.find(conversation);
    return known ? known.kind === "channel" : /@thread\.(tacv2|skype)$/.test(conversation);
  }

  /** Teams ids of the approvers in a conversation, whose clients ask for the buttons by themselves. The others press a button for it. */
  async #refreshFor(card: Card, place: Place): Promise<string[]> {
    const [first] = card.buttons;
    if (!first) return [];
    try {
      const approvers: string[] = [];
      for (const { id, aadObjectId, guest } of await this.#people.roster(place)) {
        if (approvers.length === LIMITS.refreshUsers) break;
        if (!guest && aadObjectId && (await this.#options.mayApprove(aadObjectId, first.proposalId))) approvers.push(id);
      }
      return approvers;
    } catch (error) {
      this.#options.log.warn({ err: error }, "Teams does not tell who is in the channel; approvers press a button to see theirs");
      return [];
    }
  }

  #call<T>(place: Place, call: () => Promise<T>, mayGo?: MayGo): Promise<T> {
    return this.#pace.patiently(() =>
      this.#pace.run(baseOf(place.conversation), async () => {
        mayGo?.();
        return call();
      }),
    );
  }

  async #replay(): Promise<void> {
    const { store, log } = this.#options;
    const events = await store.open(this.name, this.#now() - REPLAY_WITHIN);
    for (const { eventId, body } of events) {
      const activity = readActivity(body);
      if (activity) await this.#listeners?.hear(activity);
      await store.settle(this.name, eventId);
    }
    if (events.length > 0) log.info({ count: events.length }, "took up what a restart had interrupted");
  }

  #inBackground(work: () => Promise<void>): void {
    const done = work()
      .catch((error) => this.#options.log.error({ err: error }, "an activity from Teams was not finished"))
      .finally(() => this.#background.delete(done));
    this.#background.add(done);
  }
}

/** Without an app id the SDK runs turns for anybody. */
function refuseUnauthenticated({ environment, host }: TeamsOptions): void {
  if (environment === "test" && isLoopback(host)) return;
  throw new Error(
    "Teams needs teams.appId (TEAMS_APP_ID): without it nobody is authenticated. Only tests (NODE_ENV=test) may go without, on loopback.",
  );
}
