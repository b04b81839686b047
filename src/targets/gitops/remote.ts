import { createHash } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { SimpleGit } from "simple-git";
import type { DeployState, DeployTarget, WriteContext } from "../../actions/ports.ts";
import { StateMovedError, TargetError } from "../../actions/ports.ts";
import type { Probe } from "../../domain/probe.ts";
import { type EpochMs, type Milliseconds, SECOND } from "../../domain/time.ts";
import { type GitAccess, gitAt, gitSaid } from "./git.ts";
import { BOT, GitopsRepository, type Layout } from "./index.ts";
import type { PullRequests } from "./pull-request.ts";

export interface GitopsRemoteOptions {
  /** `https://…`, `ssh://…`, `git@host:path` or `file:///…`. */
  readonly url: string;
  readonly branch: string;
  /** Folder in which the clone is kept; nobody else works there. */
  readonly folder: string;
  readonly environment: string;
  readonly now: () => EpochMs;
  readonly layout?: Layout;
  readonly author?: string;
  readonly access: GitAccess;
  /** Go through a pull request instead of pushing to the branch itself. */
  readonly pullRequests?: PullRequests | null;
}

/** A look at the remote is good for this long, so that listing forty services fetches once. */
const FRESH: Milliseconds = 2 * SECOND;

/**
 * Acts on a remote repository of versions through a clone of its own. Each change is one commit on top of what the branch is at that moment,
 * on a branch of its own, which is then pushed, never with force: a push that crossed with somebody's is refused and told as such.
 */
export class GitopsRemote implements DeployTarget, Probe {
  readonly concern = "deploys";
  readonly environment: string;
  readonly layout: Layout;
  readonly folder: string;
  readonly #options: GitopsRemoteOptions;
  readonly #local: GitopsRepository;
  readonly #name: string;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: GitopsRemoteOptions) {
    const { url, folder, environment, now, layout, author } = options;
    this.#options = options;
    this.environment = environment;
    this.folder = join(folder, createHash("sha256").update(url).digest("hex").slice(0, 12));
    this.#local = new GitopsRepository({
      folder: this.folder,
      environment,
      now,
      ...(layout ? { layout } : {}),
      ...(author ? { author } : {}),
    });
    this.layout = this.#local.layout;
    this.#name = url.replace(/\/\/[^@/\s]+@/, "//");
  }

  async check(): Promise<string> {
    return this.#alone(async () => {
      await this.#fetch(true);
      const states = await this.#local.list();
      const head = (await this.#git().raw(["rev-parse", "--short", "HEAD"])).trim();
      const via = this.#options.pullRequests ? `, by pull request (${await this.#options.pullRequests.check()})` : "";
      return `${this.#name}, ${this.#options.branch} at ${head}: ${states.length} services in ${this.environment}${via}`;
    });
  }

  list(): Promise<readonly DeployState[]> {
    return this.#alone(async () => {
      await this.#fetch(false);
      return this.#local.list();
    });
  }

  get(service: string): Promise<DeployState | null> {
    return this.#alone(async () => {
      await this.#fetch(false);
      return this.#local.get(service);
    });
  }

  rollBack(service: string, write: WriteContext): Promise<DeployState> {
    return this.#deliver(service, write, () => this.#local.rollBack(service, write));
  }

  setVersion(service: string, version: string, write: WriteContext): Promise<DeployState> {
    return this.#deliver(service, write, () => this.#local.setVersion(service, version, write));
  }

  /** Brings the clone up to date with the branch. */
  refresh(): Promise<void> {
    return this.#alone(() => this.#fetch(true));
  }

  #deliver(service: string, write: WriteContext, commit: () => Promise<DeployState>): Promise<DeployState> {
    return this.#alone(async () => {
      await this.#fetch(true);
      const git = this.#git();
      const before = (await git.raw(["rev-parse", "HEAD"])).trim();
      const state = await commit();
      const after = (await git.raw(["rev-parse", "HEAD"])).trim();
      if (after === before) return state;
      try {
        await this.#send(git, service, write, state);
      } catch (error) {
        // A lost answer is no failure when the commit is there.
        const landed = await this.#fetch(true).then(
          () => this.#local.isDone(write),
          () => null,
        );
        if (landed) return this.#mustGet(service);
        throw this.#failure(service, error, landed === null);
      }
      await this.#fetch(true);
      return this.#mustGet(service);
    });
  }

  async #send(git: SimpleGit, service: string, write: WriteContext, state: DeployState): Promise<void> {
    const { branch, pullRequests } = this.#options;
    if (!pullRequests) {
      await git.raw(["push", "origin", `HEAD:refs/heads/${branch}`]);
      return;
    }
    const own = `vigil/${service}-${createHash("sha256").update(write.idempotencyKey).digest("hex").slice(0, 10)}`;
    await git.raw(["push", "origin", `HEAD:refs/heads/${own}`]);
    await pullRequests.merge({
      head: own,
      base: branch,
      title: `${service}: ${state.version}`,
      body: `${write.actor}\n\n${write.reason}`,
    });
  }

  #failure(service: string, error: unknown, unknown: boolean): Error {
    if (error instanceof TargetError) return error;
    const said = gitSaid(error);
    if (/non-fast-forward|fetch first|\[rejected\]/.test(said)) {
      return new StateMovedError(
        `Somebody pushed to ${this.#options.branch} at the same time; look at ${service} again and propose anew.`,
      );
    }
    return new TargetError(
      `The push to ${this.#name} failed: ${said}. Check deploys.token and that it may push to ${this.#options.branch}.`,
      {
        outcomeUnknown: unknown,
        cause: error,
      },
    );
  }

  /** Clones at the first time, then fetches; the work tree is what the remote branch is. */
  async #fetch(now: boolean): Promise<void> {
    if (!now && Date.now() - this.#fetchedAt < FRESH) return;
    const { url, branch } = this.#options;
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const git = this.#git();
    try {
      if (!existsSync(join(this.folder, ".git"))) {
        await git.raw(["init", "-q"]);
        await git.raw(["remote", "add", "origin", url]);
      }
      await git.raw(["fetch", "-q", "--no-tags", "origin", `+refs/heads/${branch}:refs/remotes/origin/${branch}`]);
      await git.raw(["checkout", "-q", "-f", "-B", "vigil", `refs/remotes/origin/${branch}`]);
      await git.raw(["clean", "-q", "-fd"]);
    } catch (error) {
      const said = gitSaid(error);
      const remedy = /couldn't find remote ref/.test(said)
        ? "check deploys.branch"
        : /Authentication|could not read Username|403|401|Permission denied/i.test(said)
          ? "check deploys.token and deploys.username, or the ssh key"
          : /block timeout/.test(said)
            ? "the server does not answer; check deploys.repository and the network"
            : "check deploys.repository and the network";
      throw new TargetError(`The GitOps repository ${this.#name} cannot be fetched: ${said}; ${remedy}.`, {
        outcomeUnknown: false,
        cause: error,
      });
    }
    this.#fetchedAt = Date.now();
  }

  async #mustGet(service: string): Promise<DeployState> {
    const state = await this.#local.get(service);
    if (!state) throw new TargetError(`${service} cannot be read back after the change.`, { outcomeUnknown: true });
    return state;
  }

  /** One after the other: there is one work tree. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  #git(): SimpleGit {
    const { author = BOT, access, now } = this.#options;
    return gitAt(this.folder, author, now(), access);
  }
}
