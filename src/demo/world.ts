import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { parse } from "yaml";
import { type EpochMs, HOUR } from "../domain/time.ts";
import { gitAt, versionFile } from "../targets/gitops/index.ts";
import { WorkloadFile } from "../targets/workload-file/index.ts";
import { BASE_SHARE, ENVIRONMENT, FLAG_FILE, type ShopFlags } from "./flags.ts";
import type { Play, Scenario } from "./scenarios.ts";
import { BAD_RELEASES, RELEASE_HISTORY, type Role, type ShopNames } from "./shop.ts";
import type { CohortName, Conditions } from "./simulate.ts";

/** Copies of every service in quiet times. */
const COPIES = 3;
/** Raises mean latency at the api by about 12 %, under every usual alert threshold. */
const STORY_SHARE = 28;
/** The old keys have left the cache meanwhile: requests miss as often as under the flag, and the database is slower. No service gains by the way back. */
const COLD_CACHE = { flagShare: { live: STORY_SHARE / 100, test: STORY_SHARE / 100 }, databaseFactor: 1.4 } as const;

export interface WorldPaths {
  readonly flagFile: string;
  readonly repository: string;
  readonly workloadFile: string;
  readonly stateFile: string;
  readonly clockFile: string;
}

export function worldPaths(folder: string): WorldPaths {
  return {
    flagFile: join(folder, FLAG_FILE),
    repository: join(folder, "deployments"),
    workloadFile: join(folder, "workloads.json"),
    stateFile: join(folder, "play.json"),
    clockFile: join(folder, "clock.json"),
  };
}

/** What holds now, and what held before it was noticed: minutes that are sent late were lived under the old. */
class Since<T> {
  #now: T;
  #from: EpochMs = Number.NEGATIVE_INFINITY;
  #before: T;

  constructor(first: T) {
    this.#now = first;
    this.#before = first;
  }

  at(at: EpochMs, current: T, now: EpochMs): T {
    if (current !== this.#now) {
      this.#before = this.#now;
      this.#now = current;
      this.#from = now;
    }
    return at < this.#from ? this.#before : this.#now;
  }
}

