import { z } from "zod";
import type { DeployState, DeployTarget, WriteContext } from "../../actions/ports.ts";
import { StateMovedError, TargetError } from "../../actions/ports.ts";
import type { Probe } from "../../domain/probe.ts";
import type { Milliseconds } from "../../domain/time.ts";
import { shaped } from "../answer-shape.ts";
import { JsonApi } from "../json-api.ts";
import {
  type Application,
  applicationListSchema,
  applicationSchema,
  type Deployment,
  historyOf,
  isAutomated,
  revisionOf,
  serviceOf,
} from "./application.ts";

export interface ArgoCdOptions {
  readonly url: string;
  /** Of an account that may get and sync the applications. */
  readonly token: string;
  /** Only applications of this project. */
  readonly project?: string | undefined;
  readonly environment: string;
  /** How long a sync may take before it is told as unsure. */
  readonly readyWithin: Milliseconds;
  /** Between looks at a running sync. */
  readonly pollEvery?: Milliseconds;
  readonly timeout?: Milliseconds;
}

const SYSTEM = { name: "Argo CD", key: "deploys.url" };
const versionSchema = z.looseObject({ Version: z.string() });
/** Idempotency keys that are remembered; Argo CD has no place for them. */
const KEYS = 1_000;

/** The API of an Argo CD server; shared with the watcher of its history. */
export const argoCdApi = ({ url, token, timeout }: Pick<ArgoCdOptions, "url" | "token" | "timeout">): JsonApi =>
  new JsonApi({
    name: SYSTEM.name,
    url,
    headers: { authorization: `Bearer ${token}` },
    keys: { url: SYSTEM.key, token: "deploys.token" },
    ...(timeout === undefined ? {} : { timeout }),
  });

/** All applications of a project, or all that the account sees. */
export async function applications(api: JsonApi, project: string | undefined): Promise<readonly Application[]> {
  const found = await api.get(["api", "v1", "applications"], { query: project ? { projects: project } : {} });
  return shaped(SYSTEM, applicationListSchema, found).items ?? [];
}

/**
 * Rolls applications of Argo CD back to an earlier entry of their history (https://argo-cd.readthedocs.io/en/stable/developer-guide/api-docs/).
 * It refuses where automated sync is on, as Argo CD itself does: there the version is git's, and a revert in git is the way back.
 */
export class ArgoCd implements DeployTarget, Probe {
  readonly concern = "deploys";
  readonly environment: string;
  readonly #api: JsonApi;
  readonly #options: ArgoCdOptions;
  readonly #done = new Set<string>();

  constructor(options: ArgoCdOptions) {
    this.environment = options.environment;
    this.#options = options;
    this.#api = argoCdApi(options);
  }

