import type { WebClient } from "@slack/web-api";
import type { ChatUser } from "../../flows/ports.ts";
import { plain } from "../text.ts";

const KEEP = 60_000;

export type Person = { readonly ok: true; readonly user: ChatUser } | { readonly ok: false; readonly refusal: string };

interface SlackUser {
  readonly name?: string;
  readonly real_name?: string;
  readonly team_id?: string;
  readonly deleted?: boolean;
  readonly is_bot?: boolean;
  readonly is_restricted?: boolean;
  readonly is_ultra_restricted?: boolean;
  readonly is_stranger?: boolean;
  readonly profile?: { readonly display_name?: string; readonly real_name?: string };
}

/** Who people are. Looked up in Slack, kept for a minute; whoever cannot be checked may not decide. */
export class People {
  readonly #client: WebClient;
  readonly #now: () => number;
  readonly #known = new Map<string, { readonly at: number; readonly user: SlackUser }>();

  constructor(client: WebClient, now: () => number) {
    this.#client = client;
    this.#now = now;
  }

  /** A name to show; never fails. */
  async named(id: string): Promise<ChatUser> {
    const user = await this.#look(id).catch(() => null);
    const name = user?.profile?.display_name || user?.real_name || user?.name || id;
    return { surface: "slack", id, name: plain(name, 80) };
  }

  /** False when it cannot be told: a question of a person must not be lost. */
  async isBot(id: string): Promise<boolean> {
    return (await this.#look(id).catch(() => null))?.is_bot === true;
  }

  /** Someone who may decide at all: a full, active, human member of one of these workspaces. */
  async member(id: string, teams: ReadonlySet<string>): Promise<Person> {
    let user: SlackUser;
    try {
      user = await this.#look(id);
    } catch {
      return { ok: false, refusal: "I cannot check who you are, so the answer is no. Try again in a moment." };
    }
    if (user.deleted) return { ok: false, refusal: "This account is deactivated; nothing was done." };
    if (user.is_bot) return { ok: false, refusal: "Bots do not decide; nothing was done." };
    if (user.is_restricted || user.is_ultra_restricted) return { ok: false, refusal: "Guests do not decide; nothing was done." };
    if (user.is_stranger || (user.team_id !== undefined && !teams.has(user.team_id)))
      return { ok: false, refusal: "People of other organisations do not decide here; nothing was done." };
    return { ok: true, user: await this.named(id) };
  }

  async #look(id: string): Promise<SlackUser> {
    const known = this.#known.get(id);
    if (known && this.#now() - known.at < KEEP) return known.user;
    const { user } = await this.#client.users.info({ user: id });
    if (!user) throw new Error(`Slack knows no user ${id}`);
    this.#known.set(id, { at: this.#now(), user: user as SlackUser });
    return user as SlackUser;
  }
}
