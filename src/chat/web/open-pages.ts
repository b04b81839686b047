import type { Request, Response } from "express";
import type { StoredMessage } from "../store.ts";
import { pageMessage } from "./page-message.ts";

/** Messages that a page gets when it is opened, at most. */
const BACKLOG = 300;

export interface OpenPagesOptions {
  readonly messagesSince: (seq: number, limit: number) => Promise<StoredMessage[]>;
  /** What the page's header shows, as JSON. */
  readonly state: () => Promise<object>;
}

interface OpenPage {
  readonly response: Response;
  /** Messages that wait until the backlog is sent; null from then on. */
  held: StoredMessage[] | null;
}

/** The pages that are open, each of which is told every message and the state by server-sent events. */
export class OpenPages {
  readonly #options: OpenPagesOptions;
  readonly #pages = new Set<OpenPage>();
  /** The newest message that the open pages have; null while none is open. */
  #newest: number | null = null;

  constructor(options: OpenPagesOptions) {
    this.#options = options;
  }

  /** Answers a page's wish for events: the state, what it does not have yet, and then whatever comes. */
  async open(request: Request, response: Response): Promise<void> {
    response.set({ "content-type": "text/event-stream", "cache-control": "no-store", connection: "keep-alive" });
    response.flushHeaders();
    const since = Number(request.headers["last-event-id"] ?? request.query.since ?? 0) || 0;
    // What happens while the backlog is read is held back, so that nothing is lost and the order stays.
    const page: OpenPage = { response, held: [] };
    this.#pages.add(page);
    request.on("close", () => this.#pages.delete(page));
    response.write(`event: state\ndata: ${JSON.stringify(await this.#options.state())}\n\n`);
    const backlog = await this.#options.messagesSince(since, BACKLOG);
    for (const message of backlog) sendMessage(response, message);
    const last = backlog.at(-1)?.seq ?? since;
    this.#newest ??= last;
    for (const message of page.held ?? []) if (message.seq > last) sendMessage(response, message);
    page.held = null;
    response.write("event: caught-up\ndata: {}\n\n");
  }

  async sendState(): Promise<void> {
    if (this.#pages.size === 0) return;
    const state = JSON.stringify(await this.#options.state());
    for (const { response } of this.#pages) response.write(`event: state\ndata: ${state}\n\n`);
  }

  /** Messages that another replica put into the channel. One that is sent twice is drawn once. */
  async sendWhatOthersPut(): Promise<void> {
    if (this.#pages.size === 0) this.#newest = null;
    if (this.#newest === null) return;
    const stored = await this.#options.messagesSince(this.#newest, BACKLOG);
    for (const message of stored) this.send(message);
    this.#newest = stored.at(-1)?.seq ?? this.#newest;
  }

  send(stored: StoredMessage): void {
    for (const { response, held } of this.#pages) {
      if (held) held.push(stored);
      else sendMessage(response, stored);
    }
  }

  close(): void {
    for (const { response } of this.#pages) response.end();
    this.#pages.clear();
  }
}

function sendMessage(response: Response, message: StoredMessage): void {
  response.write(`id: ${message.seq}\nevent: message\ndata: ${JSON.stringify(pageMessage(message))}\n\n`);
}
