import type { DeployState, DeployTarget, WriteContext } from "../../actions/ports.ts";
import { StateMovedError, TargetError } from "../../actions/ports.ts";
import type { Probe } from "../../domain/probe.ts";
import type { Milliseconds } from "../../domain/time.ts";
import { fingerprintOf } from "../flag-writer.ts";
import { ApiError } from "../json-api.ts";
import { type Cluster, type JsonPatch, rights } from "./cluster.ts";
import type { PodTemplate, Workload } from "./objects.ts";
import { untilReady } from "./readiness.ts";
import {
  behaviourOf,
  guarded,
  isDone,
  ownedBy,
  revisionOf,
  serviceOf,
  templateFrom,
  versionOf,
  withVersion,
} from "./workload.ts";

export interface KubernetesDeploysOptions {
  readonly environment: string;
  /** How long a rollout may take to get all copies ready before the write is told as unsure. */
  readonly readyWithin: Milliseconds;
}

/** A revision that the Deployment's history still has. */
interface Revision {
  readonly number: number;
  readonly name: string;
  readonly version: string;
  readonly template: PodTemplate;
  readonly behaviour: string;
}

/**
 * Acts on the Deployments of one namespace, as `kubectl rollout undo` does: the pod template of an earlier ReplicaSet is put back. A revision
 * that differs in nothing but a restart is none to go back to. After a write it watches until all copies are ready.
 */
export class KubernetesDeploys implements DeployTarget, Probe {
  readonly concern = "deploys";
  readonly environment: string;
  readonly #cluster: () => Promise<Cluster>;
  readonly #readyWithin: Milliseconds;

  constructor(cluster: () => Promise<Cluster>, { environment, readyWithin }: KubernetesDeploysOptions) {
    this.#cluster = cluster;
    this.environment = environment;
    this.#readyWithin = readyWithin;
  }

  async check(): Promise<string> {
    const cluster = await this.#cluster();
    const version = await cluster.version();
    // What a look at versions reads.
    const [deployments, allowed] = await Promise.all([
      cluster.deployments(),
      cluster.mayPatch("deployments"),
      cluster.replicaSets(),
    ]);
    return `Kubernetes ${version} at ${cluster.host}, namespace ${cluster.namespace}: ${deployments.length} deployments${rights(allowed)}`;
  }

  async list(): Promise<readonly DeployState[]> {
    const cluster = await this.#cluster();
    const [deployments, replicaSets] = await Promise.all([cluster.deployments(), cluster.replicaSets()]);
    return deployments.map((deployment) => this.#state(deployment, replicaSets));
  }

  async get(service: string): Promise<DeployState | null> {
    const found = await this.#find(service);
    return found && this.#state(found.deployment, found.replicaSets);
  }

  async rollBack(service: string, write: WriteContext): Promise<DeployState> {
    const { deployment, replicaSets } = await this.#mustFind(service);
    const state = this.#state(deployment, replicaSets);
    if (isDone(deployment, write)) return state;
    this.#mustHold(state, write);
    const before = earlier(deployment, history(deployment, replicaSets));
    if (!before) throw refused(`${service} has no earlier revision in ${this.environment} to go back to.`);
    return this.#apply(service, deployment, write, [
      { op: "replace", path: "/spec/template", value: templateFrom(before.template) },
    ]);
  }

  async setVersion(service: string, version: string, write: WriteContext): Promise<DeployState> {
    const { deployment, replicaSets } = await this.#mustFind(service);
    const state = this.#state(deployment, replicaSets);
    if (isDone(deployment, write) || state.version === version) return state;
    this.#mustHold(state, write);
    const known = history(deployment, replicaSets).find((revision) => names(revision).includes(version));
    if (known) {
      return this.#apply(service, deployment, write, [
        { op: "replace", path: "/spec/template", value: templateFrom(known.template) },
      ]);
    }
    const image = /^[\w][\w.-]{0,127}$/.test(version) ? withVersion(deployment.spec.template, service, version) : null;
    if (!image) throw refused(`${service} has no revision ${version.slice(0, 80)}, and its image cannot be given that tag.`);
    return this.#apply(service, deployment, write, [
      { op: "replace", path: `/spec/template/spec/containers/${image.index}/image`, value: image.image },
    ]);
  }

  async #apply(service: string, deployment: Workload, write: WriteContext, changes: JsonPatch): Promise<DeployState> {
    const cluster = await this.#cluster();
    const name = deployment.metadata.name;
    try {
      await cluster.patch("deployments", name, guarded(deployment, write, changes));
    } catch (error) {
      if (error instanceof ApiError && error.fault === "conflict") throw moved(service, error);
      throw error;
    }
    await untilReady(cluster, name, this.#readyWithin);
    const found = await this.#mustFind(service);
    return this.#state(found.deployment, found.replicaSets);
  }

  #state(deployment: Workload, replicaSets: readonly Workload[]): DeployState {
    const service = serviceOf(deployment);
    const template = deployment.spec.template;
    const version = versionOf(template, service);
    const before = earlier(deployment, history(deployment, replicaSets));
    return {
      service,
      environment: this.environment,
      version,
      previousVersion: before === null ? null : before.version === version ? numbered(before) : before.version,
      reference: `${deployment.metadata.namespace}/${deployment.metadata.name} revision ${revisionOf(deployment.metadata)}`,
      fingerprint: fingerprintOf(`${deployment.metadata.uid} ${behaviourOf(template)}`),
    };
  }

  #mustHold(state: DeployState, write: WriteContext): void {
    if (write.expected !== null && write.expected !== state.fingerprint) throw moved(state.service);
  }

  async #find(service: string) {
    const cluster = await this.#cluster();
    const [deployments, replicaSets] = await Promise.all([cluster.deployments(), cluster.replicaSets()]);
    const deployment = deployments.find((one) => serviceOf(one) === service);
    return deployment ? { deployment, replicaSets } : null;
  }

  async #mustFind(service: string) {
    const found = await this.#find(service);
    if (found) return found;
    throw refused(`No deployment in the namespace runs ${service.slice(0, 80)}.`);
  }
}

/** Newest first. */
function history(deployment: Workload, replicaSets: readonly Workload[]): Revision[] {
  const service = serviceOf(deployment);
  return replicaSets
    .filter(({ metadata }) => ownedBy(metadata, deployment.metadata.uid))
    .map(({ metadata, spec }) => ({
      number: revisionOf(metadata),
      name: metadata.name,
      version: versionOf(spec.template, service),
      template: spec.template,
      behaviour: behaviourOf(spec.template),
    }))
    .sort((a, b) => b.number - a.number);
}

/** The newest revision that behaves otherwise than what is wanted now, and is not newer than that. */
function earlier(deployment: Workload, revisions: readonly Revision[]): Revision | null {
  const now = behaviourOf(deployment.spec.template);
  const current = revisions.find(({ behaviour }) => behaviour === now)?.number ?? Number.POSITIVE_INFINITY;
  return revisions.find(({ number, behaviour }) => number < current && behaviour !== now) ?? null;
}

const numbered = ({ version, number }: Revision): string => `${version} (revision ${number})`;
const names = (revision: Revision): string[] => [revision.version, numbered(revision)];

const refused = (message: string): TargetError => new TargetError(message, { outcomeUnknown: false });

const moved = (service: string, cause?: unknown): StateMovedError =>
  new StateMovedError(`${service} moved since this was decided; look again and propose anew.`, { cause });