/** The shop's surroundings on disk: the flag file and the repository of versions, and the people who change them. */
export class World {
  readonly paths: WorldPaths;
  readonly #names: ShopNames;
  readonly #now: () => EpochMs;
  readonly #flags: ShopFlags;
  readonly #workloads: WorkloadFile;
  #versions: { stamp: number; errors: Partial<Record<Role, number>>; versions: Partial<Record<Role, string>> } | null = null;
  #livedUnder: {
    readonly share: Since<Record<CohortName, number>>;
    readonly errors: Since<Partial<Record<Role, number>>>;
  } | null = null;
  #play: Play = { scenario: "quiet", since: 0 };
  /** In `rollback-no-help`: the harm outlives its cause. */
  #aftermathSince: EpochMs | null = null;

  constructor(folder: string, names: ShopNames, flags: ShopFlags, now: () => EpochMs) {
    this.paths = worldPaths(folder);
    this.#names = names;
    this.#now = now;
    this.#flags = flags;
    this.#workloads = new WorkloadFile({ file: this.paths.workloadFile, environment: ENVIRONMENT, now });
  }

  get play(): Play {
    return this.#play;
  }

  /** Creates what is missing: flags with a believable past, and two weeks of deploys. */
  async ensure(start: EpochMs): Promise<void> {
    const { repository, workloadFile, stateFile } = this.paths;
    mkdirSync(repository, { recursive: true, mode: 0o700 });
    await this.#flags.ensure(start);
    if (!existsSync(workloadFile)) {
      const workloads = Object.fromEntries(Object.values(this.#names.services).map((name) => [name, { replicas: COPIES }]));
      await writeFileAtomic(workloadFile, `${JSON.stringify({ workloads }, null, 2)}\n`, { mode: 0o600 });
    }
    if (!existsSync(join(repository, ".git"))) await this.#firstCommits(start);
    if (existsSync(stateFile)) {
      const saved = JSON.parse(readFileSync(stateFile, "utf8")) as Play & { aftermathSince: EpochMs | null };
      this.#play = { scenario: saved.scenario, since: saved.since };
      this.#aftermathSince = saved.aftermathSince;
    }
  }

  /** Heals everything that an earlier scenario did, then does what the scenario's people do. */
  async start(scenario: Scenario): Promise<void> {
    await this.heal();
    const { services, harmfulFlag } = this.#names;
    if (scenario === "flag" || scenario === "rollback-no-help") {
      await this.#flags.provider.setPercent(harmfulFlag, STORY_SHARE, {
        actor: "Maya Lindqvist",
        reason: "Next step of the new key layout; canary looked fine over the weekend",
        idempotencyKey: `ramp-${this.#now()}`,
        expected: null,
      });
    }
    if (scenario === "bad-deploy") {
      const [version = ""] = Object.keys(BAD_RELEASES.checkout ?? {});
      await this.#release(
        services.checkout,
        version,
        "Jonas Weber",
        `${services.checkout} ${version}: vouchers in the express flow`,
      );
    }
    await this.#save({ scenario, since: this.#now() }, null);
  }

  /** Flag at its base share, healthy versions, no fault; each by a recorded change where something had to change. */
  async heal(): Promise<void> {
    const { harmfulFlag } = this.#names;
    const flag = await this.#flags.provider.get(harmfulFlag);
    if (flag && (flag.percent > BASE_SHARE || flag.pinnedOff.length > 0 || !flag.enabled)) {
      const write = { actor: "Demo reset", reason: "Back to the share of the first canary", expected: null };
      for (const cohort of flag.pinnedOff)
        await this.#flags.provider.pinCohort(harmfulFlag, cohort, false, {
          ...write,
          idempotencyKey: `unpin-${cohort}-${this.#now()}`,
        });
      await this.#flags.provider.setEnabled(harmfulFlag, true, { ...write, idempotencyKey: `enable-${this.#now()}` });
      await this.#flags.provider.setPercent(harmfulFlag, BASE_SHARE, { ...write, idempotencyKey: `heal-${this.#now()}` });
    }
    for (const { service, replicas } of await this.#workloads.list()) {
      const write = { actor: "Demo reset", reason: "Back to the usual number", expected: null };
      if (replicas !== COPIES) await this.#workloads.scale(service, COPIES, { ...write, idempotencyKey: `heal-${this.#now()}` });
    }
    for (const [role, bad] of Object.entries(BAD_RELEASES) as [Role, object][]) {
      const service = this.#names.services[role];
      const good = RELEASE_HISTORY.findLast((release) => release.role === role)?.version;
      if (good && this.#version(role) in bad)
        await this.#release(service, good, "Jonas Weber", `${service} ${good}: back to the last good version`);
    }
    await this.#save({ scenario: "quiet", since: this.#now() }, null);
  }

  /** What the shop lives under at `at`, read from the real flag file and the real work tree. */
  conditions(at: EpochMs): Conditions {
    const [share, { errors }] = [this.#flags.share(), this.#releases()];
    this.#livedUnder ??= { share: new Since(share), errors: new Since(errors) };
    const now = this.#now();
    const flagShare = this.#livedUnder.share.at(at, share, now);
    const minutes = Math.max(0, (at - this.#play.since) / 60_000);
    const { scenario } = this.#play;
    const poolLeak = scenario === "cascade" && minutes > 0 ? this.#poolLeak(at) : 0;
    if (
      scenario === "rollback-no-help" &&
      this.#aftermathSince === null &&
      minutes > 5 &&
      flagShare.live * 100 <= BASE_SHARE + 0.5
    ) {
      this.#aftermathSince = at;
      void this.#save(this.#play, at);
    }
    // While the flag is up the harm is the flag's; it does not come on top of what stays when the flag is down.
    const outlived = this.#aftermathSince !== null && flagShare.live * 100 <= BASE_SHARE + 0.5;
    return {
      flagShare: outlived ? COLD_CACHE.flagShare : flagShare,
      releaseErrors: this.#livedUnder.errors.at(at, errors, now),
      poolLeak,
      databaseFactor: outlived ? COLD_CACHE.databaseFactor : 1,
    };
  }

  /** The pool to the card network leaks for twelve minutes until it is empty. Fresh copies begin with a full one; more copies last longer. */
  #poolLeak(at: EpochMs): number {
    const payments = this.#workload(this.#names.services.payments);
    const freshAt = payments.restartedAt === null ? 0 : Date.parse(payments.restartedAt);
    const minutes = Math.max(0, (at - Math.max(this.#play.since, freshAt)) / 60_000);
    return Math.min(1, minutes / ((12 * payments.replicas) / COPIES));
  }

  #workload(service: string): { readonly replicas: number; readonly restartedAt: string | null } {
    try {
      const { workloads } = JSON.parse(readFileSync(this.paths.workloadFile, "utf8")) as {
        workloads: Record<string, { replicas?: number; restartedAt?: string | null } | undefined>;
      };
      const one = workloads[service];
      return { replicas: one?.replicas ?? COPIES, restartedAt: one?.restartedAt ?? null };
    } catch {
      // A half-edited file: the copies that ran go on.
      return { replicas: COPIES, restartedAt: null };
    }
  }

  /** Evaluates the harmful flag for one request, as the shop's services do. */
  variantFor(targetingKey: string, cohort: CohortName): boolean {
    return this.#flags.isOn(targetingKey, cohort);
  }

  versionOf(role: Role): string {
    return this.#version(role);
  }

  #version(role: Role): string {
    return this.#releases().versions[role] ?? "unknown";
  }

  #releases() {
    const roles = Object.keys(this.#names.services) as Role[];
    const path = (role: Role) => join(this.paths.repository, versionFile(ENVIRONMENT, this.#names.services[role]));
    const stamp = roles.reduce((sum, role) => sum + (statSync(path(role), { throwIfNoEntry: false })?.mtimeMs ?? 0), 0);
    if (this.#versions?.stamp === stamp) return this.#versions;
    const versions: Partial<Record<Role, string>> = {};
    const errors: Partial<Record<Role, number>> = {};
    for (const role of roles) {
      if (!existsSync(path(role))) continue;
      const version = String((parse(readFileSync(path(role), "utf8")) as { version?: unknown } | null)?.version ?? "unknown");
      versions[role] = version;
      const bad = BAD_RELEASES[role]?.[version];
      if (bad) errors[role] = bad.errorShare;
    }
    this.#versions = { stamp, errors, versions };
    return this.#versions;
  }

  async #release(service: string, version: string, author: string, message: string, at: EpochMs = this.#now()): Promise<void> {
    const file = versionFile(ENVIRONMENT, service);
    mkdirSync(join(this.paths.repository, "environments", ENVIRONMENT), { recursive: true });
    await writeFileAtomic(
      join(this.paths.repository, file),
      `service: ${service}\nversion: "${version}"\nimage: registry.shop.example/${service}:${version}\n`,
    );
    const git = gitAt(this.paths.repository, `${author} <${author.toLowerCase().replaceAll(" ", ".")}@shop.example>`, at);
    await git.add(file);
    await git.raw(["commit", "-m", message, "--", file]);
  }

  async #save(play: Play, aftermathSince: EpochMs | null): Promise<void> {
    this.#play = play;
    this.#aftermathSince = aftermathSince;
    await writeFileAtomic(this.paths.stateFile, JSON.stringify({ ...play, aftermathSince }), { mode: 0o600 });
  }

  async #firstCommits(start: EpochMs): Promise<void> {
    await gitAt(this.paths.repository, "Platform <platform@shop.example>", start - 400 * HOUR).init(["--initial-branch=main"]);
    for (const release of RELEASE_HISTORY) {
      const service = this.#names.services[release.role];
      const at = start - release.hoursBefore * HOUR;
      await this.#release(service, release.version, release.author, release.message.replace(release.role, service), at);
    }
  }
}
