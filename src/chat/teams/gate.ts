import type { Refusal } from "../../flows/ports.ts";
import { baseOf, type IncomingActivity } from "./activity.ts";

export interface GateRules {
  /** Tenants whose people may speak to Vigil. */
  readonly tenants: ReadonlySet<string>;
  /** Hosts (with their port, where there is one) that activities may come from and answers go to. */
  readonly serviceHosts: readonly string[];
}

/** Where Teams' services live: worldwide, and the clouds of the US government. */
export const SERVICE_HOSTS: readonly string[] = [
  "smba.trafficmanager.net",
  "smba.infra.gcc.teams.microsoft.com",
  "smba.infra.gov.teams.microsoft.us",
  "smba.infra.dod.teams.microsoft.us",
];

/** Why an activity is not heard although its token is good, or null. */
export function refusalOf(activity: IncomingActivity, rules: GateRules): Pick<Refusal, "kind" | "reason"> | null {
  const refused = (reason: string) => ({ kind: "refused" as const, reason });
  if (activity.channelId !== "msteams") return refused(`channel ${activity.channelId} is not Teams`);
  const named = [activity.conversation.tenantId, activity.channelData?.tenant?.id].filter((tenant) => typeof tenant === "string");
  if (named.length === 0) return refused("no tenant is named");
  const foreign = named.find((tenant) => !rules.tenants.has(tenant));
  if (foreign !== undefined) return { kind: "foreign_workspace", reason: `tenant ${foreign} is not allowed` };
  if (!serviceAllowed(activity.serviceUrl ?? "", rules.serviceHosts))
    return refused(`serviceUrl ${activity.serviceUrl} is not allowed`);
  return null;
}

/** HTTPS to a listed host. Plain HTTP only to loopback, and only where that is listed by name and port. */
export function serviceAllowed(serviceUrl: string, hosts: readonly string[]): boolean {
  let url: URL;
  try {
    url = new URL(serviceUrl);
  } catch {
    return false;
  }
  if (url.username || url.password || url.search || url.hash) return false;
  const listed = hosts.includes(url.host);
  if (url.protocol === "https:") return listed;
  return url.protocol === "http:" && listed && isLoopback(url.hostname);
}

export const isLoopback = (host: string): boolean => ["127.0.0.1", "localhost", "::1", "[::1]"].includes(host);

const WINDOW = 3_600_000;
const MOST_AUDITED = 60;

/** Audits what is refused, but lets no stranger fill the audit: after sixty in an hour it only counts. */
export class Refusals {
  readonly #audit: (refusal: Refusal) => Promise<void>;
  readonly #now: () => number;
  #since = 0;
  #count = 0;

  constructor(audit: (refusal: Refusal) => Promise<void>, now: () => number) {
    this.#audit = audit;
    this.#now = now;
  }

  async record({ kind, reason }: Pick<Refusal, "kind" | "reason">, activity: IncomingActivity | null): Promise<void> {
    const at = this.#now();
    if (at - this.#since > WINDOW) {
      this.#since = at;
      this.#count = 0;
    }
    this.#count += 1;
    if (this.#count > MOST_AUDITED) return;
    const last = this.#count === MOST_AUDITED ? "; further ones of this hour are only counted" : "";
    await this.#audit({
      kind,
      actor: `teams:${(activity?.from?.aadObjectId ?? activity?.from?.id ?? "unknown").slice(0, 100)}`,
      subject: activity ? baseOf(activity.conversation.id).slice(0, 200) : "request",
      reason: `${reason.slice(0, 500)}${last}`,
    });
  }
}
