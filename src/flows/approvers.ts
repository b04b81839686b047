import type { OnCallPerson, OnCallSource } from "../domain/oncall.ts";
import type { Proposal } from "../domain/proposal.ts";
import type { ServiceName } from "../domain/telemetry.ts";
import type { EpochMs, Milliseconds } from "../domain/time.ts";

/** Who may approve on one chat platform. A person who fits any of the rules may; no rule at all means nobody. */
export interface ApproverRules {
  /** For a surface that only the operator can reach. */
  readonly everyone?: boolean;
  readonly users: ReadonlySet<string>;
  /** Members of the configured groups. @throws when they cannot be read */
  readonly members?: () => Promise<ReadonlySet<string>>;
  /** Whoever is on call for the service; `id` is what the platform calls a person, or null. */
  readonly onCall?: { readonly source: OnCallSource; readonly id: (person: OnCallPerson) => string | null };
}

export interface ApproverOptions {
  readonly rules: Readonly<Record<string, ApproverRules>>;
  readonly now: () => EpochMs;
  /** How long what was looked up counts; at most a minute, so that whoever is removed stays out. */
  readonly keep?: Milliseconds;
  readonly timeout?: Milliseconds;
}

const KEEP = 60_000;
/** Within the three seconds that chat platforms give an acknowledgement. */
const TIMEOUT = 2_000;

/**
 * Says who may approve. Fails closed: a platform without rules has no approvers, and a lookup that fails or takes too long rejects, unless
 * another rule has said yes already. On call is asked for the proposal's own service; a proposal whose service is not known has nobody on call.
 */
export class Approvers {
  readonly #options: ApproverOptions;
  readonly #kept = new Map<string, { readonly at: EpochMs; readonly ids: Promise<ReadonlySet<string>> }>();

  constructor(options: ApproverOptions) {
    this.#options = options;
  }

  /** `actor` is `surface:id`; null asks without a proposal, for lifting the stop. @throws when it cannot be told */
  async mayApprove(actor: string, proposal: Proposal | null): Promise<boolean> {
    const split = actor.indexOf(":");
    const surface = actor.slice(0, split);
    const id = actor.slice(split + 1);
    const rules = this.#options.rules[surface];
    if (split < 1 || !id || !rules) return false;
    if (rules.everyone || rules.users.has(id)) return true;
    const lookups: Promise<ReadonlySet<string>>[] = [];
    if (rules.members) lookups.push(this.#look(`${surface} group`, rules.members));
    const { onCall } = rules;
    const service = proposal ? serviceOf(proposal) : null;
    if (onCall && (service !== null || proposal === null)) {
      lookups.push(
        this.#look(`${surface} on call for ${service ?? "anything"}`, async () => {
          const people = await onCall.source.onCall(service, this.#options.now());
          return new Set(people.map(onCall.id).filter((one) => one !== null));
        }),
      );
    }
    const answers = await Promise.allSettled(lookups);
    if (answers.some((answer) => answer.status === "fulfilled" && answer.value.has(id))) return true;
    const failed = answers.find((answer) => answer.status === "rejected");
    if (failed) throw failed.reason;
    return false;
  }

  #look(key: string, read: () => Promise<ReadonlySet<string>>): Promise<ReadonlySet<string>> {
    const { now, keep = KEEP, timeout = TIMEOUT } = this.#options;
    const known = this.#kept.get(key);
    if (known && now() - known.at < Math.min(keep, KEEP) && now() >= known.at) return known.ids;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_done, failed) => {
      timer = setTimeout(() => failed(new Error(`who is ${key} was not answered within ${timeout} ms`)), timeout);
    });
    const ids = Promise.race([read(), late]).finally(() => clearTimeout(timer));
    this.#kept.set(key, { at: now(), ids });
    // What failed is asked again the next time.
    ids.catch(() => this.#kept.delete(key));
    return ids;
  }
}

/** The service that is acted upon, else the one on which the effect is verified. */
function serviceOf({ criterion, target, services }: Proposal): ServiceName | null {
  // What is acted upon comes first: which signal is watched is the model's wish, and must not choose who may approve.
  return /^(?:service|deploy|workload):(.+)$/.exec(target)?.[1] ?? services?.[0] ?? criterion?.service ?? null;
}
