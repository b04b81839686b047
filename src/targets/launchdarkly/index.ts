import type { Cohort, FlagProvider, FlagState, WriteContext } from "../../actions/ports.ts";
import { TargetError } from "../../actions/ports.ts";
import type { Probe } from "../../domain/probe.ts";
import { shaped } from "../answer-shape.ts";
import { FlagWriter, fingerprintOf } from "../flag-writer.ts";
import { JsonApi, type JsonApiOptions } from "../json-api.ts";
import {
  type Flag,
  flagPageSchema,
  flagSchema,
  type Instructions,
  obstacleOf,
  offIndex,
  pinnedBy,
  pinRule,
  restoring,
  rolloutFor,
  snapshotOf,
  stateOf,
} from "./flag.ts";

export interface LaunchDarklyOptions {
  /** `https://app.launchdarkly.com`, or the address of a federal or European instance. */
  readonly url: string;
  /** An API access token (not an SDK key) that may read flags, and update their targeting in the environment. */
  readonly token: string;
  readonly project: string;
  readonly environment: string;
  readonly timeout?: JsonApiOptions["timeout"];
}

const SYSTEM = { name: "LaunchDarkly", key: "flags.url" };
const PAGE = 50;
const MOST_PAGES = 40;
/** The version of the REST API whose shapes are read here. */
const VERSION = "20240415";
const SEMANTIC_PATCH = { "content-type": "application/json; domain-model=launchdarkly.semanticpatch" };

/**
 * Acts on one environment of one LaunchDarkly project, over its REST API with semantic patches
 * (https://launchdarkly.com/docs/api/feature-flags/update-feature-flag). A share is that of the default rule; a flag with targeting rules of its own,
 * or with more than two variations, can be switched and restored, not set to a share. Individual targets are left as they are. Actor and
 * reason stand in the patch's comment, which LaunchDarkly shows in its audit log.
 */
