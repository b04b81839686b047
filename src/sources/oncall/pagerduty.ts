import { z } from "zod";
import type { OnCallPerson, OnCallSource } from "../../domain/oncall.ts";
import { SourceError } from "../../domain/telemetry.ts";
import type { EpochMs } from "../../domain/time.ts";
import { ApiError, JsonApi } from "../../targets/json-api.ts";

export interface PagerDutyOnCallOptions {
  /** REST API key; a read-only one is enough. */
  readonly token: string;
  /** `https://api.pagerduty.com`, or `https://api.eu.pagerduty.com`. */
  readonly url: string;
  /** Schedules to look at by service; `*` for every other service. Without any, all on-calls of the account count. */
  readonly schedules: Readonly<Record<string, readonly string[]>>;
}

const reference = z.object({ id: z.string(), summary: z.string().nullish() });
const page = z.object({
  oncalls: z.array(
    z.object({
      user: reference.extend({ name: z.string().nullish(), email: z.string().nullish() }),
      schedule: reference.nullish(),
      escalation_policy: reference,
      escalation_level: z.int(),
      end: z.string().nullish(),
    }),
  ),
  more: z.boolean().default(false),
});

const PAGE = 100;
/** More are a sign that no schedule was configured; nobody calls five hundred people. */
const MOST_PAGES = 5;

/** PagerDuty's `GET /oncalls`, https://developer.pagerduty.com/api-reference/3a6b910f11050-list-all-of-the-on-calls */
export class PagerDutyOnCall implements OnCallSource {
  readonly #api: JsonApi;
  readonly #schedules: PagerDutyOnCallOptions["schedules"];

  constructor({ token, url, schedules }: PagerDutyOnCallOptions) {
    this.#schedules = schedules;
    this.#api = new JsonApi({
      name: "PagerDuty",
      url,
      headers: { authorization: `Token token=${token}`, accept: "application/vnd.pagerduty+json;version=2" },
      keys: { url: "onCall.pagerDuty.apiUrl", token: "onCall.pagerDuty.token" },
    });
  }

  async onCall(service: string | null, at: EpochMs): Promise<readonly OnCallPerson[]> {
    const all = [...new Set(Object.values(this.#schedules).flat())];
    const wanted = service === null ? all : (this.#schedules[service] ?? this.#schedules["*"] ?? all);
    const since = new Date(at).toISOString();
    const until = new Date(at + 1_000).toISOString();
    const query = { "include[]": "users", since, until, limit: String(PAGE) };
    try {
      const found = wanted.length === 0 ? [await this.#list(query)] : [];
      for (const schedule of wanted) found.push(await this.#list({ ...query, "schedule_ids[]": schedule }));
      return distinct(found.flat()).sort((a, b) => a.level - b.level);
    } catch (error) {
      if (error instanceof ApiError) throw new SourceError(error.message, { cause: error });
      throw error;
    }
  }

  async #list(query: Readonly<Record<string, string>>): Promise<OnCallPerson[]> {
    const people: OnCallPerson[] = [];
    for (let at = 0; at < MOST_PAGES; at++) {
      const answer = page.safeParse(await this.#api.get(["oncalls"], { query: { ...query, offset: String(at * PAGE) } }));
      if (!answer.success) {
        const [fault] = answer.error.issues;
        throw new SourceError(
          `PagerDuty answered /oncalls in an unknown shape (${fault?.path.join(".")}); check onCall.pagerDuty.apiUrl.`,
        );
      }
      people.push(
        ...answer.data.oncalls.map(({ user, schedule, escalation_policy, escalation_level, end }) => ({
          name: user.name ?? user.summary ?? user.id,
          schedule: schedule?.summary ?? escalation_policy.summary ?? escalation_policy.id,
          until: end ? Date.parse(end) : null,
          email: user.email ?? null,
          slackId: null,
          level: escalation_level,
        })),
      );
      if (!answer.data.more) break;
    }
    return people;
  }
}

/** A person stands in every escalation policy that uses the schedule: each once, at the first level. */
function distinct(people: readonly OnCallPerson[]): OnCallPerson[] {
  const kept = new Map<string, OnCallPerson>();
  for (const person of people) {
    const key = `${person.email ?? person.name}|${person.schedule}`;
    const before = kept.get(key);
    if (!before || person.level < before.level) kept.set(key, person);
  }
  return [...kept.values()];
}
