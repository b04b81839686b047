import type { Anchor, AnchorPlace } from "../../actions/anchor.ts";
import { JsonApi } from "../json-api.ts";

export interface AnchorWebhookOptions {
  readonly url: string;
  /** Sent as a bearer token when there is one. */
  readonly token: string | null;
}

/** Sends each anchor as JSON (`seq`, `hash`, `at` in Unix milliseconds) to a server that keeps it: a log collector, a notary, another team. */
export class AnchorWebhook implements AnchorPlace {
  readonly name: string;
  readonly #api: JsonApi;
  readonly #path: readonly string[];

  constructor({ url, token }: AnchorWebhookOptions) {
    const { origin, pathname } = new URL(url);
    this.#path = pathname.split("/").filter(Boolean).map(decodeURIComponent);
    this.#api = new JsonApi({
      name: "The audit anchor's server",
      url: origin,
      headers: token ? { authorization: `Bearer ${token}` } : {},
      keys: { url: "audit.anchorUrl", token: "audit.anchorToken" },
    });
    this.name = this.#api.host;
  }

  async note(anchor: Anchor): Promise<void> {
    await this.#api.write("POST", this.#path, { body: anchor });
  }
}