  async check(): Promise<string> {
    const { Version } = shaped(SYSTEM, versionSchema, await this.#api.get(["api", "version"]));
    const all = await applications(this.#api, this.#options.project);
    const automated = all.filter(isAutomated).length;
    const which = automated > 0 ? `, ${automated} of them synced automatically, which cannot be rolled back here` : "";
    return `Argo CD ${Version} at ${this.#api.host}: ${all.length} applications${which}`;
  }

  async list(): Promise<readonly DeployState[]> {
    const all = await applications(this.#api, this.#options.project);
    return all.map((one) => this.#state(one)).filter((state) => state !== null);
  }

  async get(service: string): Promise<DeployState | null> {
    const found = await this.#find(service);
    return found && this.#state(found);
  }

  async rollBack(service: string, write: WriteContext): Promise<DeployState> {
    const application = await this.#checked(service, write);
    if (this.#done.has(write.idempotencyKey)) return this.#mustState(application);
    const before = earlier(application);
    if (!before) throw refused(`${service} has no earlier deployment in Argo CD to go back to.`);
    return this.#rollBackTo(application, before, write);
  }

  async setVersion(service: string, version: string, write: WriteContext): Promise<DeployState> {
    const application = await this.#checked(service, write);
    const state = this.#mustState(application);
    if (this.#done.has(write.idempotencyKey) || state.version === version) return state;
    const known = historyOf(application).findLast((one) => [revisionOf(one), one.revision].includes(version));
    if (known) return this.#rollBackTo(application, known, write);
    const { name, namespace } = application.metadata;
    const infos = [
      { name: "Requested by", value: write.actor },
      { name: "Reason", value: write.reason.slice(0, 300) },
    ];
    const body = { name, revision: version, prune: false, infos, ...(namespace ? { appNamespace: namespace } : {}) };
    await this.#api.write("POST", ["api", "v1", "applications", name, "sync"], { body });
    return this.#settled(application, write);
  }

  async #rollBackTo(application: Application, { id }: Deployment, write: WriteContext): Promise<DeployState> {
    const { name, namespace } = application.metadata;
    if (isAutomated(application)) {
      throw refused(
        `Argo CD syncs ${name} automatically and would undo a rollback. Revert it in git (deploys.kind: gitops), or switch auto-sync off.`,
      );
    }
    const body = { name, id, prune: false, ...(namespace ? { appNamespace: namespace } : {}) };
    await this.#api.write("POST", ["api", "v1", "applications", name, "rollback"], { body });
    return this.#settled(application, write);
  }

  /** Waits until the operation is over. */
  async #settled(before: Application, write: WriteContext): Promise<DeployState> {
    const { readyWithin, pollEvery = 1_000 } = this.#options;
    const { name } = before.metadata;
    const last = historyOf(before).at(-1)?.id ?? -1;
    const deadline = Date.now() + readyWithin;
    for (;;) {
      const now = await this.#application(before);
      const { phase, message } = now.status.operationState ?? { phase: "Running", message: "" };
      if (phase === "Succeeded" && (historyOf(now).at(-1)?.id ?? -1) !== last) {
        this.#remember(write.idempotencyKey);
        return this.#mustState(now);
      }
      const fresh = now.status.operationState?.startedAt !== before.status.operationState?.startedAt;
      if ((phase === "Failed" || phase === "Error") && fresh) {
        throw refused(`The sync of ${name} failed: ${(message ?? "").slice(0, 200)}. Look at it in Argo CD.`);
      }
      if (Date.now() >= deadline) {
        throw new TargetError(
          `The sync of ${name} is not over after ${readyWithin / 1_000} s (${phase}); look at it in Argo CD.`,
          {
            outcomeUnknown: true,
          },
        );
      }
      await new Promise((resolve) => setTimeout(resolve, pollEvery));
    }
  }

  #remember(key: string): void {
    this.#done.add(key);
    const [oldest] = this.#done;
    if (this.#done.size > KEYS && oldest !== undefined) this.#done.delete(oldest);
  }

  async #checked(service: string, write: WriteContext): Promise<Application> {
    const application = await this.#find(service);
    if (!application) throw refused(`Argo CD has no application for ${service.slice(0, 80)}.`);
    const { fingerprint } = this.#mustState(application);
    if (!this.#done.has(write.idempotencyKey) && write.expected !== null && write.expected !== fingerprint) {
      throw new StateMovedError(`${service} moved since this was decided; look again and propose anew.`);
    }
    return application;
  }

  async #find(service: string): Promise<Application | null> {
    const all = await applications(this.#api, this.#options.project);
    return all.find((one) => serviceOf(one) === service) ?? null;
  }

  async #application({ metadata: { name, namespace } }: Application): Promise<Application> {
    const query: Record<string, string> = namespace ? { appNamespace: namespace } : {};
    return shaped(SYSTEM, applicationSchema, await this.#api.get(["api", "v1", "applications", name], { query }));
  }

  /** Null for an application that was never deployed. */
  #state(application: Application): DeployState | null {
    const current = historyOf(application).at(-1);
    if (!current) return null;
    const before = earlier(application);
    return {
      service: serviceOf(application),
      environment: this.environment,
      version: revisionOf(current),
      previousVersion: before && revisionOf(before),
      reference: current.revision ?? String(current.id),
      fingerprint: `${application.metadata.uid ?? application.metadata.name}#${current.id}@${revisionOf(current)}`,
    };
  }

  #mustState(application: Application): DeployState {
    const state = this.#state(application);
    if (!state) throw refused(`${application.metadata.name} was never deployed by Argo CD.`);
    return state;
  }
}

/** The last deployment of another revision than the current one. */
function earlier(application: Application): Deployment | null {
  const history = historyOf(application);
  const current = history.at(-1);
  return (current && history.findLast((one) => revisionOf(one) !== revisionOf(current))) ?? null;
}

const refused = (message: string): TargetError => new TargetError(message, { outcomeUnknown: false });
