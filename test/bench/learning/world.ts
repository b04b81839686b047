import { DEFAULT_NAMES, type Role } from "../../../src/demo/shop.ts";
import type { CauseKind } from "../../../src/domain/investigation.ts";
import type { ServiceName } from "../../../src/domain/telemetry.ts";
import { DAY, type EpochMs, HOUR, MINUTE, type Milliseconds } from "../../../src/domain/time.ts";
import type { Chance } from "../../../src/flows/eval/random.ts";
import type { Effect, ScenarioChange, World, WorldService } from "../../../src/flows/eval/scenario.ts";

/** Something that moves telemetry for a while. Incidents have a cause; a blip has none and needs nobody. */
export interface Happening {
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly effects: readonly Omit<Effect, "from" | "to">[];
}

export interface PlannedIncident extends Happening {
  readonly id: number;
  /** Null for a kind that comes once. */
  readonly family: string | null;
  /** 1 for the first of its family. */
  readonly occurrence: number;
  readonly truth: { readonly kinds: readonly CauseKind[]; readonly service: ServiceName | null; readonly subject: string | null };
  /** `at` is relative to the beginning of the trouble. */
  readonly changes: readonly ScenarioChange[];
  readonly logs: readonly { readonly service: ServiceName; readonly severity: "WARN"; readonly text: string }[];
  /** What a person would type. */
  readonly inWords: { readonly truth: string; readonly rival: string };
}

const { services: NAME } = DEFAULT_NAMES;
const POOL = DEFAULT_NAMES.metrics.poolInUse;
const role = (own: number, calls: Partial<Record<Role, number>>, rate = 0): [number, Partial<Record<Role, number>>, number] => [
  own,
  calls,
  rate,
];

/** The demo shop's services, their own times in milliseconds and their calls. */
const SHOP: Readonly<Record<Role, [number, Partial<Record<Role, number>>, number]>> = {
  storefront: role(25, { api: 1 }, 20),
  api: role(15, { catalog: 0.6, cart: 0.25, checkout: 0.15 }),
  catalog: role(18, { cache: 1, database: 0.08 }),
  cart: role(12, { cache: 1, database: 0.08 }),
  checkout: role(20, { payments: 1, inventory: 1, database: 1 }),
  payments: role(60, {}),
  inventory: role(10, { database: 0.5 }),
  database: role(12, {}),
  cache: role(1, {}),
};

/** @param traces false where nobody sends traces, so that only timing and experience tell two changes apart */
export function shopServices(traces: boolean): Record<ServiceName, WorldService> {
  return Object.fromEntries(
    (Object.keys(SHOP) as Role[]).map((one) => {
      const [own, calls, rate] = SHOP[one];
      return [
        NAME[one],
        {
          own,
          spread: 0.4,
          rate,
          calls: Object.fromEntries(Object.entries(calls).map(([callee, share]) => [NAME[callee as Role], share])),
          errors: 0.002,
          version: "1.0.0",
          gauges: one === "database" || one === "payments" ? { [POOL]: { level: 40, unit: "1", load: 0.3 } } : {},
          reports: traces ? ["metrics", "traces", "logs"] : ["metrics", "logs"],
        },
      ] as const;
    }),
  );
}

export const worldOf = (seed: number, traces: boolean, history: Milliseconds, effects: readonly Effect[]): World => ({
  seed,
  history,
  day: 0.35,
  services: shopServices(traces),
  effects: [...effects],
  logs: [],
});

const pick = <T>(random: Chance, list: readonly T[]): T => list[Math.floor(random.uniform() * list.length)] as T;
const between = (random: Chance, low: number, high: number): number => low + random.uniform() * (high - low);

const ADJECTIVES = ["new", "fast", "lazy", "smart", "shared", "wide", "early", "batched", "adaptive", "compact", "deep", "warm"];
const NOUNS = [
  "facets",
  "keys",
  "quotes",
  "totals",
  "reads",
  "prices",
  "lookup",
  "layout",
  "sorting",
  "preload",
  "bundles",
  "search",
];
const TOLD: Readonly<Record<"flag" | "deploy" | "config", readonly string[]>> = {
  flag: [
    "next step of the rollout",
    "more of the traffic gets it",
    "ramped after a calm weekend",
    "canary looked fine, widening",
    "experiment goes to everybody in Europe",
  ],
  deploy: [
    "small fixes",
    "dependency bumps and a refactoring",
    "the next minor version",
    "cleans up the request path",
    "brings the code of this sprint",
  ],
  config: ["tuned by the platform team", "new defaults", "aligned with the other regions", "raised after the capacity review"],
};

