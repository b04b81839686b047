import type { ServiceName } from "../../domain/telemetry.ts";
import { DAY, type EpochMs } from "../../domain/time.ts";
import type { Effect, Scenario, ScenarioChange, World, WorldService } from "./scenario.ts";
import { ScenarioError } from "./scenario.ts";

/** What a request meets at one service: mean milliseconds of its own work, and the chance to fail by itself. */
export interface Treatment {
  readonly own: number;
  readonly errors: number;
}

/** Mean behaviour of one service at one moment. */
export interface Behaviour extends Treatment {
  /** Requests per second. */
  readonly rate: number;
  /** Mean milliseconds with its callees. */
  readonly latency: number;
  /** Share of requests that fail, its own fault or its callees'. */
  readonly failing: number;
  /** Callee to calls per request. */
  readonly calls: ReadonlyMap<ServiceName, number>;
}

/** Which variants one request has: flag or deploy subject to whether it meets the new behaviour. */
export type Variants = ReadonlyMap<string, boolean>;

/**
 * The mean behaviour of a scenario's services over time. Callers wait for callees one after the other, requests flow along the calls, and a
 * failing callee fails its caller.
 */
export class Simulation {
  readonly now: EpochMs;
  readonly world: World;
  readonly changes: readonly ScenarioChange[];
  /** Callees before callers. */
  readonly order: readonly ServiceName[];

  constructor(scenario: Scenario, world: World) {
    this.now = Date.parse(scenario.now);
    this.world = world;
    this.changes = scenario.changes;
    this.order = calleesFirst(world);
  }

  service(name: ServiceName): WorldService {
    return this.world.services[name] as WorldService;
  }

  /** Effects on a service in force at `at`, with how far each has grown, 0 to 1. */
  active(name: ServiceName, at: EpochMs): { readonly effect: Effect; readonly size: number }[] {
    return this.world.effects.flatMap((effect) => {
      const since = at - (this.now + effect.from);
      if (effect.service !== name || since < 0 || at >= this.now + effect.to) return [];
      return [{ effect, size: effect.ramp ? Math.min(1, since / effect.ramp) : 1 }];
    });
  }

  /** Share of requests that meet a change's new behaviour at `at`. */
  shareOf(subject: string, at: EpochMs): number {
    const own = this.changes.filter((one) => one.subject === subject).sort((a, b) => a.at - b.at);
    const last = own.findLast((one) => this.now + one.at <= at);
    const [first] = own;
    if (!first) return 0;
    if (first.kind === "flag") return last ? percentOf(last.after) : percentOf(first.before);
    return last ? last.share : 0;
  }

  /** What a request with these variants meets; a mean request when there are none. */
  treatment(name: ServiceName, at: EpochMs, variants: Variants | null): Treatment {
    const service = this.service(name);
    let { own, errors } = service;
    for (const { effect, size } of this.active(name, at)) {
      const felt = effect.on ? (variants ? Number(variants.get(effect.on) ?? false) : this.shareOf(effect.on, at)) : 1;
      if (effect.latency !== undefined) own *= 1 + (effect.latency - 1) * size * felt;
      if (effect.errors !== undefined) errors += effect.errors * size * felt;
    }
    return { own, errors: Math.min(1, errors) };
  }

  /** Calls per request, which effects may multiply. */
  callsOf(name: ServiceName, at: EpochMs, variants: Variants | null): Map<ServiceName, number> {
    const calls = new Map(Object.entries(this.service(name).calls));
    for (const { effect, size } of this.active(name, at)) {
      const felt = effect.on ? (variants ? Number(variants.get(effect.on) ?? false) : this.shareOf(effect.on, at)) : 1;
      for (const [callee, factor] of Object.entries(effect.calls ?? {}))
        calls.set(callee, (calls.get(callee) ?? 0) * (1 + (factor - 1) * size * felt));
    }
    return calls;
  }

  /** All services at one moment; `wobble` multiplies each one's own time. */
  at(at: EpochMs, wobble: (name: ServiceName) => number): Map<ServiceName, Behaviour> {
    const behaviour = new Map<ServiceName, Behaviour>();
    const rates = this.#rates(at);
    for (const name of this.order) {
      const { own, errors } = this.treatment(name, at, null);
      const calls = this.callsOf(name, at, null);
      let latency = own * wobble(name);
      let well = 1 - errors;
      for (const [callee, count] of calls) {
        const below = behaviour.get(callee);
        latency += count * (below?.latency ?? 0);
        well *= (1 - (below?.failing ?? 0)) ** count;
      }
      behaviour.set(name, { own, errors, rate: rates.get(name) ?? 0, latency, failing: 1 - well, calls });
    }
    return behaviour;
  }

  #rates(at: EpochMs): Map<ServiceName, number> {
    const rates = new Map<ServiceName, number>();
    const swing = 1 + this.world.day * Math.sin((2 * Math.PI * (at % DAY)) / DAY - Math.PI / 2);
    for (const name of this.order.toReversed()) {
      let rate = (rates.get(name) ?? 0) + this.service(name).rate * swing * this.#factor(name, at);
      if (!(rate > 0)) rate = 0;
      rates.set(name, rate);
      for (const [callee, count] of this.callsOf(name, at, null)) rates.set(callee, (rates.get(callee) ?? 0) + rate * count);
    }
    return rates;
  }

  #factor(name: ServiceName, at: EpochMs): number {
    return this.active(name, at).reduce((product, { effect, size }) => product * (1 + ((effect.rate ?? 1) - 1) * size), 1);
  }

  /** A gauge's level at a moment, given the service's load against its usual one. */
  gauge(name: ServiceName, gauge: string, at: EpochMs, load: number): number {
    const { level, load: follows } = this.service(name).gauges[gauge] as WorldService["gauges"][string];
    return this.active(name, at).reduce(
      (value, { effect, size }) => value * (1 + ((effect.gauges?.[gauge] ?? 1) - 1) * size),
      level * (1 + follows * (load - 1)),
    );
  }

  silent(name: ServiceName, signal: "metrics" | "traces" | "logs", at: EpochMs): boolean {
    if (!this.service(name).reports.includes(signal)) return true;
    return this.active(name, at).some(({ effect }) => effect.silent?.includes(signal));
  }
}

/** `25%` or `25% on` is 0.25, `on` 1, everything else 0. */
export function percentOf(state: string): number {
  const percent = /(\d+(?:\.\d+)?)\s*%/.exec(state)?.[1];
  if (percent !== undefined) return Number(percent) / 100;
  return /\b(?:on|enabled|true)\b/i.test(state) ? 1 : 0;
}

function calleesFirst(world: World): ServiceName[] {
  const order: ServiceName[] = [];
  const visit = (name: ServiceName, path: readonly ServiceName[]) => {
    if (path.includes(name)) throw new ScenarioError(`The calls ${[...path, name].join(" → ")} go in a circle; take one away.`);
    if (order.includes(name)) return;
    for (const callee of Object.keys(world.services[name]?.calls ?? {})) visit(callee, [...path, name]);
    order.push(name);
  };
  for (const name of Object.keys(world.services)) visit(name, []);
  return order;
}
