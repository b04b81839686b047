import { join } from "node:path";
import type { SimpleGit } from "simple-git";
import writeFileAtomic from "write-file-atomic";
import type { DeployState, DeployTarget, WriteContext } from "../../actions/ports.ts";
import { StateMovedError, TargetError } from "../../actions/ports.ts";
import type { Probe } from "../../domain/probe.ts";
import type { EpochMs } from "../../domain/time.ts";
import { gitAt, gitSaid } from "./git.ts";
import { DEFAULT_LAYOUT, fileOf, folderOf, isServiceName, type Layout, serviceIn, versionIn, withVersion } from "./layout.ts";

export { gitAt } from "./git.ts";
export type { Layout } from "./layout.ts";

/** Where the file of a service lies in a repository of the usual layout. */
export const versionFile = (environment: string, service: string): string => fileOf(DEFAULT_LAYOUT, environment, service);

export const BOT = "Vigil <vigil@localhost>";
/** Commits of a file that are looked at for an earlier version. */
const LOOK_BACK = 50;

export interface GitopsOptions {
  /** A work tree. */
  readonly folder: string;
  readonly environment: string;
  readonly now: () => EpochMs;
  readonly layout?: Layout;
  /** Who commits: `Vigil <vigil@example.org>`. */
  readonly author?: string;
}

/** Where a service stands in the history. */
interface Standing {
  readonly state: DeployState;
  readonly path: string;
  /** The last commit with another version, and whether the one after it is the last that touched the file; null when there is none. */
  readonly before: { readonly commit: string; readonly whole: boolean } | null;
}

/** Acts on a git repository of versions: one YAML file a service and environment; a rollback is a revert commit, never a force. */
export class GitopsRepository implements DeployTarget, Probe {
  readonly concern = "deploys";
  readonly folder: string;
  readonly environment: string;
  readonly layout: Layout;
  readonly #author: string;
  readonly #now: () => EpochMs;

  constructor({ folder, environment, now, layout = DEFAULT_LAYOUT, author = BOT }: GitopsOptions) {
    this.folder = folder;
    this.environment = environment;
    this.layout = layout;
    this.#author = author;
    this.#now = now;
  }

