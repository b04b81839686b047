import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type SimpleGit, simpleGit } from "simple-git";
import writeFileAtomic from "write-file-atomic";
import { parse, parseDocument } from "yaml";
import type { DeployState, DeployTarget, WriteContext } from "../../actions/ports.ts";
import { StateMovedError, TargetError } from "../../actions/ports.ts";
import type { Probe } from "../../domain/probe.ts";
import type { EpochMs } from "../../domain/time.ts";

/** Where the file of a service lies in the repository. */
export const versionFile = (environment: string, service: string): string => `environments/${environment}/${service}.yaml`;

const SERVICE_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/i;
const BOT = "Vigil <vigil@localhost>";

/** Git with an identity of its own, and dates in telemetry time, so that history lines up with what it caused. */
export function gitAt(folder: string, author: string, at: EpochMs): SimpleGit {
  const [, name = "Vigil", mail = "vigil@localhost"] = /^(.*?)\s*<(.*)>$/.exec(author) ?? [];
  const date = new Date(at).toISOString();
  // Hooks of the repository are switched off, so that nothing in it runs with our rights; the option exists for those who switch them on.
  return simpleGit({
    unsafe: { allowUnsafeHooksPath: true },
    allowEnvironment: ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"],
    baseDir: folder,
    config: [`user.name=${name}`, `user.email=${mail}`, "commit.gpgsign=false", "core.hooksPath=/dev/null"],
  }).env({
    PATH: process.env.PATH ?? "",
    HOME: folder,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_DATE: date,
  });
}

/** Acts on a git repository of versions: one YAML file a service and environment; a rollback is a revert commit, never a force. */
export class GitopsRepository implements DeployTarget, Probe {
  readonly concern = "deploys";
  readonly folder: string;
  readonly environment: string;
  readonly #now: () => EpochMs;

  constructor(options: { readonly folder: string; readonly environment: string; readonly now: () => EpochMs }) {
    this.folder = options.folder;
    this.environment = options.environment;
    this.#now = options.now;
  }

  async check(): Promise<string> {
    const states = await this.list();
    const head = await this.#git()
      .raw(["rev-parse", "--short", "HEAD"])
      .catch((error) => {
        throw new TargetError(`${this.folder} is no git repository (${(error as Error).message}); check deploys.repository.`, {
          outcomeUnknown: false,
          cause: error,
        });
      });
    return `GitOps repository ${this.folder} at ${head.trim()}: ${states.length} services in ${this.environment}`;
  }

  async list(): Promise<readonly DeployState[]> {
    const files = await readdir(join(this.folder, "environments", this.environment)).catch((error) => {
      throw new TargetError(
        `${this.folder} has no environments/${this.environment} folder: ${(error as Error).message}. Check deploys.repository.`,
        {
          outcomeUnknown: false,
          cause: error,
        },
      );
    });
    const states = await Promise.all(
      files.filter((file) => file.endsWith(".yaml")).map((file) => this.get(file.slice(0, -".yaml".length))),
    );
    return states.filter((state) => state !== null);
  }

  async get(service: string): Promise<DeployState | null> {
    if (!SERVICE_NAME.test(service)) return null;
    const git = this.#git();
    const path = versionFile(this.environment, service);
    const log = (await git.raw(["log", "-n", "2", "--format=%H", "--", path]).catch(() => "")).trim().split("\n").filter(Boolean);
    const [head, before] = log;
    if (!head) return null;
    const version = await this.#versionAt(git, "HEAD", path);
    if (version === null) return null;
    return {
      service,
      environment: this.environment,
      version,
      previousVersion: before ? await this.#versionAt(git, before, path) : null,
      reference: head,
      fingerprint: `${version}@${head.slice(0, 12)}`,
    };
  }

  async rollBack(service: string, write: WriteContext): Promise<DeployState> {
    const state = await this.#checked(service, write);
    if (await this.#done(write)) return state;
    if (state.previousVersion === null) {
      throw new TargetError(`${service} has no earlier version in this repository to go back to.`, { outcomeUnknown: false });
    }
    const git = this.#git();
    try {
      await git.raw(["revert", "--no-commit", state.reference]);
      await git.raw([
        "commit",
        "--author",
        BOT,
        "-m",
        `Revert ${service} from ${state.version} to ${state.previousVersion}`,
        "-m",
        this.#trailers(write),
      ]);
    } catch (error) {
      await git.raw(["revert", "--abort"]).catch(() => git.raw(["reset", "--hard", "HEAD"]));
      throw new TargetError(
        `The revert of ${state.reference.slice(0, 12)} did not apply: ${(error as Error).message}. Nothing was changed.`,
        {
          outcomeUnknown: false,
          cause: error,
        },
      );
    }
    return this.#mustGet(service);
  }

  async setVersion(service: string, version: string, write: WriteContext): Promise<DeployState> {
    const state = await this.#checked(service, write);
    if (state.version === version || (await this.#done(write))) return state;
    const path = versionFile(this.environment, service);
    const git = this.#git();
    const document = parseDocument(await git.show([`HEAD:${path}`]));
    document.set("version", version);
    const image: unknown = document.get("image");
    if (typeof image === "string" && image.endsWith(`:${state.version}`)) {
      document.set("image", image.slice(0, -state.version.length) + version);
    }
    await writeFileAtomic(join(this.folder, path), document.toString());
    await git.raw(["commit", "--author", BOT, "-m", `Set ${service} to ${version}`, "-m", this.#trailers(write), "--", path]);
    return this.#mustGet(service);
  }

  async #checked(service: string, write: WriteContext): Promise<DeployState> {
    const state = await this.get(service);
    if (!state)
      throw new TargetError(`There is no ${versionFile(this.environment, service.slice(0, 80))} in this repository.`, {
        outcomeUnknown: false,
      });
    if (await this.#done(write)) return state;
    const status = await this.#git().status();
    if (!status.isClean()) {
      throw new TargetError(
        `The work tree of ${this.folder} has uncommitted changes (${status.files.length}); commit or remove them first.`,
        {
          outcomeUnknown: false,
        },
      );
    }
    if (write.expected !== null && state.fingerprint !== write.expected) {
      throw new StateMovedError(
        `${service} is at ${state.version} now; it moved since this was decided. Look again and propose anew.`,
      );
    }
    return state;
  }

  /** Whether a commit with this idempotency key is in the history. */
  async #done(write: WriteContext): Promise<boolean> {
    const found = await this.#git().raw([
      "log",
      "-n",
      "1",
      "--format=%H",
      "--fixed-strings",
      `--grep=Vigil-Idempotency-Key: ${write.idempotencyKey}`,
    ]);
    return found.trim() !== "";
  }

  #trailers(write: WriteContext): string {
    const oneLine = (text: string) => text.replace(/[\r\n]+/g, " ").slice(0, 300);
    return `Vigil-Idempotency-Key: ${write.idempotencyKey}\nVigil-Actor: ${oneLine(write.actor)}\nVigil-Reason: ${oneLine(write.reason)}`;
  }

  async #versionAt(git: SimpleGit, commit: string, path: string): Promise<string | null> {
    const text = await git.show([`${commit}:${path}`]).catch(() => null);
    const value = text === null ? null : (parse(text) as { version?: unknown } | null);
    return value?.version === undefined ? null : String(value.version);
  }

  async #mustGet(service: string): Promise<DeployState> {
    const state = await this.get(service);
    if (!state) throw new TargetError(`${service} cannot be read back after the change.`, { outcomeUnknown: true });
    return state;
  }

  #git(): SimpleGit {
    return gitAt(this.folder, BOT, this.#now());
  }
}
