import { DAY, type EpochMs, HOUR, MINUTE } from "../domain/time.ts";
import { autoregressive, normalCdf, poisson } from "./random.ts";
import { CALLS, type Role } from "./shop.ts";

export type CohortName = "live" | "test";
const COHORTS: readonly CohortName[] = ["live", "test"];

/** What the world is like in one minute; the simulator reads nothing else. */
export interface Conditions {
  /** Share of each cohort's requests that get the harmful flag's new behaviour, 0 to 1. */
  readonly flagShare: Readonly<Record<CohortName, number>>;
  /** Extra failed share that a running version brings, by role. */
  readonly releaseErrors: Readonly<Partial<Record<Role, number>>>;
  /** How far a leak has filled the pool to the card network, 0 to 1. */
  readonly poolLeak: number;
  /** Factor on the database's query time. */
  readonly databaseFactor: number;
}

export const HEALTHY: Conditions = { flagShare: { live: 0, test: 0 }, releaseErrors: {}, poolLeak: 0, databaseFactor: 1 };

export interface Requests {
  readonly count: number;
  readonly failed: number;
  /** Mean duration in milliseconds. */
  readonly mean: number;
}

/** One minute of the shop. Durations are milliseconds. */
export interface MinuteOfShop {
  readonly at: EpochMs;
  readonly requests: Readonly<Record<Role, Readonly<Record<CohortName, Requests>>>>;
  readonly gauges: {
    readonly hitRatio: Readonly<Record<"catalog" | "cart", number>>;
    readonly poolInUse: number;
    readonly poolWaiting: number;
    readonly cpu: Readonly<Record<Role, number>>;
    readonly memory: Readonly<Record<Role, number>>;
  };
  /** Mean database query time, for logs and spans. */
  readonly queryTime: number;
}

/** Requests served by a role take this long by themselves, in milliseconds. */
const OWN_TIME: Readonly<Record<Role, number>> = {
  storefront: 25,
  api: 15,
  catalog: 18,
  cart: 12,
  checkout: 20,
  payments: 60,
  inventory: 10,
  database: 12,
  cache: 1,
};
const ROLES = Object.keys(OWN_TIME) as Role[];

const MISS = 0.08;
const MISS_WITH_NEW_KEYS = 0.95;
/** A miss costs a query and the assembling of what was not there. */
const ASSEMBLE = 14;
const BASE_ERRORS = 0.002;
const TEST_SHARE = 0.2;
const BASE_RATE = 40;

/** Requests a second at the storefront, before noise: two daily humps, quieter weekends. */
export function expectedRate(at: EpochMs): number {
  const hour = (at % DAY) / HOUR;
  const daily = 1 + 0.42 * Math.sin(((hour - 9) / 24) * 2 * Math.PI) + 0.12 * Math.sin(((hour - 4) / 12) * 2 * Math.PI);
  const day = new Date(at).getUTCDay();
  return BASE_RATE * daily * (day === 0 || day === 6 ? 0.8 : 1);
}

/**
 * The shop's causal model. Misses of the look-aside cache become database queries; queries slow the database for everybody; a slow or
 * failing callee makes its caller slow or failing. Residuals of each role are autocorrelated (lag one 0.3, about 3 %).
 */
export class Shop {
  readonly #random: () => number;
  readonly #rateNoise: () => number;
  readonly #noise: Readonly<Record<Role, () => number>>;
  readonly #cohortNoise: Readonly<Record<Role, () => number>>;

  constructor(random: () => number) {
    this.#random = random;
    this.#rateNoise = autoregressive(random, 0.03, 0.3);
    const each = (deviation: number) =>
      Object.fromEntries(ROLES.map((role) => [role, autoregressive(random, deviation, 0.3)])) as Record<Role, () => number>;
    this.#noise = each(0.028);
    this.#cohortNoise = each(0.012);
  }