const selfWords = (kind: CauseKind, service: ServiceName): string =>
  kind === "traffic"
    ? `far more traffic than usual, a campaign`
    : kind === "resource"
      ? `${service} had no free connections in its pool`
      : `the provider behind ${service} was slow`;

const WAITING = [
  "no free connection after {n} ms",
  "gave up waiting for a connection, {n} in the queue",
  "peer answered late, attempt {n}",
  "request {n} timed out at the far end",
];

function change(random: Chance, kind: "flag" | "deploy" | "config", service: ServiceName, at: Milliseconds): ScenarioChange {
  const named = `${pick(random, ADJECTIVES)}-${pick(random, NOUNS)}-${Math.floor(random.uniform() * 900 + 100)}`;
  const major = Math.floor(between(random, 2, 30));
  const base = {
    kind,
    services: [service],
    at,
    share: 1,
    actor: pick(random, ["ada", "ben", "chen", "dora", "emil"]),
    summary: pick(random, TOLD[kind]),
  };
  return kind === "flag"
    ? {
        ...base,
        subject: named,
        before: `${Math.floor(between(random, 0, 5))}%`,
        after: `${Math.floor(between(random, 25, 100))}%`,
      }
    : kind === "deploy"
      ? { ...base, subject: service, before: `${major}.${Math.floor(between(random, 0, 9))}.1`, after: `${major + 1}.0.0` }
      : { ...base, subject: `${service}-${pick(random, NOUNS)}`, before: String(major * 10), after: String(major * 30) };
}

interface Family {
  readonly name: string;
  readonly service: Role;
  readonly kind: CauseKind;
  /** A change that does nothing and comes at the same time. */
  readonly rival: { readonly kind: "flag" | "deploy" | "config"; readonly service: Role } | null;
}

/** What keeps coming back in this shop: in other words, with other names, other sizes, at other hours. */
const FAMILIES: readonly Family[] = [
  { name: "catalog flags", service: "catalog", kind: "flag", rival: { kind: "deploy", service: "catalog" } },
  { name: "checkout releases", service: "checkout", kind: "deploy", rival: { kind: "flag", service: "checkout" } },
  { name: "cart settings", service: "cart", kind: "config", rival: { kind: "flag", service: "cart" } },
  { name: "payment provider", service: "payments", kind: "dependency", rival: { kind: "deploy", service: "payments" } },
  { name: "database pool", service: "database", kind: "resource", rival: { kind: "deploy", service: "inventory" } },
  { name: "campaign traffic", service: "storefront", kind: "traffic", rival: { kind: "flag", service: "storefront" } },
];
const EVERY_DAYS = 24;
const ONCE_A_YEAR = 36;
const ROLES = Object.keys(SHOP) as Role[];
const SELF: readonly CauseKind[] = ["dependency", "resource"];

function incidentOf(
  random: Chance,
  id: number,
  from: EpochMs,
  family: Family,
  name: string | null,
  occurrence: number,
): PlannedIncident {
  const service = NAME[family.service];
  const changed = family.kind === "flag" || family.kind === "deploy" || family.kind === "config";
  const lead = -between(random, 1, 6) * MINUTE;
  const guilty = changed ? change(random, family.kind as "flag", service, lead) : null;
  const rival =
    family.rival &&
    change(random, family.rival.kind, NAME[family.rival.service], guilty ? lead + between(random, -1, 1) * MINUTE : lead);
  const elsewhere = change(
    random,
    pick(random, ["flag", "deploy"] as const),
    NAME[pick(random, ROLES)],
    -between(random, 3, 20) * HOUR,
  );
  const size = between(random, 1.7, 2.6);
  const errors = family.kind === "deploy" && random.uniform() < 0.6;
  const effect: Omit<Effect, "from" | "to"> =
    family.kind === "traffic"
      ? { service, rate: between(random, 1.5, 2.2) }
      : {
          service,
          ...(errors ? { errors: between(random, 0.03, 0.08) } : { latency: size }),
          ...(family.service === "database" || family.service === "payments"
            ? changed
              ? {}
              : { gauges: { [POOL]: between(random, 1.6, 2.2) } }
            : {}),
        };
  const says = (one: ScenarioChange | null) =>
    one ? `the ${one.kind} ${one.subject} in ${one.services?.[0]}` : selfWords(family.kind, service);
  return {
    id,
    family: name,
    occurrence,
    from,
    to: from + between(random, 90, 240) * MINUTE,
    effects: [effect],
    truth: {
      kinds: changed ? [family.kind] : SELF.includes(family.kind) ? SELF : [family.kind],
      service: family.kind === "traffic" ? null : service,
      subject: guilty?.subject ?? null,
    },
    logs: changed || family.kind === "traffic" ? [] : [{ service, severity: "WARN", text: pick(random, WAITING) }],
    changes: [guilty, rival, elsewhere].filter((one) => one !== null),
    inWords: { truth: `it was ${says(guilty)}`, rival: `it was ${says(rival)}` },
  };
}

