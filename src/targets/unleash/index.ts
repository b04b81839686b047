import { z } from "zod";
import type { Cohort, FlagProvider, FlagState, WriteContext } from "../../actions/ports.ts";
import { TargetError } from "../../actions/ports.ts";
import type { Probe } from "../../domain/probe.ts";
import { shaped } from "../answer-shape.ts";
import { canonical, FlagWriter, fingerprintOf, moved } from "../flag-writer.ts";
import { ApiError, JsonApi, type JsonApiOptions } from "../json-api.ts";
import {
  behaviourOf,
  type Feature,
  featureListSchema,
  featureSchema,
  pin,
  pinnedBy,
  rolloutOf,
  type Snapshot,
  type Strategy,
  snapshotOf,
  stateOf,
} from "./feature.ts";

export interface UnleashOptions {
  /** Address of the server, with its base path if it has one, without `/api`. */
  readonly url: string;
  /** A service account's or personal token, or an admin token; it must be allowed to change flags in the environment. */
  readonly token: string;
  readonly project: string;
  readonly environment: string;
  readonly timeout?: JsonApiOptions["timeout"];
}

/** Features that are read at the same time by `list`. */
const AT_ONCE = 6;
/** The type of tag that says which service reads a flag. */
const SERVICE_TAG = "service";

type Patch = readonly { readonly op: "test" | "replace"; readonly path: string; readonly value: unknown }[];

/**
 * Acts on one environment of one Unleash project, over its admin API (https://docs.getunleash.io/api). A share is that of the flag's gradual
 * rollout; flags that are built in another way can be switched and restored, not set to a share. Writes to a strategy carry what was read
 * before as JSON Patch `test` operations (RFC 6902), so that the server itself refuses one that crossed with somebody else's.
 * Unleash names the token's owner in its history; it has no place for a reason.
 */
export class Unleash implements FlagProvider, Probe {
  readonly concern = "flags";
  readonly environment: string;
  readonly #api: JsonApi;
  readonly #project: string;
  readonly #writer = new FlagWriter<Feature>(async (key) => {
    const [flag, services] = await Promise.all([this.#mustGet(key), this.#services(key)]);
    return { flag, state: stateOf(flag, services) };
  });

  constructor(options: UnleashOptions) {
    this.environment = options.environment;
    this.#project = options.project;
    this.#api = unleashApi(options);
  }

  /** Two reading calls, for `doctor`. */
  async check(): Promise<string> {
    const { version } = checked(aboutSchema, await this.#api.get(["api", "admin", "ui-config"]));
    const found = await this.#api.find(["api", "admin", "projects", this.#project, "overview"]);
    if (found === null) {
      throw new TargetError(`Unleash has no project ${this.#project}; check flags.project.`, { outcomeUnknown: false });
    }
    const { environments, featureTypeCounts } = checked(projectSchema, found);
    const known = environments.map(({ environment }) => environment);
    if (!known.includes(this.environment)) throw this.#noEnvironment(known);
    const flags = featureTypeCounts.reduce((sum, { count }) => sum + count, 0);
    return `Unleash ${version} at ${this.#api.host}, ${this.#project} in ${this.environment}: ${flags} flags`;
  }

  /** One call for the list and one for each flag, since only those tell the strategies. */
  async list(): Promise<readonly FlagState[]> {
    const found = checked(featureListSchema, await this.#api.get(["api", "admin", "projects", this.#project, "features"]));
    const names = found.features.filter(({ archived }) => !archived);
    const states: FlagState[] = [];
    for (let from = 0; from < names.length; from += AT_ONCE) {
      const part = await Promise.all(
        names.slice(from, from + AT_ONCE).map(async ({ name, tags }) => {
          const feature = await this.#feature(name);
          return feature && stateOf(feature, servicesIn(tags ?? []));
        }),
      );
      states.push(...part.filter((state) => state !== null));
    }
    return states;
  }

  async get(key: string): Promise<FlagState | null> {
    const [feature, services] = await Promise.all([this.#feature(key), this.#services(key)]);
    return feature && stateOf(feature, services);
  }

  async setPercent(key: string, percent: number, write: WriteContext): Promise<FlagState> {
    if (!Number.isInteger(percent) || percent < 0 || percent > 100) {
      throw new TargetError(`percent is ${percent}; Unleash takes a whole number from 0 to 100.`, { outcomeUnknown: false });
    }
    const reached = (state: FlagState) => state.percent === percent;
    return this.#writer.change(key, write, reached, async (feature) => {
      const { id, parameters } = this.#rollout(feature);
      await this.#patch(key, id, [
        { op: "test", path: "/parameters", value: parameters },
        { op: "replace", path: "/parameters/rollout", value: String(percent) },
      ]);
    });
  }