export class LaunchDarkly implements FlagProvider, Probe {
  readonly concern = "flags";
  readonly environment: string;
  readonly #api: JsonApi;
  readonly #project: string;
  readonly #writer = new FlagWriter<Flag>(async (key) => {
    const flag = await this.#mustGet(key);
    return { flag, state: stateOf(flag) };
  });

  constructor({ url, token, project, environment, timeout }: LaunchDarklyOptions) {
    this.environment = environment;
    this.#project = project;
    this.#api = new JsonApi({
      name: "LaunchDarkly",
      url,
      headers: { authorization: token, "ld-api-version": VERSION },
      keys: { url: "flags.url", token: "flags.token" },
      ...(timeout === undefined ? {} : { timeout }),
    });
  }

  async check(): Promise<string> {
    const { items, totalCount } = await this.#page(0, 1);
    const [first] = items;
    if (first) this.#here(first);
    return `LaunchDarkly at ${this.#api.host}, ${this.#project} in ${this.environment}: ${totalCount ?? items.length} flags`;
  }

  async list(): Promise<readonly FlagState[]> {
    const states: FlagState[] = [];
    for (let at = 0; at < MOST_PAGES; at++) {
      const { items } = await this.#page(at * PAGE, PAGE);
      states.push(...items.filter(({ archived }) => !archived).map((flag) => stateOf(this.#here(flag))));
      if (items.length < PAGE) break;
    }
    return states;
  }

  async get(key: string): Promise<FlagState | null> {
    const flag = await this.#flag(key);
    return flag && stateOf(flag);
  }

  async setPercent(key: string, percent: number, write: WriteContext): Promise<FlagState> {
    if (!(percent >= 0 && percent <= 100)) {
      throw new TargetError(`percent is ${percent}; give a number from 0 to 100.`, { outcomeUnknown: false });
    }
    const reached = (state: FlagState) => Math.abs(state.percent - percent) < 0.001;
    return this.#writer.change(key, write, reached, async (flag) => {
      this.#mustBeSimple(flag);
      await this.#patch(key, write, [{ kind: "updateFallthroughVariationOrRollout", ...rolloutFor(flag, percent) }]);
    });
  }

  setEnabled(key: string, enabled: boolean, write: WriteContext): Promise<FlagState> {
    const reached = (state: FlagState) => state.enabled === enabled;
    return this.#writer.change(key, write, reached, () =>
      this.#patch(key, write, [{ kind: enabled ? "turnFlagOn" : "turnFlagOff" }]),
    );
  }

  pinCohort(key: string, cohort: Cohort, pinned: boolean, write: WriteContext): Promise<FlagState> {
    const reached = (state: FlagState) => state.pinnedOff.includes(cohort) === pinned;
    return this.#writer.change(key, write, reached, async (flag) => {
      this.#mustBeSimple(flag);
      const off = flag.variations[offIndex(flag) ?? -1]?._id ?? "";
      const rules = flag.targeting.rules.filter((rule) => pinnedBy(flag, rule) === cohort);
      await this.#patch(
        key,
        write,
        pinned ? [{ kind: "addRule", ...pinRule(cohort, off) }] : rules.map(({ _id }) => ({ kind: "removeRule", ruleId: _id })),
      );
    });
  }

  /** On or off, the default rule, rules and targets in this environment, as JSON. */
  async snapshot(key: string): Promise<string> {
    return snapshotOf(await this.#mustGet(key));
  }

  restore(key: string, snapshot: string, write: WriteContext): Promise<FlagState> {
    return this.#writer.change(
      key,
      write,
      (state) => state.fingerprint === fingerprintOf(snapshot),
      (flag) => this.#patch(key, write, restoring(flag, snapshot)),
    );
  }

  async #patch(key: string, { actor, reason }: WriteContext, instructions: Instructions): Promise<void> {
    await this.#api.write("PATCH", ["api", "v2", "flags", this.#project, key], {
      headers: SEMANTIC_PATCH,
      body: { environmentKey: this.environment, comment: `${actor}: ${reason}`.slice(0, 1_000), instructions },
    });
  }

  #mustBeSimple(flag: Flag): void {
    const obstacle = obstacleOf(flag);
    if (obstacle === null) return;
    throw new TargetError(
      `The share of ${flag.key} in ${this.environment} cannot be set: ${obstacle}. Switch it off, or change it in LaunchDarkly.`,
      { outcomeUnknown: false },
    );
  }

  async #page(offset: number, limit: number) {
    const query = { env: this.environment, summary: "0", limit: String(limit), offset: String(offset) };
    const found = await this.#api.get(["api", "v2", "flags", this.#project], { query });
    return shaped(SYSTEM, flagPageSchema, found);
  }

  async #flag(key: string): Promise<Flag | null> {
    if (!isKey(key)) return null;
    const found = await this.#api.find(["api", "v2", "flags", this.#project, key], { query: { env: this.environment } });
    if (found === null) return null;
    const flag = shaped(SYSTEM, flagSchema, found);
    return flag.archived ? null : this.#here(flag);
  }

  #here({ environments, ...flag }: ReturnType<typeof flagSchema.parse>): Flag {
    const targeting = Object.hasOwn(environments, this.environment) ? environments[this.environment] : undefined;
    if (targeting) return { ...flag, targeting };
    const known = Object.keys(environments).join(", ") || "none";
    throw new TargetError(
      `LaunchDarkly has no environment ${this.environment} in ${this.#project}; it has: ${known}. Check flags.environment.`,
      { outcomeUnknown: false },
    );
  }

  async #mustGet(key: string): Promise<Flag> {
    const flag = await this.#flag(key);
    if (flag) return flag;
    throw new TargetError(`There is no flag ${JSON.stringify(key.slice(0, 80))} in LaunchDarkly's project ${this.#project}.`, {
      outcomeUnknown: false,
    });
  }
}

/** LaunchDarkly's own rule for keys. */
const isKey = (key: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,255}$/.test(key);
