import { z } from "zod";
import type { AlertSeverity, OnCallPerson, Page, Pager } from "../../domain/oncall.ts";
import { ApiError, JsonApi } from "../json-api.ts";

export interface OpsgenieOptions {
  /** Key of an API integration; one of the account's configuration API cannot create alerts. */
  readonly apiKey: string;
  /** `https://api.opsgenie.com`, or `https://api.eu.opsgenie.com`. */
  readonly url: string;
  /** Where Vigil's page is, for the link in the alert; null when people cannot reach it. */
  readonly pageUrl: string | null;
  /** Teams that are called; without any, the integration's own. */
  readonly teams: readonly string[];
}

const accepted = z.object({ requestId: z.string() });

/** What Opsgenie takes of a message, an alias and a description. */
const LONGEST = { message: 130, alias: 512, description: 15_000 };
const PRIORITY: Readonly<Record<AlertSeverity, string>> = { critical: "P1", warning: "P3", info: "P5" };

/** Opsgenie's alert API, https://docs.opsgenie.com/docs/alert-api. One incident is one alert there, by its alias. */
export class OpsgenieAlerts implements Pager {
  readonly name = "Opsgenie";
  readonly #api: JsonApi;
  readonly #options: OpsgenieOptions;

  constructor(options: OpsgenieOptions) {
    this.#options = options;
    this.#api = new JsonApi({
      name: "Opsgenie",
      url: options.url,
      headers: { authorization: `GenieKey ${options.apiKey}` },
      keys: { url: "escalation.opsgenie.apiUrl", token: "escalation.opsgenie.apiKey" },
    });
  }

  async page(page: Page, people: readonly OnCallPerson[]): Promise<string> {
    const { pageUrl, teams } = this.#options;
    const text = `${page.summary}: ${page.reason}`;
    return this.#send(["v2", "alerts"], {
      message: text.slice(0, LONGEST.message),
      alias: page.key.slice(0, LONGEST.alias),
      description: [text, ...(pageUrl ? [pageUrl] : [])].join("\n").slice(0, LONGEST.description),
      priority: PRIORITY[page.severity],
      source: "Vigil",
      ...(page.service ? { entity: page.service, tags: [page.service] } : {}),
      details: {
        ...page.details,
        ...(people.length > 0 ? { on_call: people.map(({ name }) => name).join(", ") } : {}),
      },
      ...(teams.length > 0 ? { responders: teams.map((name) => ({ name, type: "team" })) } : {}),
    });
  }

  async resolve({ key }: Pick<Page, "key">): Promise<void> {
    try {
      await this.#send(["v2", "alerts", key.slice(0, LONGEST.alias), "close"], { source: "Vigil" }, { identifierType: "alias" });
    } catch (error) {
      // Somebody closed it and it is gone: there is nothing to close.
      if (!(error instanceof ApiError && error.fault === "missing")) throw error;
    }
  }

  async #send(path: readonly string[], body: object, query: Readonly<Record<string, string>> = {}): Promise<string> {
    const parsed = accepted.safeParse(await this.#api.write("POST", path, { body, query }));
    if (!parsed.success) throw new Error("Opsgenie did not confirm the alert; look there whether it arrived.");
    return parsed.data.requestId;
  }
}
