import { z } from "zod";
import type { OnCallPerson, Page, Pager } from "../../domain/oncall.ts";
import { JsonApi } from "../json-api.ts";

export interface PagerDutyEventsOptions {
  /** Integration key of an "Events API v2" integration. */
  readonly routingKey: string;
  /** `https://events.pagerduty.com`, or `https://events.eu.pagerduty.com`. */
  readonly url: string;
  /** Where Vigil's page is, for the link in the page; null when people cannot reach it. */
  readonly pageUrl: string | null;
}

const accepted = z.object({ status: z.literal("success"), dedup_key: z.string() });

/** What PagerDuty takes of a summary. */
const LONGEST_SUMMARY = 1_024;

/** PagerDuty's Events API v2, https://developer.pagerduty.com/docs/events-api-v2/trigger-events/. One incident is one alert there, by its `dedup_key`. */
export class PagerDutyEvents implements Pager {
  readonly name = "PagerDuty";
  readonly #api: JsonApi;
  readonly #options: PagerDutyEventsOptions;

  constructor(options: PagerDutyEventsOptions) {
    this.#options = options;
    this.#api = new JsonApi({
      name: "PagerDuty Events",
      url: options.url,
      headers: {},
      keys: { url: "escalation.pagerDuty.eventsUrl", token: "escalation.pagerDuty.routingKey" },
    });
  }

  async page(page: Page, people: readonly OnCallPerson[]): Promise<string> {
    const { pageUrl } = this.#options;
    return this.#send({
      event_action: "trigger",
      dedup_key: page.key,
      payload: {
        summary: `${page.summary}: ${page.reason}`.slice(0, LONGEST_SUMMARY),
        source: page.service ?? "vigil",
        severity: page.severity,
        timestamp: new Date(page.at).toISOString(),
        ...(page.service ? { component: page.service } : {}),
        class: "incident",
        custom_details: {
          ...page.details,
          ...(people.length > 0 ? { on_call: people.map(({ name }) => name).join(", ") } : {}),
        },
      },
      client: "Vigil",
      ...(pageUrl ? { client_url: pageUrl } : {}),
    });
  }

  async resolve({ key }: Pick<Page, "key">): Promise<void> {
    await this.#send({ event_action: "resolve", dedup_key: key });
  }

  async #send(event: Readonly<Record<string, unknown>>): Promise<string> {
    const answer = await this.#api.write("POST", ["v2", "enqueue"], {
      body: { routing_key: this.#options.routingKey, ...event },
    });
    const parsed = accepted.safeParse(answer);
    if (!parsed.success) throw new Error("PagerDuty Events did not confirm the event; look there whether it arrived.");
    return parsed.data.dedup_key;
  }
}
