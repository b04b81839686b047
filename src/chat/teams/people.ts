import type { ChatUser } from "../../flows/ports.ts";
import { plain } from "../text.ts";
import { baseOf, type IncomingActivity } from "./activity.ts";
import type { Connector, Member, Place } from "./connector.ts";

const KEEP = 60_000;
const ROSTER = 300_000;

export type Person = { readonly ok: true; readonly user: ChatUser } | { readonly ok: false; readonly refusal: string };

/** Who people are. Known by their Entra object id; looked up in the conversation's roster, kept for a minute; whoever cannot be checked may not decide. */
export class People {
  readonly #connector: Connector;
  readonly #tenants: ReadonlySet<string>;
  readonly #now: () => number;
  readonly #known = new Map<string, { readonly at: number; readonly member: Member }>();
  readonly #rosters = new Map<string, { readonly at: number; readonly members: readonly Member[] }>();

  constructor(connector: Connector, tenants: ReadonlySet<string>, now: () => number) {
    this.#connector = connector;
    this.#tenants = tenants;
    this.#now = now;
  }

  /** Who sent an activity, by what Teams signed. */
  sender({ from }: IncomingActivity): ChatUser {
    const id = from?.aadObjectId ?? from?.id ?? "unknown";
    return { surface: "teams", id, name: plain(from?.name ?? id, 80) };
  }

  /** Someone who may decide at all: a person of an allowed tenant who is a full member of this conversation. */
  async member(activity: IncomingActivity, place: Place): Promise<Person> {
    const { from } = activity;
    if (!from || isBot(from)) return { ok: false, refusal: "Bots do not decide; nothing was done." };
    if (!from.aadObjectId) return { ok: false, refusal: "Teams does not say who you are, so the answer is no." };
    let member: Member;
    try {
      member = await this.#look(place, from.id);
    } catch {
      return { ok: false, refusal: "I cannot check who you are, so the answer is no. Try again in a moment." };
    }
    if (member.guest) return { ok: false, refusal: "Guests do not decide; nothing was done." };
    if (member.tenantId !== null && !this.#tenants.has(member.tenantId))
      return { ok: false, refusal: "People of other organisations do not decide here; nothing was done." };
    if (member.aadObjectId !== from.aadObjectId)
      return { ok: false, refusal: "Your identity does not match the roster; nothing was done." };
    return { ok: true, user: { ...this.sender(activity), name: plain(from.name || member.name || from.aadObjectId, 80) } };
  }

  /** Members of a conversation, kept for five minutes. */
  async roster(place: Place): Promise<readonly Member[]> {
    const key = baseOf(place.conversation);
    const known = this.#rosters.get(key);
    if (known && this.#now() - known.at < ROSTER) return known.members;
    const members = await this.#connector.members({ ...place, conversation: key });
    this.#rosters.set(key, { at: this.#now(), members });
    return members;
  }

  async #look(place: Place, id: string): Promise<Member> {
    const conversation = baseOf(place.conversation);
    const key = `${conversation} ${id}`;
    const known = this.#known.get(key);
    if (known && this.#now() - known.at < KEEP) return known.member;
    const member = await this.#connector.member({ ...place, conversation }, id);
    this.#known.set(key, { at: this.#now(), member });
    return member;
  }
}

/** Bots' Teams ids begin with 28. */
export const isBot = (account: { readonly id: string; readonly role?: string | null | undefined }): boolean =>
  account.role === "bot" || account.role === "skill" || account.id.startsWith("28:");