/** A change that does nothing, on an ordinary day. */
export interface RoutineChange {
  readonly at: EpochMs;
  readonly change: ScenarioChange;
}

export interface Year {
  readonly incidents: readonly PlannedIncident[];
  readonly blips: readonly Happening[];
  /** Every service is changed about once a day, whatever else happens: now and then just before a blip. Oldest first. */
  readonly routine: readonly RoutineChange[];
}

/** Plans a year: recurring families, kinds that come once, blips that heal by themselves on services that are known for them, and everyday changes. */
export function planYear(random: Chance, start: EpochMs, days: number): Year {
  const planned: { at: EpochMs; family: Family; name: string | null; occurrence: number }[] = [];
  for (const family of FAMILIES) {
    let occurrence = 0;
    for (let day = between(random, 3, EVERY_DAYS); day < days - 1; day += EVERY_DAYS * between(random, 0.6, 1.4))
      planned.push({ at: start + day * DAY, family, name: family.name, occurrence: ++occurrence });
  }
  for (let index = 0; index < (ONCE_A_YEAR * days) / 365; index++) {
    const kind = pick(random, ["flag", "deploy", "config", "resource", "dependency"] as const);
    const service = pick(
      random,
      ROLES.filter((one) => one !== "cache"),
    );
    const rival =
      random.uniform() < 0.5
        ? {
            kind: pick(
              random,
              (["flag", "deploy", "config"] as const).filter((one) => one !== kind),
            ),
            service,
          }
        : null;
    planned.push({
      at: start + between(random, 1, days - 1) * DAY,
      family: { name: "new", service, kind, rival },
      name: null,
      occurrence: 1,
    });
  }
  planned.sort((a, b) => a.at - b.at);
  const incidents: PlannedIncident[] = [];
  for (const { at, family, name, occurrence } of planned) {
    const from = Math.max(at, (incidents.at(-1)?.to ?? 0) + 3 * HOUR);
    incidents.push(incidentOf(random, incidents.length, Math.round(from / MINUTE) * MINUTE, family, name, occurrence));
  }
  // What twitches moves about: each place for eight weeks, three at a time.
  const places = [NAME.inventory, NAME.cart, NAME.payments, NAME.catalog, NAME.checkout, NAME.database];
  const blips: Happening[] = [];
  for (let at = start + between(random, 0, 1) * DAY; at < start + (days - 1) * DAY; at += between(random, 0.4, 1.6) * DAY) {
    const from = Math.round(at / MINUTE) * MINUTE;
    const to = from + between(random, 12, 32) * MINUTE;
    if (incidents.some((one) => from < one.to + 3 * HOUR && to > one.from - 3 * HOUR)) continue;
    const season = Math.floor((at - start) / (56 * DAY));
    const service = places[(season + Math.floor(random.uniform() * 3)) % places.length] as ServiceName;
    blips.push({ from, to, effects: [{ service, latency: between(random, 2.5, 6) }] });
  }
  const routine: RoutineChange[] = [];
  for (let at = start - DAY; at < start + days * DAY; at += between(random, 0, 2 / ROLES.length) * DAY)
    routine.push({
      at: Math.round(at),
      change: change(random, pick(random, ["flag", "deploy", "config"] as const), NAME[pick(random, ROLES)], 0),
    });
  return { incidents, blips, routine };
}