  async check(): Promise<string> {
    const states = await this.list();
    const head = (await this.#git().raw(["rev-parse", "--short", "HEAD"])).trim();
    return `GitOps repository ${this.folder} at ${head}: ${states.length} services in ${this.environment}`;
  }

  async list(): Promise<readonly DeployState[]> {
    const folder = folderOf(this.layout, this.environment);
    const files = await this.#git()
      .raw(["ls-files", "-z", "--", folder])
      .catch((error) => {
        throw refused(`${this.folder} is no git repository (${gitSaid(error)}); check deploys.repository.`, error);
      });
    const services = files.split("\0").flatMap((path) => serviceIn(this.layout, this.environment, path) ?? []);
    const states = await Promise.all(services.map((service) => this.get(service)));
    return states.filter((state) => state !== null);
  }

  async get(service: string): Promise<DeployState | null> {
    return (await this.#standing(service))?.state ?? null;
  }

  async rollBack(service: string, write: WriteContext): Promise<DeployState> {
    const standing = await this.#checked(service, write);
    if (!standing) return this.#mustGet(service);
    const { state, path, before } = standing;
    if (before === null || state.previousVersion === null) {
      throw refused(`${service} has no earlier version in this repository to go back to.`);
    }
    const subject = `Revert ${service} from ${state.version} to ${state.previousVersion}`;
    const git = this.#git();
    // The file as it was before the deploy; what changed in it since then, or beside it in the same commit, is somebody else's and stays.
    const text = before.whole
      ? await git.show([`${before.commit}:${path}`])
      : withVersion(await git.show([`HEAD:${path}`]), this.layout.key, state.previousVersion);
    await this.#commit(path, text ?? "", [subject, `This reverts commit ${state.reference} in this file.`, trailers(write)]);
    return this.#mustGet(service);
  }

  async setVersion(service: string, version: string, write: WriteContext): Promise<DeployState> {
    const standing = await this.#checked(service, write);
    if (!standing || standing.state.version === version) return this.#mustGet(service);
    const text = withVersion(await this.#git().show([`HEAD:${standing.path}`]), this.layout.key, version);
    if (text === null) throw refused(`${standing.path} has no ${this.layout.key}; check deploys.key.`);
    await this.#commit(standing.path, text, [`Set ${service} to ${version}`, trailers(write)]);
    return this.#mustGet(service);
  }

  /** Whether a commit with this idempotency key is in the history. */
  async isDone(write: WriteContext): Promise<boolean> {
    const key = `--grep=Vigil-Idempotency-Key: ${write.idempotencyKey}`;
    return (await this.#git().raw(["log", "-n", "1", "--format=%H", "--fixed-strings", key])).trim() !== "";
  }

  async #standing(service: string): Promise<Standing | null> {
    if (!isServiceName(service)) return null;
    const git = this.#git();
    const path = fileOf(this.layout, this.environment, service);
    const log = await git.raw(["log", "-n", String(LOOK_BACK), "--format=%H", "--", path]).catch(() => "");
    const [head, ...older] = log.trim().split("\n").filter(Boolean);
    const version = head ? await this.#versionAt(git, "HEAD", path) : null;
    if (!head || version === null) return null;
    let reference = head;
    let before: Standing["before"] = null;
    let previousVersion: string | null = null;
    for (const commit of older) {
      previousVersion = await this.#versionAt(git, commit, path);
      if (previousVersion !== null && previousVersion !== version) {
        before = { commit, whole: reference === head };
        break;
      }
      previousVersion = null;
      reference = commit;
    }
    const fingerprint = `${version}@${head.slice(0, 12)}`;
    return { state: { service, environment: this.environment, version, previousVersion, reference, fingerprint }, path, before };
  }

  /** Null when this very write was done before. */
  async #checked(service: string, write: WriteContext): Promise<Standing | null> {
    const standing = await this.#standing(service);
    if (!standing)
      throw refused(`There is no ${fileOf(this.layout, this.environment, service.slice(0, 80))} in this repository.`);
    if (await this.isDone(write)) return null;
    const status = await this.#git().status();
    if (!status.isClean()) {
      throw refused(
        `The work tree of ${this.folder} has uncommitted changes (${status.files.length}); commit or remove them first.`,
      );
    }
    const { version, fingerprint } = standing.state;
    if (write.expected !== null && fingerprint !== write.expected) {
      throw new StateMovedError(`${service} is at ${version} now; it moved since this was decided. Look again and propose anew.`);
    }
    return standing;
  }

  async #commit(path: string, text: string, message: readonly string[]): Promise<void> {
    const git = this.#git();
    try {
      await writeFileAtomic(join(this.folder, path), text);
      const words = message.flatMap((part) => ["-m", part]);
      await git.raw(["commit", "--author", this.#author, ...words, "--", path]);
    } catch (error) {
      await git.raw(["checkout", "HEAD", "--", path]).catch(() => undefined);
      throw refused(`The change of ${path} could not be committed: ${gitSaid(error)}. Nothing was changed.`, error);
    }
  }

  async #versionAt(git: SimpleGit, commit: string, path: string): Promise<string | null> {
    const text = await git.show([`${commit}:${path}`]).catch(() => null);
    return text === null ? null : versionIn(text, this.layout.key);
  }

  async #mustGet(service: string): Promise<DeployState> {
    const state = await this.get(service);
    if (!state) throw new TargetError(`${service} cannot be read back after the change.`, { outcomeUnknown: true });
    return state;
  }

  #git(): SimpleGit {
    return gitAt(this.folder, this.#author, this.#now());
  }
}

function trailers(write: WriteContext): string {
  const oneLine = (text: string) => text.replace(/[\r\n]+/g, " ").slice(0, 300);
  return `Vigil-Idempotency-Key: ${write.idempotencyKey}\nVigil-Actor: ${oneLine(write.actor)}\nVigil-Reason: ${oneLine(write.reason)}`;
}

const refused = (message: string, cause?: unknown): TargetError => new TargetError(message, { outcomeUnknown: false, cause });
