import { setTimeout as sleep } from "node:timers/promises";
import { App, HTTPReceiver, LogLevel, type ReceiverEvent, SocketModeReceiver } from "@slack/bolt";
import type { WebClientOptions } from "@slack/web-api";
import { redact } from "../../domain/untrusted.ts";
import type { Log } from "../../flows/log.ts";
import { CLIENT_OPTIONS } from "./client.ts";

export type Connection =
  | { readonly mode: "socket"; readonly appToken: string }
  | { readonly mode: "http"; readonly signingSecret: string; readonly port: number };

/** Bolt refuses requests older than this; we refuse those as far ahead of our clock, too. */
const LONGEST_SKEW = 300;

const MOST_BYTES = 1_000_000;
/** Milliseconds between two tries for a new connection. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;
const LONGEST_LINE = 2_000;

class FromTheFuture extends Error {
  override readonly name = "FromTheFuture";
}

/** Where events wait until they are finished. */
export interface Inbox {
  takeIn(eventId: string, body: unknown): Promise<"new" | "open" | "settled">;
  settle(eventId: string): Promise<void>;
  open(): Promise<{ readonly eventId: string; readonly body: unknown }[]>;
}

/**
 * Bolt's app, with two doors before it: an event is stored before it is acknowledged, and a signed request with a time ahead of ours
 * is refused. `replay` takes up the events that a crash left unfinished; `settled` waits for those in work.
 */
export function boltApp(options: {
  readonly botToken: string;
  /** Who the token speaks as; without them Bolt asks Slack at every event, before it acknowledges. */
  readonly bot: { readonly botId: string | undefined; readonly botUserId: string | undefined };
  readonly connection: Connection;
  readonly clientOptions: WebClientOptions;
  readonly inbox: Inbox;
  /** Told about each request that was refused for its signature or its time. */
  readonly rejected: (reason: string) => void;
  readonly now: () => number;
  readonly log: Log;
}): { readonly app: App; readonly replay: () => Promise<number>; readonly settled: () => Promise<void> } {
  const { botToken, bot, connection, clientOptions, inbox, rejected, now, log } = options;
  const logger = slackLogger(log);
  const common = {
    token: botToken,
    ...bot,
    clientOptions: { ...CLIENT_OPTIONS, ...clientOptions },
    logger,
    tokenVerificationEnabled: false,
  };
  const app =
    connection.mode === "socket"
      ? new App({ ...common, socketMode: true, receiver: socketReceiver(connection.appToken, common.clientOptions, logger) })
      : new App({ ...common, receiver: httpReceiver(connection.signingSecret, connection.port, rejected) });
  const process = app.processEvent.bind(app);
  const inFlight = new Set<Promise<void>>();
  const inWork = new Set<string>();
  let turn: Promise<void> = Promise.resolve();
  /** Of a burst, the work begins one event a turn of the event loop, so that the acknowledgements of the others go out between. */
  const nextTurn = (): Promise<void> => {
    turn = turn.then(() => new Promise((resolve) => setImmediate(resolve)));
    return turn;
  };
  const take = async (event: ReceiverEvent): Promise<void> => {
    const sentAt = Number(event.customProperties?.timestamp);
    if (sentAt - now() / 1_000 > LONGEST_SKEW) throw new FromTheFuture("The request's time is ahead of this clock.");
    const body = event.body as Record<string, unknown>;
    const command = commandId(body);
    // A command or shortcut that arrives twice is a request that somebody replays.
    if (command !== null && (await inbox.takeIn(command, null)) !== "new") return event.ack();
    const id = body.type === "event_callback" && typeof body.event_id === "string" ? body.event_id : null;
    if (id === null) {
      await process(event);
      if (command !== null) await inbox.settle(command);
      return;
    }
    const seen = await inbox.takeIn(id, forTheInbox(body));
    // Known but in nobody's hands: an earlier delivery ended before its listener ran.
    if (seen === "settled" || inWork.has(id)) return event.ack();
    inWork.add(id);
    try {
      // It is stored. When the connection is gone Slack sends it again, which is known then; the work must not wait for that.
      const ack: ReceiverEvent["ack"] = async (response) => {
        await event.ack(response).catch((error) => log.debug({ err: error, event: id }, "an acknowledgement did not arrive"));
        await nextTurn();
      };
      await process({ ...event, ack });
      await inbox.settle(id);
    } finally {
      inWork.delete(id);
    }
  };
  app.processEvent = (event: ReceiverEvent) => {
    const taken = take(event).finally(() => inFlight.delete(taken));
    inFlight.add(taken);
    return taken;
  };
  const replay = async () => {
    const events = await inbox.open();
    for (const { eventId, body } of events) {
      await process({ body: body as ReceiverEvent["body"], ack: async () => undefined });
      await inbox.settle(eventId);
    }
    return events.length;
  };
  return {
    app,
    replay,
    settled: async () => {
      await Promise.allSettled(inFlight);
    },
  };
}

