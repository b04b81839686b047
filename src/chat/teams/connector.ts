import { z } from "zod";
import type { IncomingActivity, JsonObject, OutgoingActivity } from "./activity.ts";
import { TeamsError } from "./pace.ts";

/** A conversation, and the service that it is reached by. */
export interface Place {
  readonly serviceUrl: string;
  readonly conversation: string;
}

export const placeOf = ({ serviceUrl, conversation }: IncomingActivity): Place => ({
  serviceUrl: serviceUrl ?? "",
  conversation: conversation.id,
});

const memberSchema = z.object({
  id: z.string(),
  name: z.string().nullish(),
  aadObjectId: z.string().nullish(),
  /** The Playground and older services call the object id so. */
  objectId: z.string().nullish(),
  tenantId: z.string().nullish(),
  userRole: z.string().nullish(),
});

export interface Member {
  /** Teams' own id, `29:…`; what `refresh.userIds` takes. */
  readonly id: string;
  readonly name: string;
  /** Entra object id; null for bots and people who joined by a link. */
  readonly aadObjectId: string | null;
  readonly tenantId: string | null;
  readonly guest: boolean;
}

/** Teams as a place to write to: the part of the Bot Connector's REST interface that Vigil uses. */
export interface Connector {
  /** Sends into a conversation or its thread; returns the message's id. */
  send(to: Place, activity: OutgoingActivity): Promise<string>;
  /** Begins a thread in a channel; returns the thread's conversation and its first message. */
  open(to: Place, activity: OutgoingActivity): Promise<{ readonly conversation: string; readonly id: string }>;
  update(to: Place, id: string, activity: OutgoingActivity): Promise<void>;
  member(to: Place, id: string): Promise<Member>;
  /** At most `MOST_MEMBERS`. */
  members(to: Place): Promise<readonly Member[]>;
}

const MOST_MEMBERS = 1_000;
const TIMEOUT = 10_000;
const PASSING = new Set([412, 429, 502, 504]);

const idOf = z.object({ id: z.string().nullish() }).catch({});
const openedOf = z.object({ id: z.string(), activityId: z.string().nullish() });
const errorOf = z
  .object({ error: z.object({ code: z.string().max(100).nullish(), message: z.string().nullish() }).nullish() })
  .catch({});

/** What an operator should do about an error code of Teams. */
const REMEDIES: Readonly<Record<string, string>> = {
  BotNotInConversationRoster: "Add the app to that team or chat.",
  ConversationNotFound: "Check teams.channel; the channel may be deleted.",
  BotDisabledByAdmin: "A Teams administrator has blocked the app; ask for it to be allowed.",
  ConversationBlockedByUser: "The person has blocked the app.",
  ForbiddenOperationException: "Add the app to that team or chat.",
  Unauthorized: "Check TEAMS_APP_ID, TEAMS_APP_SECRET and TEAMS_TENANT_ID.",
  MessageSizeTooBig: "The message is too large for Teams.",
};

/**
 * The Bot Connector over HTTPS. A call ends after ten seconds, follows no redirect, and is tried once: what lost its answer may have been
 * done, and the callers know better than this whether to try again.
 */
export function httpConnector(options: {
  /** The bearer token for Teams, or null where none is wanted. */
  readonly token: () => Promise<string | null>;
  /** Application id, which Teams knows the bot by. */
  readonly appId: string | null;
  readonly timeout?: number;
}): Connector {
  const { token, appId, timeout = TIMEOUT } = options;
  /** Every activity says who speaks and where, as the interface documents it. */
  const stamped = (to: Place, activity: OutgoingActivity): JsonObject => ({
    ...(activity as unknown as JsonObject),
    ...(appId ? { from: { id: `28:${appId}`, name: "Vigil" } } : {}),
    conversation: { id: to.conversation },
  });

  async function call(method: "GET" | "POST" | "PUT", to: Place, path: string, body?: JsonObject): Promise<unknown> {
    let response: Response;
    try {
      const bearer = await token();
      response = await fetch(`${to.serviceUrl.replace(/\/*$/, "/")}v3/conversations${path}`, {
        method,
        headers: {
          accept: "application/json",
          ...(body ? { "content-type": "application/json; charset=utf-8" } : {}),
          ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
        redirect: "error",
        signal: AbortSignal.timeout(timeout),
      });
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const why = cause instanceof Error ? cause.message || cause.name : String(cause);
      throw new TeamsError(`Teams could not be reached: ${why}`, "later", { passing: false, status: null, cause: error });
    }
    const text = await response.text().catch(() => "");
    const json = jsonOf(text);
    if (response.ok) return json;
    throw refusedBy(response, json, method);
  }

  const conversation = (id: string) => `/${encodeURIComponent(id)}`;
  return {
    send: async (to, activity) => {
      const path = `${conversation(to.conversation)}/activities`;
      return idOf.parse(await call("POST", to, path, stamped(to, activity))).id ?? "";
    },
    open: async (to, activity) => {
      const answer = await call("POST", to, "", {
        isGroup: true,
        channelData: { channel: { id: to.conversation } },
        activity: stamped(to, activity),
      });
      const opened = openedOf.parse(answer);
      return { conversation: opened.id, id: opened.activityId ?? /;messageid=([^;]+)/.exec(opened.id)?.[1] ?? opened.id };
    },
    update: async (to, id, activity) => {
      await call("PUT", to, `${conversation(to.conversation)}/activities/${encodeURIComponent(id)}`, stamped(to, activity));
    },
    member: async (to, id) =>
      memberFrom(memberSchema.parse(await call("GET", to, `${conversation(to.conversation)}/members/${encodeURIComponent(id)}`))),
    members: async (to) => {
      const found: Member[] = [];
      let next: string | null = null;
      do {
        const query: string = next ? `?pageSize=500&continuationToken=${encodeURIComponent(next)}` : "?pageSize=500";
        const page = z
          .object({ members: z.array(memberSchema), continuationToken: z.string().nullish() })
          .parse(await call("GET", to, `${conversation(to.conversation)}/pagedmembers${query}`));
        found.push(...page.members.map(memberFrom));
        next = page.continuationToken || null;
      } while (next && found.length < MOST_MEMBERS);
      return found;
    },
  };
}

function memberFrom({ id, name, aadObjectId, objectId, tenantId, userRole }: z.output<typeof memberSchema>): Member {
  return {
    id,
    name: name ?? "",
    aadObjectId: aadObjectId ?? objectId ?? null,
    tenantId: tenantId ?? null,
    guest: userRole === "guest" || userRole === "anonymous",
  };
}

function jsonOf(text: string): unknown {
  try {
    return text ? JSON.parse(text) : {};
  } catch {
    return {};
  }
}

function refusedBy(response: Response, json: unknown, method: string): TeamsError {
  const { status } = response;
  const { code, message } = errorOf.parse(json).error ?? {};
  const remedy =
    REMEDIES[code ?? ""] ?? (status === 401 ? REMEDIES.Unauthorized : status === 413 ? REMEDIES.MessageSizeTooBig : "");
  const words =
    `Teams answered ${status}${code ? ` ${code}` : ""}${message ? `: ${message.slice(0, 200)}` : ""}. ${remedy}`.trim();
  const seconds = Number(response.headers.get("retry-after"));
  const retryAfter = Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : null;
  const gone = method === "PUT" && (status === 404 || status === 405);
  const passing = PASSING.has(status);
  const kind = gone ? "gone" : passing || status >= 500 || status === 408 ? "later" : "never";
  return new TeamsError(words, kind, { passing, status, retryAfter });
}