  minute(at: EpochMs, conditions: Conditions): MinuteOfShop {
    const rate = expectedRate(at) * (1 + this.#rateNoise());
    const noise = Object.fromEntries(ROLES.map((role) => [role, 1 + this.#noise[role]()])) as Record<Role, number>;
    const shareOf = (cohort: CohortName) => (cohort === "test" ? TEST_SHARE : 1 - TEST_SHARE);
    const missOf = (cohort: CohortName) => MISS + (MISS_WITH_NEW_KEYS - MISS) * conditions.flagShare[cohort];
    const meanMiss = COHORTS.reduce((sum, cohort) => sum + shareOf(cohort) * missOf(cohort), 0);

    // Queries per request at the api, against what they are in health: the database serves everybody, so everybody waits.
    const queries = (miss: number) => 0.6 * miss + 0.25 * MISS + 0.15 * 1.5;
    const load = queries(meanMiss) / queries(MISS);
    const queryTime = OWN_TIME.database * conditions.databaseFactor * (1 + 0.8 * (load - 1)) * noise.database;

    const requests = {} as Record<Role, Record<CohortName, Requests>>;
    for (const role of ROLES) requests[role] = {} as Record<CohortName, Requests>;
    for (const cohort of COHORTS) {
      const own = (role: Role) => OWN_TIME[role] * noise[role] * (1 + this.#cohortNoise[role]());
      const miss = missOf(cohort);
      const time = {} as Record<Role, number>;
      time.database = queryTime;
      time.cache = own("cache");
      time.catalog = own("catalog") + time.cache + miss * (queryTime + ASSEMBLE);
      time.cart = own("cart") + time.cache + MISS * (queryTime + ASSEMBLE);
      time.inventory = own("inventory") + 0.5 * queryTime;
      time.payments = own("payments") * (1 + 1.6 * conditions.poolLeak ** 2);
      time.checkout = own("checkout") + time.payments + time.inventory + queryTime;
      time.api = own("api") + 0.6 * time.catalog + 0.25 * time.cart + 0.15 * time.checkout;
      time.storefront = own("storefront") + time.api;

      const errors = {} as Record<Role, number>;
      for (const role of ROLES) errors[role] = BASE_ERRORS + (conditions.releaseErrors[role] ?? 0);
      errors.payments += 0.01 * conditions.poolLeak ** 2;
      // Callees are listed before the callers that feel them when the calls are walked backwards.
      for (const { caller, callee, share } of CALLS.toReversed()) {
        if (callee !== "cache" && callee !== "database") errors[caller] += share * Math.max(0, errors[callee] - BASE_ERRORS);
      }

      const flow = {} as Record<Role, number>;
      for (const role of ROLES) flow[role] = 0;
      flow.storefront = rate * 60 * shareOf(cohort);
      for (const { caller, callee, share } of CALLS) {
        const used = callee === "database" && caller === "catalog" ? miss : share;
        flow[callee] += flow[caller] * used;
      }
      for (const role of ROLES) {
        const count = poisson(this.#random, flow[role]);
        const failed = Math.min(count, poisson(this.#random, count * errors[role]));
        requests[role][cohort] = { count, failed, mean: time[role] };
      }
    }

    const hum = () => 1 + 0.04 * (this.#random() - 0.5);
    const cpu = {} as Record<Role, number>;
    const memory = {} as Record<Role, number>;
    for (const role of ROLES) {
      cpu[role] = Math.min(0.97, (0.12 + (0.3 * rate) / BASE_RATE) * (role === "database" ? load : 1) * hum());
      memory[role] = (role === "database" ? 6e9 : 8e8) * hum();
    }
    const inUse = Math.min(1, (0.25 + (0.1 * rate) / BASE_RATE) * hum() + 0.75 * conditions.poolLeak);
    return {
      at,
      requests,
      gauges: {
        hitRatio: { catalog: clampShare(1 - meanMiss * hum()), cart: clampShare(1 - MISS * hum()) },
        poolInUse: inUse,
        poolWaiting: inUse >= 0.95 ? poisson(this.#random, 40 * conditions.poolLeak) : 0,
        cpu,
        memory,
      },
      queryTime,
    };
  }
}

const clampShare = (share: number): number => Math.min(1, Math.max(0, share));

/** Upper bounds of the duration histogram's buckets, in milliseconds. */
export const BOUNDS: readonly number[] = [2.5, 5, 10, 20, 35, 50, 75, 100, 150, 250, 500, 1_000, 2_500];
const SPREAD = 0.45;

/** Spreads requests over the histogram's buckets as a log-normal distribution with the given mean (milliseconds). */
export function bucketCounts(count: number, mean: number): number[] {
  const middle = Math.log(mean) - SPREAD ** 2 / 2;
  let below = 0;
  const counts = BOUNDS.map((bound) => {
    const upTo = Math.round(count * normalCdf((Math.log(bound) - middle) / SPREAD));
    const inside = upTo - below;
    below = upTo;
    return inside;
  });
  return [...counts, count - below];
}

/** A single request's duration around a mean, log-normal, in milliseconds. */
export function durationAround(mean: number, normal: number): number {
  return Math.exp(Math.log(mean) - SPREAD ** 2 / 2 + SPREAD * normal);
}

export const STEP = MINUTE;