/** What a restart needs of an event: without Slack's old verification token, and with no secret that somebody typed. */
function forTheInbox({ token: _token, ...body }: Record<string, unknown>): Record<string, unknown> {
  const { blocks: _blocks, attachments: _attachments, files: _files, text, ...event } = body.event as Record<string, unknown>;
  return { ...body, event: { ...event, ...(typeof text === "string" ? { text: redact(text) } : {}) } };
}

function commandId({ type, command, trigger_id: trigger }: Record<string, unknown>): string | null {
  const once = typeof command === "string" || type === "message_action";
  return once && typeof trigger === "string" && trigger ? `trigger:${trigger}` : null;
}

/** How Slack's library goes about another connection, or another address for one. Not part of its types. */
interface Reconnecting {
  delayReconnectAttempt(again: () => Promise<unknown>): Promise<unknown>;
}

/**
 * Slack's library connects anew when its connection is lost, but when Slack cannot be asked for the next one just then, nobody catches that, and
 * the process ends. Here it is tried until it succeeds or the connection is not wanted any more.
 */
function socketReceiver(
  appToken: string,
  clientOptions: WebClientOptions,
  logger: ReturnType<typeof slackLogger>,
): SocketModeReceiver {
  const receiver = new SocketModeReceiver({ appToken, logger, installerOptions: { clientOptions } });
  const { client } = receiver;
  const unwanted = new AbortController();
  (client as unknown as Reconnecting).delayReconnectAttempt = async (again) => {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(LONGEST_PAUSE, pause * 2)) {
      await sleep(pause, undefined, { signal: unwanted.signal }).catch(() => undefined);
      // Whoever waits for a connection that is not wanted any more waits for nothing.
      if (unwanted.signal.aborted) return new Promise(() => {});
      try {
        return await again.call(client);
      } catch (error) {
        logger.warn("Slack gives no new connection; asking again:", error);
      }
    }
  };
  const disconnect = client.disconnect.bind(client);
  client.disconnect = () => {
    unwanted.abort();
    return disconnect();
  };
  return receiver;
}

function httpReceiver(signingSecret: string, port: number, rejected: (reason: string) => void): HTTPReceiver {
  const receiver = new HTTPReceiver({
    signingSecret,
    port,
    bodyLimit: MOST_BYTES,
    // Without the header it is no number, and Bolt refuses the request before this matters.
    customPropertiesExtractor: (request) => ({ timestamp: Number(request.headers["x-slack-request-timestamp"]) }),
    processEventErrorHandler: async ({ error, logger, response }) => {
      const expected = error.name === "FromTheFuture";
      if (!expected) logger.error("an event could not be taken in", error);
      // What was acknowledged already is in the inbox and is taken up at the next start.
      if (!response.headersSent) response.writeHead(expected ? 401 : 500).end();
      return true;
    },
    dispatchErrorHandler: async ({ response }) => void response.writeHead(404).end(),
  });
  const { requestListener } = receiver;
  receiver.requestListener = (request, response) => {
    response.once("finish", () => {
      if (response.statusCode === 401)
        rejected(`a request from ${request.socket.remoteAddress ?? "nowhere"} had a wrong signature or a wrong time`);
    });
    return requestListener(request, response);
  };
  return receiver;
}

/** Slack's libraries write to our log; what they quote of messages may hold anything. */
export function slackLogger(log: Log) {
  const words = (parts: unknown[]) =>
    redact(
      parts
        .map((part) => (part instanceof Error ? part.message : String(part)))
        .join(" ")
        .slice(0, LONGEST_LINE),
    );
  return {
    debug: (...parts: unknown[]) => log.debug({}, words(parts)),
    info: (...parts: unknown[]) => log.debug({}, words(parts)),
    warn: (...parts: unknown[]) => log.warn({}, words(parts)),
    error: (...parts: unknown[]) => log.error({}, words(parts)),
    setLevel: () => {},
    getLevel: () => LogLevel.INFO,
    setName: () => {},
  };
}