  setEnabled(key: string, enabled: boolean, write: WriteContext): Promise<FlagState> {
    return this.#writer.change(
      key,
      write,
      (state) => state.enabled === enabled,
      () => this.#switch(key, enabled),
    );
  }

  pinCohort(key: string, cohort: Cohort, pinned: boolean, write: WriteContext): Promise<FlagState> {
    const reached = (state: FlagState) => state.pinnedOff.includes(cohort) === pinned;
    return this.#writer.change(key, write, reached, async (feature) => {
      const { id, constraints } = this.#rollout(feature);
      const others = constraints.filter((constraint) => pinnedBy(constraint) !== cohort);
      await this.#patch(key, id, [
        { op: "test", path: "/constraints", value: constraints },
        { op: "replace", path: "/constraints", value: pinned ? [...others, pin(cohort)] : others },
      ]);
    });
  }

  /** On or off and every strategy's behaviour in this environment, as JSON; ids are left out, since a strategy that is made anew gets a new one. */
  async snapshot(key: string): Promise<string> {
    return snapshotOf(await this.#mustGet(key));
  }

  restore(key: string, snapshot: string, write: WriteContext): Promise<FlagState> {
    const wanted = JSON.parse(snapshot) as Snapshot;
    const reached = (state: FlagState) => state.fingerprint === fingerprintOf(snapshot);
    return this.#writer.change(key, write, reached, async (feature) => {
      await this.#restoreStrategies(feature, wanted);
      const restored = await this.#mustGet(key);
      await this.#restoreOrder(restored, wanted);
      // Unleash switches an environment on and off by itself when its last strategy comes or goes.
      if (restored.enabled !== wanted.enabled) await this.#switch(key, wanted.enabled);
    });
  }

  #rollout(feature: Feature): Strategy {
    const rollout = rolloutOf(feature);
    if (rollout) return rollout;
    throw new TargetError(
      `${feature.name} is not one gradual rollout in ${this.environment} but ${feature.strategies.length} strategies; ` +
        "switch it off in Unleash, or give it a single gradual rollout, whose share can be changed.",
      { outcomeUnknown: false },
    );
  }

  /** Keeps strategies that are as wanted, changes others in place, and only then adds or removes. */
  async #restoreStrategies(feature: Feature, { strategies }: Snapshot): Promise<void> {
    const path = this.#path(feature.name, "strategies");
    const left = [...feature.strategies];
    const missing = strategies.filter((wanted) => {
      const same = left.findIndex((one) => canonical(behaviourOf(one)) === canonical(wanted));
      if (same >= 0) left.splice(same, 1);
      return same < 0;
    });
    for (const wanted of missing) {
      const reused = left.findIndex(({ name }) => name === wanted.name);
      const [old] = reused < 0 ? [] : left.splice(reused, 1);
      if (old)
        await this.#api.write("PUT", [...path, old.id], { body: { ...wanted, title: old.title, sortOrder: old.sortOrder } });
      else await this.#api.write("POST", path, { body: wanted });
    }
    for (const { id } of left) await this.#api.write("DELETE", [...path, id]);
  }

  /** The first strategy that lets a user in decides the variant, so the order counts. */
  async #restoreOrder({ name, strategies: found }: Feature, { strategies }: Snapshot): Promise<void> {
    const left = [...found];
    const order = strategies.flatMap((wanted) => {
      const at = left.findIndex((one) => canonical(behaviourOf(one)) === canonical(wanted));
      return at < 0 ? [] : left.splice(at, 1);
    });
    if (order.every(({ id }, at) => id === found[at]?.id)) return;
    const body = order.map(({ id }, sortOrder) => ({ id, sortOrder }));
    await this.#api.write("POST", [...this.#path(name, "strategies"), "set-sort-order"], { body });
  }

  async #patch(key: string, id: string, patch: Patch): Promise<void> {
    try {
      await this.#api.write("PATCH", [...this.#path(key, "strategies"), id], { body: patch });
    } catch (error) {
      if (error instanceof ApiError && error.said.includes("TEST_OPERATION_FAILED")) throw moved(key);
      throw error;
    }
  }

  async #switch(key: string, enabled: boolean): Promise<void> {
    await this.#api.write("POST", this.#path(key, enabled ? "on" : "off"));
  }

  #path(key: string, last: string): string[] {
    return ["api", "admin", "projects", this.#project, "features", key, "environments", this.environment, last];
  }

  async #feature(key: string): Promise<Feature | null> {
    if (!isName(key)) return null;
    const found = await this.#api.find(["api", "admin", "projects", this.#project, "features", key]);
    if (found === null) return null;
    const { name, description, archived, environments } = checked(featureSchema, found);
    const here = environments.find((environment) => environment.name === this.environment);
    if (archived) return null;
    if (!here) throw this.#noEnvironment(environments.map((environment) => environment.name));
    const strategies = here.strategies.toSorted((a, b) => (a.sortOrder ?? 0) - (b.sortOrder ?? 0));
    return { name, description: description ?? "", enabled: here.enabled, strategies };
  }

  #noEnvironment(known: readonly string[]): TargetError {
    return new TargetError(
      `Unleash has no environment ${this.environment} in ${this.#project}; it has: ${known.join(", ") || "none"}. Check flags.environment.`,
      { outcomeUnknown: false },
    );
  }

  async #mustGet(key: string): Promise<Feature> {
    const feature = await this.#feature(key);
    if (feature) return feature;
    throw new TargetError(`There is no flag ${JSON.stringify(key.slice(0, 80))} in Unleash's project ${this.#project}.`, {
      outcomeUnknown: false,
    });
  }

  async #services(key: string): Promise<string[]> {
    if (!isName(key)) return [];
    const found = await this.#api.find(["api", "admin", "features", key, "tags"]);
    return found === null ? [] : servicesIn(checked(tagsSchema, found).tags);
  }
}

/** The admin API of an Unleash server; shared with the watcher of its events. */
export function unleashApi(options: Pick<UnleashOptions, "url" | "token" | "timeout">): JsonApi {
  return new JsonApi({
    name: "Unleash",
    url: options.url,
    headers: { authorization: options.token },
    keys: { url: "flags.url", token: "flags.token" },
    ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
  });
}

const aboutSchema = z.object({ version: z.string().default("of unknown version") });
const projectSchema = z.object({
  environments: z.array(z.object({ environment: z.string() })),
  featureTypeCounts: z.array(z.object({ count: z.coerce.number() })).default([]),
});
const tagsSchema = z.object({ tags: z.array(z.object({ type: z.string(), value: z.string() })) });

function servicesIn(tags: readonly { readonly type: string; readonly value: string }[]): string[] {
  return tags.filter(({ type }) => type === SERVICE_TAG).map(({ value }) => value);
}

/** Unleash's own rule: what a URL can hold as it is. */
const isName = (key: string): boolean => /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,100}$/.test(key);

/** @throws ApiError when the answer is JSON of another shape. */
export const checked = <T>(schema: z.ZodType<T>, value: unknown): T =>
  shaped({ name: "Unleash", key: "flags.url" }, schema, value);
