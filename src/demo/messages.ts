import type { EpochMs } from "../domain/time.ts";
import type { Play, Scenario } from "./scenarios.ts";
import type { ShopNames } from "./shop.ts";

/** An Unleash that the shop reads its flags from instead of its file. */
export interface UnleashPlace {
  readonly url: string;
  /** With which people of the shop change flags. */
  readonly token: string;
  /** With which the shop's services read them. */
  readonly clientToken: string;
  readonly project: string;
  readonly environment: string;
}

export interface ShopSettings {
  readonly folder: string;
  readonly receiverUrl: string;
  readonly speed: number;
  readonly historyDays: number;
  readonly seed: number;
  readonly names: ShopNames;
  readonly unleash: UnleashPlace | null;
  /** Where `/metrics` is to be scraped, on loopback; null exposes nothing. */
  readonly metricsPort: number | null;
  /** False leaves metrics to those who scrape. */
  readonly sendMetrics: boolean;
  /** Newest telemetry that is stored already; history is made from there to `start`. Null when there is none. */
  readonly resumeFrom: EpochMs | null;
  /** Where history ends and the clock starts to run. */
  readonly start: EpochMs;
}

/** From the app to the shop. */
export type ToShop =
  | { readonly type: "open"; readonly settings: ShopSettings }
  | { readonly type: "play"; readonly id: number; readonly scenario: Scenario | "reset" };

/** From the shop to the app. */
export type FromShop =
  | { readonly type: "progress"; readonly done: number; readonly total: number }
  | { readonly type: "ready"; readonly play: Play }
  | { readonly type: "played"; readonly id: number; readonly play: Play; readonly error: string | null }
  | { readonly type: "failed"; readonly error: string };
