import { WebClient } from "@slack/web-api";
import type { OnCallPerson, Page, Pager } from "../../domain/oncall.ts";

export interface SlackMentionOptions {
  readonly token: string;
  readonly channel: string;
  readonly apiUrl?: string | undefined;
  /** The message of an investigation in that channel, in whose thread people are called; null when there is none. */
  readonly threadOf: (investigationId: string) => Promise<{ readonly channel: string; readonly message: string } | null>;
}

/** Calls people by a mention in the incident channel: those whose Slack id the rota knows ring, the others are named. */
export class SlackMention implements Pager {
  readonly name = "Slack mention";
  readonly #client: WebClient;
  readonly #options: SlackMentionOptions;

  constructor(options: SlackMentionOptions) {
    this.#options = options;
    this.#client = new WebClient(options.token, {
      ...(options.apiUrl ? { slackApiUrl: options.apiUrl } : {}),
      // The escalation itself is tried again later, so that a page does not hang here.
      retryConfig: { retries: 1 },
      timeout: 10_000,
    });
  }

  async page(page: Page, people: readonly OnCallPerson[]): Promise<string> {
    const called = people.map(({ name, slackId }) => (slackId ? `<@${slackId}>` : escapeSlack(name)));
    if (called.length === 0) throw new Error("nobody is known to be on call; set onCall.file or onCall.pagerDuty");
    const thread = page.investigationId ? await this.#options.threadOf(page.investigationId) : null;
    const text = `${called.join(" ")} ${escapeSlack(page.summary)}: ${escapeSlack(page.reason)}.`;
    const plain = { text, unfurl_links: false, unfurl_media: false };
    const { ts } = await this.#client.chat.postMessage(
      thread
        ? { ...plain, channel: thread.channel, thread_ts: thread.message, reply_broadcast: true }
        : { ...plain, channel: this.#options.channel },
    );
    return ts ?? "posted";
  }

  /** The thread tells that it is over; nothing rings there. */
  async resolve(): Promise<void> {}
}

/** Only the ids of the rota make mentions; no text of an alert can. */
const escapeSlack = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
