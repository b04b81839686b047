import type { ServiceName } from "../domain/telemetry.ts";

/** What each service of the shop is for; everything else refers to these roles, never to names. */
export type Role = "storefront" | "api" | "catalog" | "cart" | "checkout" | "payments" | "inventory" | "database" | "cache";

/** Every name that telemetry, flag file and repository show. A test renames them all and expects the same findings. */
export interface ShopNames {
  readonly services: Readonly<Record<Role, ServiceName>>;
  /** The flag that does harm, and innocent ones beside it. */
  readonly harmfulFlag: string;
  readonly decoyFlags: readonly string[];
  readonly metrics: {
    readonly hitRatio: string;
    readonly poolInUse: string;
    readonly poolWaiting: string;
    readonly cpu: string;
    readonly memory: string;
  };
}

export const DEFAULT_NAMES: ShopNames = {
  services: {
    storefront: "storefront",
    api: "api",
    catalog: "catalog",
    cart: "cart",
    checkout: "checkout",
    payments: "payments",
    inventory: "inventory",
    database: "orders-db",
    cache: "session-cache",
  },
  harmfulFlag: "catalog-cache-v2-keys",
  decoyFlags: ["checkout-express-button", "storefront-new-footer", "inventory-batch-reserve"],
  metrics: {
    hitRatio: "cache.hit_ratio",
    poolInUse: "db.client.connection.usage",
    poolWaiting: "db.client.connection.pending_requests",
    cpu: "process.cpu.utilization",
    memory: "process.memory.usage",
  },
};

/** Roles in the order in which a request walks through them, caller first, with the share of the caller's requests that call on. */
export const CALLS: readonly { readonly caller: Role; readonly callee: Role; readonly share: number }[] = [
  { caller: "storefront", callee: "api", share: 1 },
  { caller: "api", callee: "catalog", share: 0.6 },
  { caller: "api", callee: "cart", share: 0.25 },
  { caller: "api", callee: "checkout", share: 0.15 },
  { caller: "checkout", callee: "payments", share: 1 },
  { caller: "checkout", callee: "inventory", share: 1 },
  { caller: "checkout", callee: "database", share: 1 },
  { caller: "catalog", callee: "cache", share: 1 },
  { caller: "catalog", callee: "database", share: 0.08 },
  { caller: "cart", callee: "cache", share: 1 },
  { caller: "cart", callee: "database", share: 0.08 },
  { caller: "inventory", callee: "database", share: 0.5 },
];

/** Versions that misbehave; every other version is healthy. */
export const BAD_RELEASES: Readonly<Partial<Record<Role, Readonly<Record<string, { readonly errorShare: number }>>>>> = {
  checkout: { "4.8.0": { errorShare: 0.06 } },
};

/** Versions that run when the world is made, oldest deploy first: how many hours before the start, by whom, and why. */
export const RELEASE_HISTORY: readonly {
  readonly role: Role;
  readonly version: string;
  readonly hoursBefore: number;
  readonly author: string;
  readonly message: string;
}[] = [
  {
    role: "storefront",
    version: "9.2.0",
    hoursBefore: 330,
    author: "Ines Moreau",
    message: "storefront 9.2.0: lazy-load product images",
  },
  {
    role: "api",
    version: "3.17.2",
    hoursBefore: 326,
    author: "Tomasz Zielinski",
    message: "api 3.17.2: tighter timeouts to cart",
  },
  {
    role: "catalog",
    version: "2.13.4",
    hoursBefore: 320,
    author: "Maya Lindqvist",
    message: "catalog 2.13.4: facets from the read replica",
  },
  {
    role: "cart",
    version: "5.0.9",
    hoursBefore: 300,
    author: "Deepa Raghavan",
    message: "cart 5.0.9: merge guest carts on sign-in",
  },
  {
    role: "checkout",
    version: "4.7.3",
    hoursBefore: 291,
    author: "Jonas Weber",
    message: "checkout 4.7.3: address form in two steps",
  },
  {
    role: "payments",
    version: "1.22.0",
    hoursBefore: 270,
    author: "Aiko Tanaka",
    message: "payments 1.22.0: new card network certificates",
  },
  {
    role: "inventory",
    version: "6.1.1",
    hoursBefore: 250,
    author: "Deepa Raghavan",
    message: "inventory 6.1.1: reserve in batches",
  },
  {
    role: "storefront",
    version: "9.2.1",
    hoursBefore: 170,
    author: "Ines Moreau",
    message: "storefront 9.2.1: fix footer on small screens",
  },
  { role: "cart", version: "5.1.0", hoursBefore: 98, author: "Deepa Raghavan", message: "cart 5.1.0: wish list" },
  { role: "api", version: "3.18.0", hoursBefore: 52, author: "Tomasz Zielinski", message: "api 3.18.0: compress responses" },
  {
    role: "storefront",
    version: "9.3.0",
    hoursBefore: 9,
    author: "Ines Moreau",
    message: "storefront 9.3.0: winter campaign banner",
  },
];
