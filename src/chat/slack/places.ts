import type { WebClient } from "@slack/web-api";
import type { Audience } from "../../flows/ports.ts";

const KEEP = 10 * 60_000;

/** Which channels everyone of the workspace can read. One that cannot be looked up counts as private. */
export class Places {
  readonly #client: WebClient;
  readonly #now: () => number;
  readonly #known = new Map<string, { readonly at: number; readonly audience: Promise<Audience> }>();

  constructor(client: WebClient, now: () => number) {
    this.#client = client;
    this.#now = now;
  }

  audience(channel: string): Promise<Audience> {
    const known = this.#known.get(channel);
    if (known && this.#now() - known.at < KEEP) return known.audience;
    const audience = this.#look(channel).catch(() => {
      this.#known.delete(channel);
      return privateTo(channel);
    });
    this.#known.set(channel, { at: this.#now(), audience });
    return audience;
  }

  async #look(channel: string): Promise<Audience> {
    if (!channel.startsWith("C")) return privateTo(channel);
    const { channel: found } = await this.#client.conversations.info({ channel });
    // People of other organisations read along in a shared channel, so it is a place of its own, too.
    const open = found && found.is_private === false && !found.is_im && !found.is_mpim && !found.is_ext_shared;
    return open ? null : privateTo(channel);
  }
}

const privateTo = (channel: string): string => `slack:${channel}`;
