import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { FlagdCore } from "@openfeature/flagd-core";
import type { Unleash as UnleashClient } from "unleash-client";
import writeFileAtomic from "write-file-atomic";
import { type EpochMs, HOUR } from "../domain/time.ts";
import { FlagdFile } from "../targets/flagd/index.ts";
import { Unleash } from "../targets/unleash/index.ts";
import type { ShopSettings, UnleashPlace } from "./messages.ts";
import type { ShopNames } from "./shop.ts";
import type { CohortName } from "./simulate.ts";

/** How the shop's services see the harmful flag, and how its people change flags. */
export interface ShopFlags {
  readonly provider: FlagdFile | Unleash;
  /** Makes what is missing, with a believable past. */
  ensure(start: EpochMs): Promise<void>;
  /** Resolves when flags can be evaluated. */
  ready(): Promise<void>;
  /** Share of each cohort's shoppers that get the new behaviour, 0 to 1. */
  share(): Record<CohortName, number>;
  /** Evaluates the harmful flag for one request, as the shop's services do. */
  isOn(shopper: string, cohort: CohortName): boolean;
  close(): void;
}

/** Where this shop's flags live, by its settings. */
export function shopFlags({ folder, names, unleash }: ShopSettings, now: () => EpochMs): ShopFlags {
  if (unleash) return new UnleashShopFlags(unleash, names, folder);
  return new FlagdShopFlags(join(folder, FLAG_FILE), ENVIRONMENT, names, now);
}

export const ENVIRONMENT = "production";
export const FLAG_FILE = "flags.json";
export const BASE_SHARE = 1;
const SAMPLE = 400;

function sampledShare(isOn: (shopper: string, cohort: CohortName) => boolean): Record<CohortName, number> {
  const of = (cohort: CohortName) => {
    let on = 0;
    for (let index = 0; index < SAMPLE; index++) if (isOn(`shopper-${index}`, cohort)) on++;
    return on / SAMPLE;
  };
  return { live: of("live"), test: of("test") };
}

/** Flags in a real flagd file, evaluated by flagd's own core. */
class FlagdShopFlags implements ShopFlags {
  readonly provider: FlagdFile;
  readonly #file: string;
  readonly #names: ShopNames;
  #evaluated: { text: string; core: FlagdCore; share: Record<CohortName, number> } | null = null;

  constructor(file: string, environment: string, names: ShopNames, now: () => EpochMs) {
    this.#file = file;
    this.#names = names;
    this.provider = new FlagdFile({ file, environment, now });
  }

  async ensure(start: EpochMs): Promise<void> {
    if (existsSync(this.#file)) return;
    await writeFileAtomic(this.#file, `${JSON.stringify(firstFlags(this.#names, start), null, 2)}\n`, { mode: 0o600 });
  }

  async ready(): Promise<void> {}

  share(): Record<CohortName, number> {
    const text = readFileSync(this.#file, "utf8");
    if (this.#evaluated?.text === text) return this.#evaluated.share;
    const core = new FlagdCore();
    try {
      core.setConfigurations(text);
    } catch {
      // A half-edited file: like any flagd client, keep what was valid last.
      return this.#evaluated?.share ?? { live: 0, test: 0 };
    }
    const share = sampledShare((shopper, cohort) => this.#resolve(core, shopper, cohort));
    this.#evaluated = { text, core, share };
    return share;
  }

  isOn(shopper: string, cohort: CohortName): boolean {
    this.share();
    return this.#evaluated ? this.#resolve(this.#evaluated.core, shopper, cohort) : false;
  }

  close(): void {}

  #resolve(core: FlagdCore, targetingKey: string, cohort: CohortName): boolean {
    return core.resolveBooleanEvaluation(this.#names.harmfulFlag, false, { targetingKey, cohort }).value;
  }
}

/** Flags in a real Unleash, evaluated by its own SDK as the shop's services would. They must be there already. */
class UnleashShopFlags implements ShopFlags {
  readonly provider: Unleash;
  readonly #place: UnleashPlace;
  readonly #flag: string;
  readonly #backups: string;
  #client: UnleashClient | null = null;

  /** @param backups folder in which the SDK keeps its last good copy */
  constructor(place: UnleashPlace, names: ShopNames, backups: string) {
    this.#place = place;
    this.#flag = names.harmfulFlag;
    this.#backups = backups;
    this.provider = new Unleash(place);
  }

  async ensure(): Promise<void> {}

  async ready(): Promise<void> {
    const { Unleash: Client } = await import("unleash-client");
    const client = new Client({
      url: `${this.#place.url.replace(/\/$/, "")}/api`,
      appName: "demo-shop",
      customHeaders: { Authorization: this.#place.clientToken },
      refreshInterval: 500,
      disableMetrics: true,
      backupPath: this.#backups,
    });
    // The SDK goes on with what it knew and tries again.
    client.on("error", () => undefined);
    await new Promise<void>((done) => client.once("synchronized", () => done()));
    this.#client = client;
  }

  share(): Record<CohortName, number> {
    return sampledShare((shopper, cohort) => this.isOn(shopper, cohort));
  }

  isOn(userId: string, cohort: CohortName): boolean {
    return this.#client?.isEnabled(this.#flag, { userId, properties: { cohort } }) ?? false;
  }

  close(): void {
    this.#client?.destroy();
  }
}

function firstFlags({ harmfulFlag, decoyFlags, services }: ShopNames, start: EpochMs) {
  const flag = (percent: number, description: string, service: string, by: string, hours: number, previous: string) => ({
    state: "ENABLED",
    variants: { on: true, off: false },
    defaultVariant: "off",
    targeting: {
      fractional: [
        ["on", percent],
        ["off", 100 - percent],
      ],
    },
    metadata: {
      description,
      services: service,
      updatedBy: by,
      updatedAt: new Date(start - hours * HOUR).toISOString(),
      previous,
    },
  });
  const [first = "", second = "", third = ""] = decoyFlags;
  return {
    $schema: "https://flagd.dev/schema/v0/flags.json",
    flags: {
      [first]: flag(50, "One-tap payment for returning shoppers", services.checkout, "Jonas Weber", 5, "30% on"),
      [second]: flag(100, "Footer with store finder", services.storefront, "Ines Moreau", 30, "50% on"),
      [harmfulFlag]: flag(BASE_SHARE, HARMFUL_DESCRIPTION, services.catalog, "Maya Lindqvist", 70, "0% on"),
      [third]: flag(20, "Reserve stock for a whole basket in one call", services.inventory, "Deepa Raghavan", 26, "10% on"),
    },
  };
}

export const HARMFUL_DESCRIPTION = "Reads products under the new key layout of the look-aside store";
